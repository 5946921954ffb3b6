"""From a panel to the rows a model is fitted on: one row per symbol and bar, oldest first.

Rows whose label is known and rows whose label is not (the last bars of the history, bars before a lost one)
are two lists. So the training rows of any span of bars are one contiguous range, which a fold can use
without a copy.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError


@dataclass(frozen=True, slots=True)
class Rows:
    """Cells of a (T, N) panel in time order: `bar` (n,) and `symbol` (n,) are their indices."""

    bar: NDArray[np.int64]
    symbol: NDArray[np.int64]

    @property
    def n_rows(self) -> int:
        return int(self.bar.size)

    def span(self, bars: slice) -> slice:
        """Give the range of rows that lies in a range of bars."""
        start, stop = np.searchsorted(self.bar, (bars.start, bars.stop))
        return slice(int(start), int(stop))


@dataclass(frozen=True, slots=True)
class RowSet:
    """All rows of a panel: `labelled` to fit and judge on, `unlabelled` to predict only."""

    labelled: Rows
    unlabelled: Rows


def select_rows(labels: NDArray[np.float64], present: NDArray[np.bool_]) -> RowSet:
    """List the rows of a panel.

    Parameters
    ----------
    labels
        (T, N) regression target, NaN where it is not known.
    present
        (T, N) whether the bar exists (traded, or known to have had no trade); other cells give no row.

    Returns
    -------
    RowSet

    Raises
    ------
    InputError
        If the shapes differ or a label is infinite.
    """
    if labels.shape != present.shape or labels.ndim != 2:
        raise InputError(
            f"labels and present must have one shape (T, N), were {labels.shape} and {present.shape}"
        )
    if np.isinf(labels).any():
        raise InputError("labels must be finite or NaN, some were infinite")
    known = np.isfinite(labels)
    return RowSet(_rows_where(present & known), _rows_where(present & ~known))


def _rows_where(mask: NDArray[np.bool_]) -> Rows:
    bar, symbol = np.nonzero(mask)
    return Rows(bar.astype(np.int64), symbol.astype(np.int64))
