"""The order book of a market at one time, as much of it as is kept.

The best `EXACT_LEVELS` levels of a side are kept as they are. What lies behind them, up to `REACH_BPS` from the best,
is put together in steps of one basis point, each at the worst price in it: whoever walks the kept book never pays less
than the whole book would have asked. Nothing is known beyond; an order that would need it is not filled there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError

EXACT_LEVELS = 20
REACH_BPS = 30.0

Levels = NDArray[np.float64]
"""Shape (n_levels, 2): price in quote currency and size in base units, the best first."""


@dataclass(frozen=True, slots=True)
class BookDepth:
    """A book at `ts_ns`, known at `known_at_ns`, both UTC epoch ns; neither side is empty and they do not cross."""

    ts_ns: int
    known_at_ns: int
    bids: Levels
    asks: Levels

    def __post_init__(self) -> None:
        for name, levels in (("bids", self.bids), ("asks", self.asks)):
            if levels.ndim != 2 or levels.shape[1] != 2 or not levels.size:
                raise InputError(f"{name} must have shape (n, 2) with n >= 1, was {levels.shape}")
        if self.bids[0, 0] > self.asks[0, 0]:
            raise InputError(f"best bid {self.bids[0, 0]} must not be above the best ask {self.asks[0, 0]}")


@dataclass(frozen=True, slots=True)
class BookBlock:
    """Books of one market, oldest first."""

    symbol: str
    source: str
    books: tuple[BookDepth, ...]


def condense(levels: Levels) -> Levels:
    """Keep of one side what is worth keeping.

    Parameters
    ----------
    levels : ndarray of shape (n, 2)
        Price and size of every level, the best first.

    Returns
    -------
    ndarray of shape (m, 2)
        The best levels, then sums in steps of a basis point at the worst price of each.
    """
    if len(levels) <= EXACT_LEVELS:
        return levels
    near, far = levels[:EXACT_LEVELS], levels[EXACT_LEVELS:]
    step = np.ceil(np.abs(far[:, 0] / levels[0, 0] - 1.0) * 1e4)
    far, step = far[step <= REACH_BPS], step[step <= REACH_BPS]
    if not step.size:
        return near
    starts = np.flatnonzero(np.diff(step, prepend=-1.0))
    worst = np.append(starts[1:], step.size) - 1
    sums = np.add.reduceat(far[:, 1], starts)
    return np.concatenate([near, np.column_stack([far[worst, 0], sums])])
