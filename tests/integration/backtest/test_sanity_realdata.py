"""The parts of the pack on recorded hours: intervals hold there too, and survivors are noticed."""

from pathlib import Path

import numpy as np
import pytest

from marketsentry.core.backtest.params import params_for
from marketsentry.core.backtest.replay import replay
from marketsentry.core.evidence.intervals import measure_intervals, volatility_at
from marketsentry.core.evidence.resampling import Resampling
from marketsentry.core.evidence.sanity import measure_sanity
from marketsentry.core.gates.sanity import SanityLimits, judge_sanity
from marketsentry.core.labels.forward_return import forward_return
from marketsentry.core.market.bars import BarPanel, align_panel
from marketsentry.core.splits.walk_forward import walk_forward
from recorded_hours import HOUR, SYMBOLS, load_hours, momentum

pytestmark = pytest.mark.realdata
HORIZON_BARS = 24


@pytest.fixture(scope="module")
def panel(realdata: Path) -> BarPanel:
    return align_panel([load_hours(realdata, symbol) for symbol in SYMBOLS])


def test_intervals_of_recorded_hours_cover_what_they_promise(panel: BarPanel) -> None:
    params = params_for(HOUR, HORIZON_BARS)
    plan = walk_forward(
        panel.n_bars, n_folds=5, horizon_bars=HORIZON_BARS, embargo_bars=24, final_bars=panel.n_bars // 8
    )
    found = measure_intervals(
        momentum(panel),
        forward_return(panel.close, HORIZON_BARS),
        volatility_at(panel.close, params),
        plan,
        Resampling(1, at_least_bars=HORIZON_BARS),
    )
    for row in found.coverage:
        if row.name in ("walk_forward", "final"):
            assert row.covered_frac == pytest.approx(row.level, abs=0.05), row
    assert found.direction[0].gain is not None
    assert found.direction[0].gain < 0.0, "a forecast of nothing knows less than the share of rises before"


def test_recorded_prices_are_no_finding_and_survivors_are(panel: BarPanel) -> None:
    account = replay(momentum(panel), panel, params_for(HOUR, HORIZON_BARS))
    review = judge_sanity(measure_sanity(account, panel, ()), SanityLimits())
    by_name = {check.name: check for check in review.checks}
    for name in (
        "sharpe_plausible",
        "bar_return_plausible",
        "costs_charged",
        "stale_notional_frac",
        "n_trades",
    ):
        assert by_name[name].passed, str(by_name[name])
    wicks = by_name["wick_notional_frac"].value
    assert wicks is not None
    assert 0.0 < wicks < 0.05
    assert not by_name["delisted_frac"].passed
    assert by_name["delisted_frac"].detail.endswith("and 3 on the last")
    assert np.isfinite(account.equity).all()
