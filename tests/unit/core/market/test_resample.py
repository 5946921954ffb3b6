"""Coarser bars against a slow version that is plainly right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.resample import resample_bars, resample_no_trade
from marketsentry.exceptions import InputError

ONE, FIVE = parse_interval("1m"), parse_interval("5m")
START = 1_600_000_200 // 300 * 300 * 10**9
CELLS = st.sets(st.integers(0, 40), max_size=41)


def series_of(cells: set[int], seed: int = 0) -> BarSeries:
    rng = np.random.default_rng(seed)
    ts_ns = START + np.array(sorted(cells), dtype=np.int64) * ONE.ns
    prices = np.sort(rng.uniform(1, 2, (ts_ns.size, 4)), axis=1)
    values = np.column_stack([prices[:, [1, 3, 0, 2]], rng.integers(0, 9, ts_ns.size).astype(float)])
    return BarSeries("BTC", ONE, "binance_spot", ts_ns, values)


def naive_resample(series: BarSeries, quiet: set[int]) -> dict[int, tuple[float, ...]]:
    bars = {int(ts - START) // ONE.ns: row for ts, row in zip(series.ts_ns, series.values, strict=True)}
    made = {}
    for coarse in range(9):
        parts = range(coarse * 5, coarse * 5 + 5)
        there = [bars[p] for p in parts if p in bars]
        if there and all(p in bars or p in quiet for p in parts):
            made[START + coarse * FIVE.ns] = (
                there[0][0],
                max(bar[1] for bar in there),
                min(bar[2] for bar in there),
                there[-1][3],
                sum(bar[4] for bar in there),
            )
    return made


@given(CELLS, CELLS, st.integers(0, 9))
def test_coarser_bars_agree_with_the_definition(cells: set[int], quiet: set[int], seed: int) -> None:
    series = series_of(cells, seed)
    no_trade = START + np.array(sorted(quiet), dtype=np.int64) * ONE.ns
    made = resample_bars(series, FIVE, no_trade_ts_ns=no_trade)
    expected = naive_resample(series, quiet)
    assert made.ts_ns.tolist() == sorted(expected)
    for ts, row in zip(made.ts_ns, made.values, strict=True):
        assert tuple(row) == expected[int(ts)]


def test_one_lost_minute_loses_the_five() -> None:
    made = resample_bars(series_of(set(range(15)) - {7}), FIVE)
    assert made.ts_ns.tolist() == [START, START + 2 * FIVE.ns]


def test_a_minute_without_trades_does_not() -> None:
    quiet = np.array([START + 7 * ONE.ns])
    made = resample_bars(series_of(set(range(15)) - {7}), FIVE, no_trade_ts_ns=quiet)
    assert made.ts_ns.size == 3


def test_five_quiet_minutes_are_a_quiet_cell_and_four_are_not() -> None:
    quiet = START + np.array([0, 1, 2, 3, 4, 5, 6, 7, 8]) * ONE.ns
    assert resample_no_trade(quiet, ONE, FIVE).tolist() == [START]


def test_lengths_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="multiple"):
        resample_bars(series_of({1}), parse_interval("90s"))
