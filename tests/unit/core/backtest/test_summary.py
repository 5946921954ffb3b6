import dataclasses
import math

import numpy as np
import pytest

from markets import random_panel, random_predictions
from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.replay import replay
from marketsentry.core.backtest.summary import (
    METRIC_KEYS,
    Window,
    empty_metrics,
    gate_passed,
    rounded,
    summarise,
)
from marketsentry.core.market.interval import parse_interval
from marketsentry.exceptions import InputError

HOUR = parse_interval("1h")


@pytest.fixture(scope="module")
def run():
    panel, predictions = random_panel(5, 400, 3), random_predictions(5, (400, 3), repeat=0.9)
    predictions[:50] = np.nan
    params = params_for(HOUR, 4, volatility_warmup_bars=5)
    return replay(predictions, panel, params), predictions, panel


def test_every_metric_has_its_definition(run):
    result, predictions, panel = run
    metrics = summarise(result, predictions, panel, traded_from=50)
    assert tuple(metrics) == METRIC_KEYS
    equity, capital = result.equity, result.params.capital_quote
    assert metrics["pnl_after_cost"] == pytest.approx(equity[-1] / capital - 1)
    peak = np.maximum.accumulate(np.concatenate(([capital], equity)))[1:]
    assert metrics["max_drawdown"] == pytest.approx((1 - equity / peak).max())
    fills = result.fills
    before = np.concatenate(([capital], equity))[fills["bar"]]
    assert metrics["turnover"] == pytest.approx((fills["qty"] * fills["reference_price"] / before).sum())
    assert metrics["exposure"] == pytest.approx(np.abs(result.weights[50:]).sum(axis=1).mean())
    assert metrics["trades"] == len(result.trades)
    assert metrics["periods_per_year"] == 8_760
    returns = (equity / np.concatenate(([capital], equity[:-1])) - 1)[50:]
    assert metrics["sharpe"] == pytest.approx(returns.mean() / returns.std(ddof=1) * math.sqrt(8_760))
    assert metrics["sharpe_low"] < metrics["sharpe"] < metrics["sharpe_high"]
    later = np.full_like(panel.close, np.nan)
    later[:-4] = panel.close[4:] / panel.close[:-4] - 1
    known = np.isfinite(predictions) & np.isfinite(later)
    assert metrics["samples"] == known.sum()
    assert metrics["ic"] == pytest.approx(np.corrcoef(predictions[known], later[known])[0, 1])
    assert metrics["hit_rate"] == pytest.approx((predictions[known] * later[known] > 0).mean())


def test_costs_and_targets_add_up_to_the_account(run):
    """K-48: one portfolio equity curve, plus the part of each target in it."""
    result, predictions, panel = run
    metrics = summarise(result, predictions, panel)
    parts = metrics["per_target"].values()
    assert sum(one["pnl_after_cost"] for one in parts) == pytest.approx(metrics["pnl_after_cost"])
    assert sum(one["turnover"] for one in parts) == pytest.approx(metrics["turnover"])
    assert sum(one["samples"] for one in parts) == metrics["samples"]
    capital = result.params.capital_quote
    for kind in ("fee", "slippage", "impact"):
        spent = sum(one[f"{kind}_quote"] for one in parts) / capital
        assert metrics["cost_breakdown"][kind] == pytest.approx(spent)


def test_windows_compound_to_the_whole(run):
    """K-52, K-53: a window's return is that of the one account over its bars."""
    result, predictions, panel = run
    windows = [Window(k, start, min(start + 90, 400)) for k, start in enumerate(range(50, 400, 90))]
    metrics = summarise(result, predictions, panel, windows=windows, traded_from=50)
    folds = metrics["folds"]
    assert [fold["index"] for fold in folds] == [0, 1, 2, 3]
    compounded = math.prod(1 + fold["pnl_after_cost"] for fold in folds) - 1
    assert compounded == pytest.approx(metrics["pnl_after_cost"])
    assert sum(fold["turnover"] for fold in folds) == pytest.approx(metrics["turnover"])
    assert sum(fold["trades"] for fold in folds) == metrics["trades"]


def test_nothing_traded_has_no_ratio_and_no_gate():
    """K-51: an undefined ratio is None, never zero or infinity."""
    panel = random_panel(1, 60, 2)
    predictions = np.zeros((60, 2))
    metrics = summarise(replay(predictions, panel, params_for(HOUR, 1)), predictions, panel)
    assert metrics["sharpe"] is None
    assert metrics["sortino"] is None
    assert metrics["ic"] is None
    assert metrics["pnl_after_cost"] == 0.0
    assert metrics["gate_passed"] is False


def test_failed_runs_have_every_metric():
    metrics = empty_metrics()
    assert tuple(metrics) == METRIC_KEYS
    assert metrics["cost_breakdown"] == {"fee": None, "slippage": None, "impact": None, "funding": None}
    assert metrics["gate_passed"] is False


@pytest.mark.parametrize(
    ("ic", "pnl", "fall", "passes"),
    [
        (0.01, 0.1, 0.19, True),
        (0.0, 0.1, 0.1, False),
        (0.01, 0.0, 0.1, False),
        (0.01, 0.1, 0.2, False),
        (None, 0.1, 0.1, False),
        (math.nan, 0.1, 0.1, False),
        (0.1, math.nan, 0.1, False),
        (0.1, 0.1, math.nan, False),
    ],
)
def test_the_gate_of_the_contract(ic, pnl, fall, passes):
    assert gate_passed({"ic": ic, "pnl_after_cost": pnl, "max_drawdown": fall}) is passes


def test_rounding_is_for_the_wire():
    shown = rounded(
        {"ic": 0.123456789, "cost_breakdown": {"fee": 0.123456789}, "folds": [{"ic": 1 / 3}], "n": 3}
    )
    assert shown == {
        "ic": 0.123457,
        "cost_breakdown": {"fee": 0.12345679},
        "folds": [{"ic": 0.333333}],
        "n": 3,
    }


def test_windows_and_rows_outside_the_run_are_refused(run):
    result, predictions, panel = run
    with pytest.raises(InputError, match="window 0"):
        summarise(result, predictions, panel, windows=[Window(0, 300, 401)])
    with pytest.raises(InputError, match="traded_from"):
        summarise(result, predictions, panel, traded_from=400)
    with pytest.raises(InputError, match="predictions"):
        summarise(result, predictions[1:], panel)


def test_an_account_that_lost_everything_has_no_sharpe_ratio():
    panel = random_panel(2, 40, 1, holes=0.0, deviation=0.001, volume=1e9)
    values = panel.values.copy()
    values[10:, :, :4] *= 3.0
    panel = dataclasses.replace(panel, values=values)
    params = params_for(HOUR, 1, position_volatility_frac=None, max_single_weight=1.0, max_turnover=9.0,
                        volatility_warmup_bars=1)  # fmt: skip
    predictions = np.full((40, 1), -0.5)
    metrics = summarise(replay(predictions, panel, params), predictions, panel)
    assert metrics["sharpe"] is None
    assert metrics["max_drawdown"] > 1
    assert metrics["pnl_after_cost"] < -1
