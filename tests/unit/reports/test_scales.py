import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from marketsentry.reports.facts import Lang
from marketsentry.reports.numbers import tick_time
from marketsentry.reports.scales import linear_scale, log_scale, nice_step, thin, time_ticks, value_scale

DAY_NS = 86_400_000_000_000
finite = st.floats(-1e9, 1e9, allow_nan=False, width=32)


@settings(deadline=None)
@given(arrays(np.float64, st.integers(1, 40), elements=finite))
def test_linear_axis_holds_every_value_between_round_ticks(values):
    scale = linear_scale(values)
    steps = {round(b - a, 6) for a, b in pairwise(scale.ticks)}
    places = scale.fraction(values)
    assert (places >= -1e-6).all()
    assert (places <= 1 + 1e-6).all()
    assert 2 <= len(scale.ticks) <= 9
    assert max(steps) - min(steps) <= 1e-6 * max(1.0, max(steps))


@settings(deadline=None)
@given(arrays(np.float64, st.integers(2, 40), elements=st.floats(1e-3, 1e9)))
def test_value_axis_turns_logarithmic_only_over_wide_positive_ranges(values):
    scale = value_scale(values)
    places = scale.fraction(values)
    assert scale.is_log == (values.max() / values.min() > 8)
    assert (places >= -1e-6).all()
    assert (places <= 1 + 1e-6).all()
    assert len(set(scale.ticks)) == len(scale.ticks) >= 2


def test_axis_of_nothing_is_zero_to_one():
    assert linear_scale(np.array([np.nan, np.inf])).ticks == (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@pytest.mark.parametrize(
    ("raw", "step"), [(0.9, 1.0), (1.1, 2.0), (2.2, 2.5), (3, 5), (7, 10), (0.013, 0.02)]
)
def test_steps_are_round(raw, step):
    assert nice_step(raw) == pytest.approx(step)


@settings(deadline=None)
@given(st.integers(0, 1_800_000_000), st.integers(60, 400_000_000))
def test_time_ticks_are_few_increasing_and_inside(start_s, span_s):
    first, last = start_s * 10**9, (start_s + span_s) * 10**9
    ticks = time_ticks(first, last).ts_ns
    assert len(ticks) <= 8
    assert all(first <= t <= last for t in ticks)
    assert list(ticks) == sorted(set(ticks))


def test_time_labels_suit_their_span_and_language():
    year = time_ticks(0, 366 * DAY_NS)
    assert year.grain == "month"
    assert tick_time(year.ts_ns[0], year.grain, Lang.EN) == "Jan 1970"
    assert tick_time(year.ts_ns[0], year.grain, Lang.ZH) == "1970年1月"
    assert time_ticks(0, 3_600_000_000_000).grain == "time"
    assert time_ticks(0, 5 * DAY_NS).grain == "day"
    assert time_ticks(0, 30 * 366 * DAY_NS).grain == "year"


@settings(deadline=None)
@given(
    arrays(
        np.float64,
        st.tuples(st.integers(1, 300), st.integers(1, 3)),
        elements=st.one_of(st.just(float("nan")), st.integers(-50, 50).map(float)),
    ),
    st.integers(14, 60),
)
def test_thinning_keeps_ends_and_extremes(values, max_points):
    rows = thin(values, max_points=max_points)
    n = values.shape[0]
    assert rows[0] == 0
    assert rows[-1] == n - 1
    assert (np.diff(rows) > 0).all()
    assert rows.size <= max_points
    for curve in values.T:
        if np.isfinite(curve).any():
            assert np.nanmax(curve[rows]) == np.nanmax(curve)
            assert np.nanmin(curve[rows]) == np.nanmin(curve)


def test_thinning_leaves_short_curves_whole():
    assert thin(np.arange(5.0), max_points=8).tolist() == [0, 1, 2, 3, 4]


@given(st.floats(1e-3, 1e6), st.floats(1.0, 1e4))
@example(low=999_999.9999999999, factor=10.0)  # its logarithm rounds to 6
@example(low=0.006, factor=1.5)  # a bit above its last tick
def test_a_logarithmic_axis_holds_its_values_and_rises(low, factor):
    values = np.array([low, low * factor])
    scale = log_scale(values)
    assert scale.is_log
    assert 0 < scale.low <= low
    assert scale.high >= low * factor
    assert list(scale.ticks) == sorted(set(scale.ticks))
    places = [scale.place(tick) for tick in scale.ticks]
    assert places == sorted(places)
    assert scale.place(math.sqrt(scale.low * scale.high)) == pytest.approx(0.5)
