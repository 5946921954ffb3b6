"""The decision core on recorded hours: what holds on made-up markets holds there too."""

from pathlib import Path

import numpy as np
import pytest

from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.replay import replay
from marketsentry.core.backtest.summary import summarise
from marketsentry.core.market.bars import BarPanel, align_panel
from marketsentry.core.risk.profiles import fallback_profile
from naive_replay import naive_replay
from recorded_hours import HOUR, SYMBOLS, load_hours, momentum

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def panel(realdata: Path) -> BarPanel:
    return align_panel([load_hours(realdata, symbol) for symbol in SYMBOLS])


def test_money_and_metrics_add_up_over_years(panel: BarPanel) -> None:
    predictions = momentum(panel)
    profiles = [fallback_profile("liquid", symbol) for symbol in panel.symbols]
    result = replay(predictions, panel, params_for(HOUR, 24), profiles=profiles)
    assert panel.n_bars > 30_000
    assert len(result.trades) > 1_000
    assert result.equity[-1] == pytest.approx(100_000 + result.pnl_quote.sum(), abs=1e-4)
    assert np.abs(result.weights).sum(axis=1).max() < 0.6, "sector cap 0.45 and what drifts above it"
    share = result.fills["qty"] / panel.values[result.fills["bar"], result.fills["symbol"], 4]
    assert share.max() <= 0.1 * (1 + 1e-12)
    metrics = summarise(result, predictions, panel)
    assert metrics["cost_breakdown"]["fee"] / metrics["cost_breakdown"]["slippage"] == pytest.approx(5 / 3)
    assert metrics["periods_per_year"] == 8_760


def test_the_plain_statement_agrees_on_recorded_bars(panel: BarPanel) -> None:
    part = panel.window(panel.n_bars - 1_500, panel.n_bars)
    predictions = np.ascontiguousarray(momentum(panel)[-1_500:])
    params = params_for(HOUR, 24)
    result = replay(predictions, part, params)
    equity, _, fills, _ = naive_replay(predictions, part.values, params)
    assert len(fills) == len(result.fills) > 50
    np.testing.assert_allclose(result.equity, equity, rtol=1e-12)


def test_the_future_moves_nothing_before_it(panel: BarPanel) -> None:
    part = panel.window(panel.n_bars - 5_000, panel.n_bars)
    predictions = np.ascontiguousarray(momentum(panel)[-5_000:])
    changed = BarPanel(part.symbols, part.interval, part.sources, part.ts_ns, part.values.copy(), part.state)
    changed.values[3_000:] *= 1.5
    other = predictions.copy()
    other[3_000:] *= -2.0
    params = params_for(HOUR, 24)
    before, after = replay(predictions, part, params), replay(other, changed, params)
    np.testing.assert_array_equal(before.equity[:3_000], after.equity[:3_000])
    np.testing.assert_array_equal(before.weights[:3_000], after.weights[:3_000])
    assert (before.equity[3_000:] != after.equity[3_000:]).any()
