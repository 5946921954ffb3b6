"""The main job verb by verb: a series with holes is blocked, and a user's own parts go all the way.

Each part goes alone with all verbs in one process, and both together with a process for each verb, as a shell starts
them: what a verb leaves to the next must be in the home.
"""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

from marketsentry.core.gates.leak import LEAK_PROOFS
from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.synthetic import make_market
from programs import CHECKOUT, ms, ms_json
from verbs import in_home
from verbs import ms as called

Verbs = Callable[..., CompletedProcess[str]]

HOUR = parse_interval("1h")
N_BARS = 24 * 150
HOLES = ((600, 680), (2_000, 2_120))  # 200 of 3,600 bars: 5.6 %, and the gate allows 2 %
MARKET = (
    "data",
    "synth",
    "--symbols",
    "BTC,ETH,SOL",
    "--interval",
    "1h",
    "--days",
    "150",
    "--signal-strength",
    "1.5",
)
TRAIN = ("train", "--symbols", "BTC,ETH,SOL", "--interval", "1h", "--horizon", "4h")
FEATURES, MODEL = CHECKOUT / "examples" / "features_example.py", CHECKOUT / "examples" / "model_example.py"
PEEKING = CHECKOUT / "examples" / "peeking_features.py"


def in_process(home: Path, *words: str | Path) -> CompletedProcess[str]:
    """Run one verb to its end in this process."""
    return called(in_home(home), *words)


def told(verbs: Verbs, home: Path, *words: str | Path, code: int = 0) -> Any:
    """Run one verb with `--json` and read its document."""
    done = verbs(home, *words, "--json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic market of hours, with a signal that a market could have."""
    home = tmp_path_factory.mktemp("main job") / "home"
    made = ms_json(home, *MARKET)
    assert [one["n_bars"] for one in made["report"]["series"]] == [N_BARS] * 3
    return home


def test_a_series_with_injected_gaps_is_blocked_and_nothing_is_registered(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "binance_spot_1h"
    market = make_market(seed=9, symbols=("BTC", "ETH"), interval=HOUR, n_bars=N_BARS)
    _write(folder / "BTCUSDT.csv", market.series[0], holes=HOLES)
    _write(folder / "ETHUSDT.csv", market.series[1], holes=())
    imported = told(in_process, home, "data", "import", folder)
    assert imported["rows"] == 2 * N_BARS - 200
    audit = told(in_process, home, "data", "audit", "BTC", "ETH", "--interval", "1h", code=2)
    assert {one["symbol"]: one["passed"] for one in audit["series"]} == {"BTC": False, "ETH": True}
    words = ("train", "--symbols", "BTC,ETH", "--interval", "1h", "--name", "holed", "--version", "v1")
    blocked = told(in_process, home, *words, code=2)
    assert blocked["status"] == "blocked_by_data_quality"
    assert blocked["model_id"] is None
    (row,) = [one for one in blocked["results"] if one["symbol"] == "BTC"]
    assert row["status"] == "blocked_by_data_quality"
    assert "missing" in json.dumps(row)
    assert told(in_process, home, "model", "list") == []
    assert in_process(home, "model", "show", "holed:v1").returncode == 3
    shown = in_process(home, *words)
    assert (shown.returncode, "blocked_by_data_quality" in shown.stdout + shown.stderr) == (2, True)


@pytest.mark.parametrize(
    ("name", "parts", "verbs"),
    [
        ("own_features", ("--features", FEATURES, "--param", "n_trees=60"), in_process),
        ("own_model", ("--model", MODEL), in_process),
        ("own_both", ("--features", FEATURES, "--model", MODEL), ms),
    ],
    ids=("features", "model", "both"),
)
def test_own_parts_go_through_the_whole_main_job(
    name: str, parts: tuple[str | Path, ...], verbs: Verbs, home: Path, tmp_path: Path
) -> None:
    own_features = parts[parts.index("--features") :][:2] if "--features" in parts else ()
    own_model = ("--model-file", MODEL) if "--model" in parts else ()
    market = ("--symbols", "BTC,ETH,SOL", "--interval", "1h")
    built = told(verbs, home, "features", "build", *market, *own_features)
    assert built["rows"] == 3 * N_BARS
    train = verbs(home, *TRAIN, "--name", name, "--version", "v1", *parts, "--json")
    assert train.returncode in (0, 2), train.stderr
    trained = json.loads(train.stdout)
    assert trained["status"] == "ok"
    checks = {check["name"]: check["passed"] for check in trained["verdict"]["checks"]}
    assert {proof: checks[proof] for proof in LEAK_PROOFS} == dict.fromkeys(LEAK_PROOFS, True)
    assert trained["state"] == "candidate"
    run = told(verbs, home, "backtest", "run", "--model", f"{name}:v1", *own_model)
    assert run["status"] == "completed"
    assert run["metrics"]["samples"] > 1_000
    report = tmp_path / "report.html"
    told(verbs, home, "backtest", "report", str(run["run_id"]), "--out", report)
    page = report.read_text()
    assert name in page
    assert run["content_hash"][:12] in page
    replayed = told(verbs, home, "replay", str(run["run_id"]), *own_model)
    assert replayed["same_content_hash"] is True


def test_features_that_peek_are_refused_by_name(home: Path) -> None:
    words = (*TRAIN, "--name", "peeking", "--version", "v1", "--features", PEEKING)
    refused = ms_json(home, *words, code=2)
    assert (refused["state"], refused["verdict"]["outcome"]) == ("refused", "fail")
    assert "_return of BTC at bar" in refused["verdict"]["reasons"][0]


def _write(path: Path, series: BarSeries, *, holes: tuple[tuple[int, int], ...]) -> None:
    keep = np.ones(N_BARS, dtype=np.bool_)
    for start, stop in holes:
        keep[start:stop] = False
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("timestamp", "open", "high", "low", "close", "volume"))
        for ts_ns, bar in zip(series.ts_ns[keep], series.values[keep], strict=True):
            writer.writerow((ts_ns // 10**6, *bar))
