import math

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from markets import random_panel
from marketsentry.core.backtest.funding import funding_of_bars, missing_share
from marketsentry.core.features.context import KnownSeries

HOUR_NS = 3_600_000_000_000
EIGHT_NS = 8 * HOUR_NS


def naive_funding(panel, charges):
    """Bar by bar and charge by charge; `charges` maps the time of each known one to its rate."""
    known = sorted(charges)
    stop = int(panel.known_at_ns[-1]) + 1
    due = set()
    anchor = known[0] if known else -(-stop // EIGHT_NS) * EIGHT_NS
    due |= {anchor - k * EIGHT_NS for k in range(1, 3 * panel.n_bars + 99)}
    for one, following in zip(known, [*known, stop][1:], strict=True):
        due |= {t for k in range(1, 3 * panel.n_bars + 99) if (t := one + k * EIGHT_NS) < following}
    column = []
    for open_ns, close_ns in zip(panel.ts_ns.tolist(), panel.known_at_ns.tolist(), strict=True):
        if any(open_ns < t <= close_ns for t in due):
            column.append(math.inf)
            continue
        last_known = max((t for t in known if t <= close_ns), default=None)
        last_due = max((t for t in due if t <= close_ns), default=-math.inf)
        if last_known is None or last_due > last_known:
            column.append(math.nan)
        else:
            column.append(sum(rate for t, rate in charges.items() if open_ns < t <= close_ns))
    return column


@settings(deadline=None, max_examples=100)
@given(
    n_bars=st.integers(1, 80),
    interval=st.sampled_from(["1h", "4h", "1d"]),
    hours=st.sets(st.integers(-30, 100)),
)
@example(n_bars=1, interval="1h", hours={57})  # the first known rate is days after the bars
def test_rates_are_laid_on_bars_as_counted_by_hand(n_bars, interval, hours):
    panel = random_panel(1, n_bars, 1, interval=interval)
    start = int(panel.ts_ns[0])
    charges = {start + h * HOUR_NS: 1e-4 * (h + 200) for h in hours}
    times = np.array(sorted(charges), dtype=np.int64)
    series = KnownSeries(times + 3_000_000, np.array([charges[t] for t in times.tolist()]))

    found = funding_of_bars(panel, {"S0": series})

    np.testing.assert_allclose(found[:, 0], naive_funding(panel, charges), rtol=1e-12)


def test_a_charge_at_the_close_belongs_to_the_bar_that_ends_there():
    panel = random_panel(1, 24, 1)
    start = int(panel.ts_ns[0])
    times = np.array([start, start + EIGHT_NS, start + 16 * HOUR_NS, start + 24 * HOUR_NS])
    found = funding_of_bars(panel, {"S0": KnownSeries(times, np.array([9.0, 1.0, 2.0, 3.0]))})[:, 0]
    assert np.flatnonzero(found).tolist() == [7, 15, 23]
    assert found[[7, 15, 23]].tolist() == [1.0, 2.0, 3.0]


def test_a_missing_charge_is_due_and_unknown_until_the_next():
    panel = random_panel(1, 24, 2)
    start = int(panel.ts_ns[0])
    series = KnownSeries(np.array([start, start + 16 * HOUR_NS]), np.array([0.1, 0.0]))
    found = funding_of_bars(panel, {"S0": series})
    assert found[7, 0] == math.inf
    assert np.isnan(found[8:15, 0]).all()
    assert (found[15:23, 0] == 0).all()
    assert not np.isfinite(found[:, 1]).any()
    assert missing_share(found).tolist() == [9 / 24, 1.0]
