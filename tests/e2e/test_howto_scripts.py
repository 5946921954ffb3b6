"""The scripts of the how-to pages run as a reader runs them, and print what their text says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from market_files import write_csv
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.synthetic import make_market
from programs import CHECKOUT, clean_environment
from recorded_hours import copy_hours

HOWTO = CHECKOUT / "docs" / "howto"
LIMIT_S = 300  # a minute on a quiet machine of two cores


def run_script(name: str, folder: Path, *words: str | Path) -> dict[str, str]:
    """Run a script in a folder and home of its own; the NAME=VALUE words that it printed."""
    done = subprocess.run(
        [sys.executable, str(HOWTO / name), *map(str, words)],
        env=clean_environment(folder / "home"),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, str] = {}
    for line in done.stdout.splitlines():
        prefix = line.partition(":")[0] + "." if re.match(r"[\w ]+: \w+=", line) else ""
        found |= {prefix + key: value for key, value in re.findall(r"(\w+)=(\S+)", line)}
    return found


def test_a_first_model_finds_what_is_there_and_nothing_in_noise(tmp_path: Path) -> None:
    found = run_script("research_first_model.py", tmp_path)
    assert (found["n_bars"], found["labels"]) == ("3600", "1h,4h,1d,7d")
    assert float(found["low"]) > 0.0, "the edge that is planted is found"
    assert abs(float(found["control_ic"])) < 0.06
    assert found["control_verdict"] != "pass"
    assert float(found["costs"]) > 0.0
    assert (found["registered"], found["state"], found["trials"]) == ("first:v1", "candidate", "1")
    assert float(found["dear_less_stored"]) < 0.0
    assert (tmp_path / "research" / "first_model.html").is_file()


def test_an_own_signal_is_replayed_compared_and_swept(tmp_path: Path) -> None:
    found = run_script("research_own_signal.py", tmp_path)
    assert (found["n_bars"], found["look_ahead"], found["settings"]) == ("5760", "0", "12")
    assert float(found["fast.ic"]) > 0.05
    assert float(found["fast at 5 bps.pnl"]) < float(found["fast.pnl"])
    assert float(found["low"]) < float(found["fast_less_slow"]) < float(found["high"])
    assert (float(found["p"]) > 0.05) == (float(found["low"]) <= 0.0 <= float(found["high"]))
    assert found["shape"] == "plateau"
    for page in ("own_signal", "compare", "sweep"):
        assert (tmp_path / "research" / f"{page}.html").stat().st_size > 10_000


def test_an_own_signal_runs_on_files(tmp_path: Path) -> None:
    market = make_market(seed=3, symbols=("BTC", "ETH", "SOL"), interval=parse_interval("1h"), n_bars=2_400)
    for series in market.series:
        rows = [
            [ts // 1_000_000, *values]
            for ts, values in zip(series.ts_ns.tolist(), series.values.tolist(), strict=True)
        ]
        write_csv(tmp_path / "bars" / "binance_spot_1h" / f"{series.symbol}USDT.csv", rows)
    found = run_script("research_own_signal.py", tmp_path, "bars", "out")
    assert (found["n_bars"], found["symbols"], found["look_ahead"]) == ("2400", "BTC,ETH,SOL", "0")
    assert "Synthetic data" not in (tmp_path / "out" / "compare.html").read_text(encoding="utf-8")


@pytest.mark.realdata
def test_an_own_signal_runs_on_recorded_bars(realdata: Path, tmp_path: Path) -> None:
    bars = copy_hours(realdata, tmp_path, n_bars=10_000)
    found = run_script("research_own_signal.py", tmp_path, bars, "out")
    assert (found["symbols"], found["look_ahead"], found["n_bars"]) == ("BTC,ETH,SOL", "0", "10000")
