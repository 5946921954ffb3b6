"""The replay of a fixed market: the commit that moves a number here says why.

`python tests/golden/test_replay_golden.py` prints the file of spot anew, with `perpetuals` after it the other one.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
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
from marketsentry.core.market.symbols import Market
from marketsentry.core.risk.profiles import Profile

GOLDEN = Path(__file__).with_name("replay.json")
PERPETUALS = Path(__file__).with_name("perpetuals.json")
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


def measure_perpetuals() -> dict[str, Any]:
    """The same market as contracts on leverage: extremes beyond the closes, funding every eight hours, one gap."""
    panel, predictions = _inputs()
    panel.values[:, :, 1] *= 1.0 + 0.5 * (panel.values[:, :, 4] % 499.0 == 7.0)
    panel.values[:, :, 2] *= 1.0 - 0.5 * (panel.values[:, :, 4] % 499.0 == 11.0)
    funding = np.zeros(predictions.shape)
    funding[7::8] = (np.arange(funding[7::8].size).reshape(-1, N_TARGETS) % 13 - 5) * 1e-4
    funding[1_007:1_020], funding[1_007], funding[1_015] = np.nan, np.inf, np.inf
    params = params_for(
        panel.interval, 4, market=Market.PERP, max_leverage=10.0, risk_budget=10.0, max_gross_exposure=10.0,
        max_single_weight=5.0, max_turnover=20.0, position_volatility_frac=5.0, fee_bps=1.0,
        half_spread_bps=0.5, impact_coefficient=0.1, participation_frac=1.0, entry_edge_bps=40.0,
        taper_start_frac=0.5, taper_stop_frac=0.9, maintenance_margin_frac=0.05,
    )  # fmt: skip
    result = replay(predictions, replace(panel, funding=funding), params)
    metrics = summarise(result, predictions, panel)
    return {
        "inputs": {"bars": hash_array(panel.values), "funding": hash_array(funding)},
        "n_fills": len(result.fills),
        "n_trades": len(result.trades),
        "n_liquidations": result.n_liquidations,
        "funding_gaps": result.funding_gaps,
        "equity": [float(result.equity[t]) for t in (49, 199, 1_019, 3_999)],
        "funding_quote": [float(p) for p in result.funding_quote],
        "pnl_quote": [float(p) for p in result.pnl_quote],
        "metrics": {key: metrics[key] for key in ("turnover", "max_drawdown", "exposure", "shortfall")},
        "cost_breakdown": metrics["cost_breakdown"],
    }


@pytest.mark.parametrize(("path", "measure_it"), [(GOLDEN, measure), (PERPETUALS, measure_perpetuals)])
def test_the_replay_of_the_fixed_market_has_not_moved(
    path: Path, measure_it: Callable[[], dict[str, Any]]
) -> None:
    golden = json.loads(path.read_text())
    found = measure_it()
    assert found["inputs"] == golden["inputs"], "the inputs changed, not the replay"
    for name, expected in golden["result"].items():
        if isinstance(expected, dict):
            assert found[name] == {
                k: pytest.approx(v, rel=golden["tolerance"]) for k, v in expected.items()
            }, name
        else:
            assert found[name] == pytest.approx(expected, rel=golden["tolerance"]), name


if __name__ == "__main__":
    measured = measure_perpetuals() if "perpetuals" in sys.argv else measure()
    inputs = measured.pop("inputs")
    sys.stdout.write(json.dumps({"tolerance": 1e-9, "inputs": inputs, "result": measured}, indent=2) + "\n")
