"""Collecting the bars of one span from answers that may be short, doubled, unordered or empty.

A short answer has two causes that look alike: the venue cut the page, or nothing traded. They are told apart
by asking again for what is missing. An answer that brings nothing new settles it, so the questions end: each
either brings a bar or is the last.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.interval import Interval

MIN_ANSWERS = 2


@dataclass(frozen=True, slots=True)
class CandleSpan:
    """Bars that open in [start_ns, stop_ns), as far as they have come.

    `ts_ns` (n,) int64 ascending and distinct, `values` (n, 5). `n_answers` counts answers, `is_settled` tells
    that another question would bring nothing.
    """

    interval: Interval
    start_ns: int
    stop_ns: int
    ts_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    n_answers: int = 0
    is_settled: bool = False

    @property
    def missing_ns(self) -> NDArray[np.int64]:
        """Open times (n,) of the bars that have not come."""
        cells = np.arange(self.start_ns, self.stop_ns, self.interval.ns, dtype=np.int64)
        return np.setdiff1d(cells, self.ts_ns, assume_unique=True)

    @property
    def question_ns(self) -> tuple[int, int]:
        """What to ask next: from the first to after the last missing bar."""
        missing = self.missing_ns
        return int(missing[0]), int(missing[-1]) + self.interval.ns


def empty_span(interval: Interval, start_ns: int, stop_ns: int) -> CandleSpan:
    """Nothing has come yet; both ends are on the grid and `stop_ns` is after `start_ns`."""
    return CandleSpan(interval, start_ns, stop_ns, np.empty(0, np.int64), np.empty((0, 5)))


def add_answer(span: CandleSpan, ts_ns: NDArray[np.int64], values: NDArray[np.float64]) -> CandleSpan:
    """Take in one answer.

    Parameters
    ----------
    span
        What came before.
    ts_ns
        Shape (n,) int64. Open times as sent; those outside the span or off its grid are left out.
    values
        Shape (n, 5). Open, high, low, close, volume. Of two rows of one time the later counts.

    Returns
    -------
    CandleSpan
        Settled when all bars are there, or when this is not the first answer and it brought nothing new.
    """
    fits = (ts_ns >= span.start_ns) & (ts_ns < span.stop_ns) & (ts_ns % span.interval.ns == 0)
    everything = np.concatenate([span.ts_ns, ts_ns[fits]])
    rows = np.concatenate([span.values, values[fits]])
    distinct, newest = np.unique(everything[::-1], return_index=True)
    merged = rows[::-1][newest]
    n_cells = (span.stop_ns - span.start_ns) // span.interval.ns
    is_barren = distinct.size == span.ts_ns.size
    n_answers = span.n_answers + 1
    return CandleSpan(
        span.interval,
        span.start_ns,
        span.stop_ns,
        distinct,
        merged,
        n_answers,
        is_settled=distinct.size == n_cells or (is_barren and n_answers >= MIN_ANSWERS),
    )
