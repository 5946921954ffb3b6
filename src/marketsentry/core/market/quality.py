"""How complete and how sane a stretch of bars is, measured on the grid where bars should be.

A bar is expected in every cell of the grid, from the later of the window's start and the listing of the
symbol to the last bar that can have closed by `as_of`. A cell is *present* if a row has a close and a volume,
*no trade* if the venue is known to have left it out because nothing traded (or sent it with zero volume), and
*lost* otherwise. Lost cells are missing, no-trade cells are not: the two must never be mixed, because a lost
bar hides trades and a no-trade bar does not.

Two scopes are in use. A *window* that ends at `as_of` (contract: the last 72 h of 5m bars) answers "may we
open a position now?". The *whole range* (`window_ns=None`) answers "may we train on this?"; a window alone
would let gaps inside the training range pass.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.bars import CLOSE, FIELDS, HIGH, LOW, OPEN, VOLUME, BarSeries
from marketsentry.core.market.coverage import coverage_of
from marketsentry.core.market.interval import NS_PER_S, Interval
from marketsentry.exceptions import InputError

HOUR_NS = 3_600 * NS_PER_S
MIN_STALE_S = 900
STALE_BARS = 3
JUMP_FLOOR_FRAC = 0.2
JUMP_SIGMAS = 25.0
MIN_OVERLAP_FRAC = 0.5
CROSS_SOURCE_QUANTILE = 0.99


@dataclass(frozen=True, slots=True)
class Gap:
    """Lost bars in a row: open time of the first, UTC epoch ns, and how many."""

    start_ns: int
    n_bars: int


@dataclass(frozen=True, slots=True)
class QualityFacts:
    """What was measured. Rates are fractions; NaN where there was nothing to measure, which no gate lets pass.

    `missing_rate` is lost cells over expected cells, the other rates are over rows. `stale_ratio` counts
    steps longer than `stale_after_s` from one known cell to the next. `freshness_s` is the age of the newest
    known cell's close at `as_of_ns`. `jump_rate` counts log returns between neighbours beyond the larger of
    20 % and 25 robust standard deviations. `cross_source_dev_frac` is the 99 % quantile of the close's
    relative distance from a second source: None where no second source was given, NaN where fewer than half
    of the rows overlap.
    """

    window_start_ns: int
    as_of_ns: int
    expected_rows: int
    total_rows: int
    n_missing: int
    n_no_trade: int
    missing_rate: float
    invalid_price_rate: float
    duplicate_rate: float
    stale_ratio: float
    stale_after_s: float
    freshness_s: float
    jump_rate: float
    longest_gap_s: float
    cross_source_dev_frac: float | None
    gaps: tuple[Gap, ...] = field(repr=False)


def default_window_ns(interval: Interval) -> int:
    """Return the contract's window: 72 h of 5m bars; otherwise 48 h, or 288 bars where 48 h hold too few to
    judge.
    """
    return 72 * HOUR_NS if interval.name == "5m" else max(48 * HOUR_NS, 288 * interval.ns)


def stale_after_s(interval: Interval) -> float:
    """Return how long no new bar may come: 900 s as the contract says, or 3 bars where bars are longer than
    5m.
    """
    return float(max(MIN_STALE_S, STALE_BARS * interval.seconds))


def measure_quality(
    series: BarSeries,
    *,
    as_of_ns: int,
    window_ns: int | None = None,
    listed_from_ns: int | None = None,
    no_trade_ts_ns: NDArray[np.int64] | None = None,
    other: BarSeries | None = None,
) -> QualityFacts:
    """Measure one series.

    Parameters
    ----------
    series
        All bars of the scope; others are ignored.
    as_of_ns
        Knowledge cut-off: a bar that closes later is not read and not expected.
    window_ns
        Length of the window that ends at `as_of_ns`; None measures from the first bar of `series`.
    listed_from_ns
        Open time of the symbol's first bar ever: no bar is expected before it. Without it a bar is expected
        in every cell of the window.
    no_trade_ts_ns
        Shape (n,) int64. Open times of bars that the venue is known to have left out because nothing traded.
    other
        The same market from a second source, same interval.

    Returns
    -------
    QualityFacts

    Raises
    ------
    InputError
        If `window_ns` is not positive or the second source has another interval.
    """
    if other is not None and other.interval != series.interval:
        raise InputError(f"the second source must have interval {series.interval}, was {other.interval}")
    return measure_rows(
        series.ts_ns,
        series.values,
        interval=series.interval,
        as_of_ns=as_of_ns,
        window_ns=window_ns,
        listed_from_ns=listed_from_ns,
        no_trade_ts_ns=no_trade_ts_ns,
        other=other,
    )


def measure_rows(
    ts_ns: NDArray[np.int64],
    values: NDArray[np.float64],
    *,
    interval: Interval,
    as_of_ns: int,
    window_ns: int | None = None,
    listed_from_ns: int | None = None,
    no_trade_ts_ns: NDArray[np.int64] | None = None,
    other: BarSeries | None = None,
) -> QualityFacts:
    """Measure rows as they came, in any order, with duplicates, NaN and rows off the grid.

    Parameters
    ----------
    ts_ns
        Shape (n,) int64. Open times, UTC epoch ns.
    values
        Shape (n, 5). Open, high, low, close in quote currency, volume in base units.
    interval
        Length of a bar.
    as_of_ns
        As in `measure_quality`, and so are the following.
    window_ns
        Length of the window.
    listed_from_ns
        Open time of the first bar ever.
    no_trade_ts_ns
        Shape (n,) int64. Open times without trades.
    other
        Second source.

    Returns
    -------
    QualityFacts

    Raises
    ------
    InputError
        If shapes do not fit or `window_ns` is not positive.
    """
    if values.shape != (ts_ns.size, len(FIELDS)):
        raise InputError(f"values must have shape ({ts_ns.size}, 5), was {values.shape}")
    if window_ns is not None and window_ns <= 0:
        raise InputError(f"window_ns must be positive, was {window_ns}")
    omitted = np.empty(0, np.int64) if no_trade_ts_ns is None else no_trade_ts_ns
    stop = as_of_ns // interval.ns * interval.ns  # the first cell that cannot have closed
    start = _start_ns(
        ts_ns, stop, interval, as_of_ns=as_of_ns, window_ns=window_ns, listed_from_ns=listed_from_ns
    )
    inside = (ts_ns >= start) & (ts_ns < stop)
    order = np.argsort(ts_ns[inside], kind="stable")
    ts_ns, values = ts_ns[inside][order], values[inside][order]

    complete = np.isfinite(values[:, CLOSE]) & np.isfinite(values[:, VOLUME]) & (ts_ns % interval.ns == 0)
    present = np.unique(ts_ns[complete])
    omitted = np.setdiff1d(omitted[(omitted >= start) & (omitted < stop)], present)
    known = np.union1d(present, omitted)
    expected = max((stop - start) // interval.ns, 0)
    n_zero_volume = int((values[complete, VOLUME] == 0).sum())
    gaps = _gaps(known, start, stop, interval)
    newest = int(known[-1]) + interval.ns if known.size else None
    steps_s = np.diff(known) / NS_PER_S
    return QualityFacts(
        window_start_ns=start,
        as_of_ns=as_of_ns,
        expected_rows=expected,
        total_rows=ts_ns.size,
        n_missing=expected - known.size,
        n_no_trade=omitted.size + n_zero_volume,
        missing_rate=_ratio(expected - known.size, expected),
        invalid_price_rate=_ratio(int(_invalid(values).sum()), ts_ns.size),
        duplicate_rate=_ratio(int((np.diff(ts_ns) == 0).sum()), ts_ns.size),
        stale_ratio=_ratio(int((steps_s > stale_after_s(interval)).sum()), known.size),
        stale_after_s=stale_after_s(interval),
        freshness_s=float("nan") if newest is None else (as_of_ns - newest) / NS_PER_S,
        jump_rate=_jump_rate(ts_ns[complete], values[complete, CLOSE], interval),
        longest_gap_s=float(max((gap.n_bars for gap in gaps), default=0) * interval.seconds),
        cross_source_dev_frac=None if other is None else _deviation(ts_ns, values[:, CLOSE], other),
        gaps=gaps,
    )


def _start_ns(
    ts_ns: NDArray[np.int64],
    stop: int,
    interval: Interval,
    *,
    as_of_ns: int,
    window_ns: int | None,
    listed_from_ns: int | None,
) -> int:
    """First expected cell."""
    if window_ns is None:
        first = min(int(ts_ns.min()), stop) if ts_ns.size else stop
    else:
        first = as_of_ns - window_ns
    if listed_from_ns is not None:
        first = max(first, listed_from_ns)
    return -(-first // interval.ns) * interval.ns


def _gaps(known: NDArray[np.int64], start: int, stop: int, interval: Interval) -> tuple[Gap, ...]:
    """Lost runs between known cells and at both ends of the scope."""
    edges = np.concatenate(([start - interval.ns], known, [max(stop, start)]))
    spans = coverage_of(interval, edges).gaps_ns
    return tuple(Gap(int(first), int(last - first) // interval.ns) for first, last in spans)


def _invalid(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Rows whose prices cannot be: not positive, or outside their own range. A row without close is missing
    instead.
    """
    prices = values[:, :VOLUME]
    with np.errstate(invalid="ignore"):
        consistent = (
            (prices > 0).all(axis=1)
            & np.isfinite(prices).all(axis=1)
            & (prices[:, LOW] <= np.minimum(prices[:, OPEN], prices[:, CLOSE]))
            & (prices[:, HIGH] >= np.maximum(prices[:, OPEN], prices[:, CLOSE]))
        )
    invalid: NDArray[np.bool_] = ~consistent & ~np.isnan(prices[:, CLOSE])
    return invalid


def _jump_rate(ts_ns: NDArray[np.int64], close: NDArray[np.float64], interval: Interval) -> float:
    """Share of neighbouring closes that lie implausibly far apart."""
    positive = close > 0
    ts_ns, log_close = ts_ns[positive], np.log(close[positive])
    returns = np.abs(np.diff(log_close))[np.diff(ts_ns) == interval.ns]
    if returns.size == 0:
        return float("nan")
    limit = max(JUMP_FLOOR_FRAC, JUMP_SIGMAS * 1.4826 * float(np.median(returns)))
    return float((returns > limit).mean())


def _deviation(ts_ns: NDArray[np.int64], close: NDArray[np.float64], other: BarSeries) -> float:
    """How far closes lie from those of a second source; NaN where too few bars overlap."""
    _, mine, theirs = np.intersect1d(ts_ns, other.ts_ns, return_indices=True)
    pair = np.column_stack([close[mine], other.values[theirs, CLOSE]])
    pair = pair[np.isfinite(pair).all(axis=1) & (pair > 0).all(axis=1)]
    if pair.shape[0] < MIN_OVERLAP_FRAC * max(ts_ns.size, 1):
        return float("nan")
    return float(np.quantile(np.abs(np.log(pair[:, 0] / pair[:, 1])), CROSS_SOURCE_QUANTILE))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
