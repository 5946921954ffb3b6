"""Which cells of a time grid are known, as runs: first and last bar, gaps and counts without scanning bars.

Adding bars merges short lists of runs, so the manifest of a series stays right however the bars arrive: in
order, backwards, overlapping, or as the repair of an old gap.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.interval import Interval
from marketsentry.exceptions import InputError


@dataclass(frozen=True, slots=True)
class Coverage:
    """Known cells of one grid.

    `runs_ns` (n_runs, 2) int64: start (inclusive) and stop (exclusive) of every run of known cells,
    ascending, neither touching nor overlapping.
    """

    interval: Interval
    runs_ns: NDArray[np.int64]

    @property
    def n_cells(self) -> int:
        """Known cells."""
        return int((self.runs_ns[:, 1] - self.runs_ns[:, 0]).sum()) // self.interval.ns

    @property
    def first_ns(self) -> int:
        return int(self.runs_ns[0, 0])

    @property
    def last_ns(self) -> int:
        """Open time of the last known cell."""
        return int(self.runs_ns[-1, 1]) - self.interval.ns

    @property
    def gaps_ns(self) -> NDArray[np.int64]:
        """Lost spans (n_gaps, 2): start inclusive, stop exclusive."""
        return np.column_stack([self.runs_ns[:-1, 1], self.runs_ns[1:, 0]])

    @property
    def n_missing(self) -> int:
        """Cells between the first and the last known one that are not known."""
        gaps = self.gaps_ns
        return int((gaps[:, 1] - gaps[:, 0]).sum()) // self.interval.ns


def empty_coverage(interval: Interval) -> Coverage:
    """Nothing known yet."""
    return Coverage(interval, np.empty((0, 2), dtype=np.int64))


def coverage_of(interval: Interval, ts_ns: NDArray[np.int64]) -> Coverage:
    """Find the runs in open times.

    Parameters
    ----------
    interval : Interval
        Length of a cell.
    ts_ns : ndarray of shape (n,), int64
        Open times on the grid, strictly increasing.

    Returns
    -------
    Coverage
        One run per unbroken stretch.

    Raises
    ------
    InputError
        If the times do not increase.
    """
    if ts_ns.size == 0:
        return empty_coverage(interval)
    steps = np.diff(ts_ns)
    if (steps <= 0).any():
        raise InputError("times of a coverage must be strictly increasing")
    breaks = np.flatnonzero(steps != interval.ns)
    starts = ts_ns[np.concatenate(([0], breaks + 1))]
    stops = ts_ns[np.concatenate((breaks, [ts_ns.size - 1]))] + interval.ns
    return Coverage(interval, np.column_stack([starts, stops]))


def coverage_from_gaps(
    interval: Interval, first_ns: int, last_ns: int, gaps_ns: NDArray[np.int64]
) -> Coverage:
    """Rebuild runs from what the manifest stores: first and last cell, and the gaps between them."""
    starts = np.concatenate(([first_ns], gaps_ns[:, 1]))
    stops = np.concatenate((gaps_ns[:, 0], [last_ns + interval.ns]))
    return Coverage(interval, np.column_stack([starts, stops]).astype(np.int64))


def merge_coverage(one: Coverage, other: Coverage) -> Coverage:
    """Unite two coverages of the same grid. O(number of runs)."""
    if one.interval != other.interval:
        raise InputError(f"coverages must share one interval, were {one.interval} and {other.interval}")
    runs = np.concatenate([one.runs_ns, other.runs_ns])
    if len(runs) == 0:
        return one
    runs = runs[np.argsort(runs[:, 0], kind="stable")]
    reach = np.maximum.accumulate(runs[:, 1])
    opens = np.concatenate(([True], runs[1:, 0] > reach[:-1]))
    stops = reach[np.concatenate((np.flatnonzero(opens)[1:] - 1, [len(runs) - 1]))]
    return Coverage(one.interval, np.column_stack([runs[opens, 0], stops]))
