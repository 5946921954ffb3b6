import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.core.market.bars import CLOSE, HIGH, VOLUME
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.quality import (
    Gap,
    default_window_ns,
    measure_quality,
    measure_rows,
    stale_after_s,
)
from marketsentry.core.market.synthetic import HOUR_NS, make_market
from marketsentry.exceptions import InputError

M5 = parse_interval("5m")
N = 1_000
SERIES = make_market(seed=1, symbols=("BTC",), interval=M5, n_bars=N).series[0]
START = int(SERIES.ts_ns[0])
END = START + N * M5.ns


def without(series, rows):
    keep = np.ones(series.ts_ns.size, bool)
    keep[list(rows)] = False
    return dataclasses.replace(series, ts_ns=series.ts_ns[keep], values=series.values[keep])


def with_values(series, rows, column, value):
    values = series.values.copy()
    values[rows, column] = value
    return dataclasses.replace(series, values=values)


def test_a_whole_series_has_nothing_wrong():
    facts = measure_quality(SERIES, as_of_ns=END)
    assert facts.expected_rows == facts.total_rows == N
    assert (facts.missing_rate, facts.invalid_price_rate, facts.duplicate_rate) == (0, 0, 0)
    assert (facts.stale_ratio, facts.jump_rate, facts.longest_gap_s, facts.freshness_s) == (0, 0, 0, 0)
    assert facts.gaps == ()
    assert facts.cross_source_dev_frac is None


@given(lost=st.sets(st.integers(1, N - 2), max_size=60))
@settings(deadline=None)
def test_missing_counts_every_lost_cell_once_and_gaps_cover_exactly_them(lost):
    facts = measure_quality(without(SERIES, lost), as_of_ns=END)
    assert facts.n_missing == len(lost)
    assert facts.missing_rate == len(lost) / N
    cells = {(gap.start_ns - START) // M5.ns + k for gap in facts.gaps for k in range(gap.n_bars)}
    assert cells == lost


@given(lost=st.sets(st.integers(1, N - 2), max_size=40), quiet=st.sets(st.integers(1, N - 2), max_size=40))
@settings(deadline=None)
def test_bars_the_venue_left_out_are_not_lost(lost, quiet):
    omitted = SERIES.ts_ns[sorted(quiet)]
    facts = measure_quality(without(SERIES, lost | quiet), as_of_ns=END, no_trade_ts_ns=omitted)
    assert facts.n_missing == len(lost - quiet)
    assert facts.n_no_trade == len(quiet)


def test_zero_volume_bars_are_no_trade_and_present():
    facts = measure_quality(with_values(SERIES, slice(10, 15), VOLUME, 0.0), as_of_ns=END)
    assert facts.n_no_trade == 5
    assert facts.missing_rate == 0


def test_a_window_expects_bars_up_to_as_of_and_no_further():
    facts = measure_quality(SERIES, as_of_ns=END + 2 * HOUR_NS + 1, window_ns=10 * HOUR_NS)
    assert facts.expected_rows == 119  # the first of 120 opened before the window
    assert facts.gaps == (Gap(END, 24),)
    assert facts.freshness_s == pytest.approx(7_200)
    earlier = measure_quality(SERIES, as_of_ns=END - 1, window_ns=10 * HOUR_NS)
    assert earlier.n_missing == 0
    assert earlier.as_of_ns == END - 1


def test_a_gap_at_the_start_of_the_window_counts_unless_the_symbol_was_not_listed():
    window = (N + 100) * M5.ns
    assert measure_quality(SERIES, as_of_ns=END, window_ns=window).n_missing == 100
    listed = measure_quality(SERIES, as_of_ns=END, window_ns=window, listed_from_ns=START)
    assert listed.n_missing == 0


def test_a_window_does_not_see_what_the_whole_range_sees():
    gapped = without(SERIES, range(50, 100))
    assert measure_quality(gapped, as_of_ns=END, window_ns=24 * HOUR_NS).n_missing == 0
    whole = measure_quality(gapped, as_of_ns=END)
    assert whole.n_missing == 50
    assert whole.longest_gap_s == 50 * 300


def test_bars_from_after_as_of_are_not_read():
    cut = START + 500 * M5.ns
    facts = measure_quality(SERIES, as_of_ns=cut)
    changed = with_values(SERIES, slice(500, None), CLOSE, np.nan)
    assert measure_quality(changed, as_of_ns=cut) == facts


def test_rows_without_close_or_volume_are_missing():
    for column in (CLOSE, VOLUME):
        facts = measure_quality(with_values(SERIES, slice(100, 110), column, np.nan), as_of_ns=END)
        assert facts.n_missing == 10
        assert facts.total_rows == N
        assert facts.invalid_price_rate == 0


@pytest.mark.parametrize(("column", "value"), [(CLOSE, -1.0), (CLOSE, 0.0), (CLOSE, np.inf), (HIGH, 1.0)])
def test_impossible_prices_are_invalid(column, value):
    facts = measure_quality(with_values(SERIES, slice(100, 104), column, value), as_of_ns=END)
    bad = 4 / N
    if value == np.inf:
        assert facts.n_missing == 4
    assert facts.invalid_price_rate == bad


def test_duplicates_and_disorder_in_raw_rows():
    order = np.random.default_rng(0).permutation(N)
    ts_ns = np.concatenate([SERIES.ts_ns[order], SERIES.ts_ns[:30]])
    values = np.concatenate([SERIES.values[order], SERIES.values[:30]])
    facts = measure_rows(ts_ns, values, interval=M5, as_of_ns=END)
    assert facts.total_rows == N + 30
    assert facts.duplicate_rate == 30 / (N + 30)
    assert facts.n_missing == 0


def test_rows_off_the_grid_fill_no_cell():
    ts_ns = SERIES.ts_ns.copy()
    ts_ns[100] += 1
    assert measure_rows(ts_ns, SERIES.values, interval=M5, as_of_ns=END).n_missing == 1


def test_stale_counts_steps_longer_than_the_limit_only():
    short = without(SERIES, (100, 101))  # a step of exactly 900 s
    assert measure_quality(short, as_of_ns=END).stale_ratio == 0
    long = without(SERIES, (100, 101, 102))
    assert measure_quality(long, as_of_ns=END).stale_ratio == pytest.approx(1 / (N - 3))


def test_a_spike_is_two_jumps_and_a_wild_market_is_none():
    spike = SERIES.values.copy()
    spike[500, CLOSE] *= 2
    assert measure_rows(SERIES.ts_ns, spike, interval=M5, as_of_ns=END).jump_rate == pytest.approx(
        2 / (N - 1)
    )
    assert measure_quality(SERIES, as_of_ns=END).jump_rate == 0


def test_cross_source_deviation_is_that_of_the_worst_percent():
    other = dataclasses.replace(SERIES, source="other", values=SERIES.values * 1.001)
    facts = measure_quality(SERIES, as_of_ns=END, other=other)
    assert facts.cross_source_dev_frac == pytest.approx(0.001, rel=1e-3)
    disjoint = without(SERIES, range(600))
    assert np.isnan(measure_quality(SERIES, as_of_ns=END, other=disjoint).cross_source_dev_frac)


def test_an_empty_series_measures_nothing():
    empty = without(SERIES, range(N))
    facts = measure_quality(empty, as_of_ns=END, window_ns=HOUR_NS)
    assert (facts.total_rows, facts.expected_rows, facts.missing_rate) == (0, 12, 1.0)
    for value in (facts.invalid_price_rate, facts.duplicate_rate, facts.freshness_s, facts.jump_rate):
        assert np.isnan(value)
    whole = measure_quality(empty, as_of_ns=END)
    assert whole.expected_rows == 0
    assert np.isnan(whole.missing_rate)


def test_limits_follow_the_interval():
    assert default_window_ns(M5) == 72 * HOUR_NS
    assert default_window_ns(parse_interval("1m")) == 48 * HOUR_NS
    assert default_window_ns(parse_interval("1h")) == 288 * HOUR_NS
    assert stale_after_s(M5) == 900
    assert stale_after_s(parse_interval("1m")) == 900
    assert stale_after_s(parse_interval("1h")) == 3 * 3_600


def test_bad_arguments_are_named():
    with pytest.raises(InputError, match="window_ns must be positive, was 0"):
        measure_quality(SERIES, as_of_ns=END, window_ns=0)
    hourly = make_market(seed=1, symbols=("BTC",), interval=parse_interval("1h"), n_bars=5).series[0]
    with pytest.raises(InputError, match="second source must have interval 5m, was 1h"):
        measure_quality(SERIES, as_of_ns=END, other=hourly)
    with pytest.raises(InputError, match="values must have shape"):
        measure_rows(SERIES.ts_ns, SERIES.values[:5], interval=M5, as_of_ns=END)
