"""The demo as a user runs it."""

import re
from pathlib import Path

import pytest

from e2e.conftest import DEMO, DemoHome, run_demo
from market_files import bar_rows, write_parquet
from programs import eventually, ms, ms_json, serving
from recorded_hours import copy_hours

STEPS = ["engines", "market", "quality gate", "features sound", "train sound", "features peeking", "train peeking",
         "backtest", "report"]  # fmt: skip
PEEKING = (
    r"leaks was 2, must be <= 0: feature (?:smooth|scaled)_return of BTC at bar 20\d\d-\d\d-\d\dT\d\d:\d\d:00Z "
    r"is (\S+) with the future known and (\S+) without"
)


def test_it_prints_what_it_did(demo_home: DemoHome) -> None:
    document = demo_home.document
    assert document.keys() >= {"seconds", "steps", "candidates", "report", "content_hash"}
    assert [step["name"] for step in document["steps"]] == STEPS
    assert all(step["seconds"] >= 0 for step in document["steps"])
    assert sum(step["seconds"] for step in document["steps"]) <= document["seconds"] <= demo_home.seconds
    assert re.fullmatch("[0-9a-f]{64}", document["content_hash"])


def test_the_sound_candidate_passes_and_the_peeking_one_is_refused_with_the_reason(
    demo_home: DemoHome,
) -> None:
    sound, peeking = demo_home.document["candidates"]
    assert all(one.keys() == {"name", "version", "verdict", "reasons"} for one in (sound, peeking))
    assert (sound["name"], sound["verdict"], sound["reasons"]) == ("demo_sound", "pass", [])
    assert (peeking["name"], peeking["verdict"]) == ("demo_peeking", "fail")
    found = re.search(PEEKING, peeking["reasons"][0])
    assert found, peeking["reasons"]
    assert float(found[1]) != float(found[2]) or "nan" in found[2]


def test_the_screen_fits_80_columns_and_names_every_step(demo_home: DemoHome) -> None:
    lines = demo_home.shown.splitlines()
    assert all(len(line) <= 80 for line in lines if str(demo_home.home) not in line), demo_home.shown
    assert [line[2:].split("  ")[0] for line in lines if line.startswith("✓")] == STEPS
    assert str(demo_home.document["report"]) in demo_home.shown


def test_the_report_opens_offline_and_says_that_the_market_is_synthetic(demo_home: DemoHome) -> None:
    page = Path(demo_home.document["report"]).read_text()
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    assert "synthetic" in page.lower()
    assert demo_home.document["content_hash"][:12] in page
    assert "demo_peeking" in page


def test_a_second_run_takes_up_what_is_there(demo_home: DemoHome) -> None:
    again = run_demo(demo_home.home, *DEMO)
    assert again.document["content_hash"] == demo_home.document["content_hash"]
    assert again.document["candidates"] == demo_home.document["candidates"]

    def trained(one: DemoHome) -> float:
        return sum(step["seconds"] for step in one.document["steps"] if "train" in step["name"])

    assert trained(again) < trained(demo_home) / 2
    assert "already there" in again.document["steps"][1]["detail"]


def test_the_report_in_chinese(demo_home: DemoHome, tmp_path: Path) -> None:
    out = tmp_path / "报告.html"
    ms_json(demo_home.home, "backtest", "report", "1", "--lang", "zh", "--out", out)
    page = out.read_text(encoding="utf-8")
    assert 'lang="zh' in page
    for word in ("回测", "最大回撤", "手续费", "合成"):
        assert word in page, word
    text = re.sub(r"(?s)<style.*?</style>|<svg.*?</svg>|<[^>]+>", " ", page)
    assert len(re.findall(r"[\u4e00-\u9fff]", text)) > 300


def test_replay_finds_the_same_hash(demo_home: DemoHome) -> None:
    replayed = ms_json(demo_home.home, "replay", str(demo_home.document["run_id"]))
    assert replayed["same_content_hash"] is True
    assert replayed["content_hash"] == demo_home.document["content_hash"]


def test_status_shows_what_the_demo_left(demo_home: DemoHome) -> None:
    status = ms_json(demo_home.home, "status")
    assert {one["symbol"]: one["is_synthetic"] for one in status["series"]} == dict.fromkeys(
        ("BTC", "ETH", "SOL"), True
    )
    assert {one["name"]: (one["verdict"], one["state"]) for one in status["models"]} == {
        "demo_sound": ("pass", "candidate"),
        "demo_peeking": ("fail", "refused"),
    }
    assert {run["status"] for run in status["runs"]} == {"completed"}
    assert all(run["metrics"]["pnl_after_cost"] is not None for run in status["runs"])
    shown = ms(demo_home.home, "status")
    assert shown.returncode == 0
    assert max(len(line) for line in shown.stdout.splitlines() if str(demo_home.home) not in line) <= 80


def test_without_once_it_serves_the_api_at_the_end(demo_home: DemoHome) -> None:
    words = [word for word in DEMO if word != "--once"]
    with serving(demo_home.home, *words) as running:
        assert eventually(lambda: f"127.0.0.1:{running.port}/api/v2/docs" in running.stderr, 120)
        assert eventually(running.is_ready)
        assert running.status_of("/api/v2/backtest/1") == 200
        assert running.stop() == 0


@pytest.mark.realdata
def test_it_runs_on_recorded_data(realdata: Path, tmp_path: Path) -> None:
    """The verdict is the data's; what must hold is that every step runs and the leak is found."""
    bars = copy_hours(realdata, tmp_path / "my bars", n_bars=6_000, symbols=("BTCUSDT", "ETHUSDT"))
    demo = run_demo(tmp_path / "home", "demo", "--once", "--data", bars.parent)
    assert [step["name"] for step in demo.document["steps"]] == STEPS
    sound, peeking = demo.document["candidates"]
    assert sound["verdict"] in ("pass", "fail", "insufficient_observation")
    assert peeking["verdict"] == "fail"
    assert re.search(PEEKING, peeking["reasons"][0]), peeking["reasons"]
    assert "synthetic" not in Path(demo.document["report"]).read_text().lower()
    assert not any(one["is_synthetic"] for one in ms_json(demo.home, "status")["series"])


def test_files_that_do_not_say_what_they_are_are_named(tmp_path: Path) -> None:
    bars = write_parquet(tmp_path / "bars" / "BTCUSDT.parquet", bar_rows(500))
    refused = ms(tmp_path / "home", "demo", "--once", "--data", bars.parent)
    assert refused.returncode == 3
    assert f"{bars}: its name does not say venue and market" in refused.stderr
