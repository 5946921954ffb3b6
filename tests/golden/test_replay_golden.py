"""The replay of a fixed market: the commit that moves a number here says why.

`python tests/golden/test_replay_golden.py` prints the file anew.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.replay import replay
from marketsentry.core.backtest.summary import Window, summarise
from marketsentry.core.lineage import hash_array
from marketsentry.core.market.bars import BarPanel, BarState
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.risk.profiles import Profile

GOLDEN = Path(__file__).with_name("replay.json")
N_BARS, N_TARGETS = 4_000, 5


def _inputs() -> tuple[BarPanel, np.ndarray]:
    """Integer arithmetic only, so that every machine makes the same bits."""
    state = np.uint64(20260101)
    numbers = np.empty(3 * N_BARS * N_TARGETS, dtype=np.uint64)
    multiplier, increment = np.uint64(6364136223846793005), np.uint64(1442695040888963407)
    with np.errstate(over="ignore"):
        for i in range(numbers.size):
            state = state * multiplier + increment
            numbers[i] = state >> np.uint64(40)
    draws = (numbers.astype(np.float64) / 2**24 - 0.5).reshape(3, N_BARS, N_TARGETS)
    close = 100.0 + np.cumsum(np.round(draws[0] * 2.0, 3), axis=0) * 0.25
    values = np.empty((N_BARS, N_TARGETS, 5))
    values[:, :, 1:4] = close[:, :, None]
    values[:, :, 0] = np.vstack((close[:1], close[:-1]))
    values[:, :, 4] = np.floor((draws[1] + 0.5) * 2_000.0)
    grid = np.where(draws[1] > 0.49, BarState.LOST, BarState.TRADED).astype(np.uint8)
    values[grid == BarState.LOST] = np.nan
    predictions = np.round(draws[2] * 0.012, 4)
    predictions[:, 1:][draws[0][:, 1:] > 0.48] = np.nan
    hour = parse_interval("1h")
    ts_ns = np.arange(N_BARS, dtype=np.int64) * hour.ns
    symbols = tuple(f"S{n}" for n in range(N_TARGETS))
    return BarPanel(symbols, hour, ("synthetic",) * N_TARGETS, ts_ns, values, grid), predictions


def measure() -> dict[str, Any]:
    panel, predictions = _inputs()
    params = params_for(panel.interval, 4, full_conviction_sigmas=0.5, volatility_halflife_bars=32.0)
    profiles = [
        Profile("crypto" if n < 3 else "equity", "core", "trend" if n else None) for n in range(N_TARGETS)
    ]
    result = replay(predictions, panel, params, profiles=profiles)
    metrics = summarise(result, predictions, panel, windows=[Window(0, 0, 2_000), Window(1, 2_000, N_BARS)])
    return {
        "inputs": {"bars": hash_array(panel.values), "predictions": hash_array(predictions)},
        "n_fills": len(result.fills),
        "n_trades": len(result.trades),
        "equity": [float(result.equity[t]) for t in (999, 1_999, 2_999, 3_999)],
        "weights": [float(w) for w in result.weights[-1]],
        "pnl_quote": [float(p) for p in result.pnl_quote],
        "metrics": {
            key: metrics[key] for key in ("ic", "turnover", "max_drawdown", "sharpe", "exposure", "worst_day")
        },
        "cost_breakdown": metrics["cost_breakdown"],
        "folds": [fold["pnl_after_cost"] for fold in metrics["folds"]],
    }


def test_the_replay_of_the_fixed_market_has_not_moved() -> None:
    golden = json.loads(GOLDEN.read_text())
    found = measure()
    assert found["inputs"] == golden["inputs"], "the inputs changed, not the replay"
    for name, expected in golden["result"].items():
        if isinstance(expected, dict):
            assert found[name] == {
                k: pytest.approx(v, rel=golden["tolerance"]) for k, v in expected.items()
            }, name
        else:
            assert found[name] == pytest.approx(expected, rel=golden["tolerance"]), name


if __name__ == "__main__":
    measured = measure()
    inputs = measured.pop("inputs")
    sys.stdout.write(json.dumps({"tolerance": 1e-9, "inputs": inputs, "result": measured}, indent=2) + "\n")
