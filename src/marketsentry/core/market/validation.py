"""Row checks for data from outside: one reason code per row, nothing is repaired.

A row with a reason never enters the store. Where several reasons hold, the first in the order of `Reason`
is given.
"""

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.bars import CLOSE, FIELDS, HIGH, LOW, OPEN, VOLUME
from marketsentry.core.market.interval import Interval
from marketsentry.core.market.timestamps import MIN_TIME_NS
from marketsentry.exceptions import InputError


class Reason(IntEnum):
    """Why a row was refused; `OK` is 0."""

    OK = 0
    WRONG_COLUMN_COUNT = 1
    MALFORMED_ROW = 2
    BAD_TIME = 3
    FUTURE_TIME = 4
    OFF_GRID = 5
    NOT_FINITE = 6
    PRICE_NOT_POSITIVE = 7
    HIGH_BELOW_LOW = 8
    PRICE_OUTSIDE_RANGE = 9
    NEGATIVE_VOLUME = 10
    SIZE_NOT_POSITIVE = 11
    MISSING_ID = 12
    EMPTY_TITLE = 13
    RATE_OUT_OF_RANGE = 14
    CROSSED_QUOTE = 15

    @property
    def code(self) -> str:
        """Spelling used in reports and reject files."""
        return self.name.lower()


MAX_FUNDING_RATE = 1.0
"""No venue charges more than the whole position in a period; a larger rate is another unit or column."""


def check_bars(
    ts_ns: NDArray[np.int64], values: NDArray[np.float64], *, interval: Interval, now_ns: int
) -> NDArray[np.uint8]:
    """Judge every bar.

    Parameters
    ----------
    ts_ns : ndarray of shape (n,), int64
        Open times, UTC epoch ns, in any order.
    values : ndarray of shape (n, 5)
        Open, high, low, close in quote currency, volume in base units.
    interval : Interval
        Length of a bar; open times must be multiples of it since the epoch.
    now_ns : int
        A bar that closes after this is from the future or unfinished, and refused.

    Returns
    -------
    ndarray of shape (n,), uint8
        A `Reason` per row, 0 where the row is good.

    Raises
    ------
    InputError
        If the shapes do not fit together.
    """
    if values.shape != (ts_ns.size, len(FIELDS)):
        raise InputError(f"values must have shape ({ts_ns.size}, 5), was {values.shape}")
    opened, high, low, close = (values[:, column] for column in (OPEN, HIGH, LOW, CLOSE))
    with np.errstate(invalid="ignore"):
        outside = (opened < low) | (opened > high) | (close < low) | (close > high)
        return _first_reason(
            (Reason.BAD_TIME, ts_ns < MIN_TIME_NS),
            (Reason.FUTURE_TIME, ts_ns > now_ns - interval.ns),
            (Reason.OFF_GRID, ts_ns % interval.ns != 0),
            (Reason.NOT_FINITE, ~np.isfinite(values).all(axis=1)),
            (Reason.PRICE_NOT_POSITIVE, (values[:, :VOLUME] <= 0).any(axis=1)),
            (Reason.HIGH_BELOW_LOW, high < low),
            (Reason.PRICE_OUTSIDE_RANGE, outside),
            (Reason.NEGATIVE_VOLUME, values[:, VOLUME] < 0),
        )


def check_trades(
    ts_ns: NDArray[np.int64],
    price: NDArray[np.float64],
    size: NDArray[np.float64],
    has_id: NDArray[np.bool_],
    *,
    now_ns: int,
) -> NDArray[np.uint8]:
    """Judge every trade: readable past time, finite positive price and size, an id of the venue."""
    with np.errstate(invalid="ignore"):
        return _first_reason(
            (Reason.BAD_TIME, ts_ns < MIN_TIME_NS),
            (Reason.FUTURE_TIME, ts_ns > now_ns),
            (Reason.NOT_FINITE, ~(np.isfinite(price) & np.isfinite(size))),
            (Reason.PRICE_NOT_POSITIVE, price <= 0),
            (Reason.SIZE_NOT_POSITIVE, size <= 0),
            (Reason.MISSING_ID, ~has_id),
        )


def check_funding(ts_ns: NDArray[np.int64], rate: NDArray[np.float64], *, now_ns: int) -> NDArray[np.uint8]:
    """Judge every funding rate: readable past time, finite, and not larger than the whole position."""
    with np.errstate(invalid="ignore"):
        return _first_reason(
            (Reason.BAD_TIME, ts_ns < MIN_TIME_NS),
            (Reason.FUTURE_TIME, ts_ns > now_ns),
            (Reason.NOT_FINITE, ~np.isfinite(rate)),
            (Reason.RATE_OUT_OF_RANGE, np.abs(rate) > MAX_FUNDING_RATE),
        )


def check_quotes(
    ts_ns: NDArray[np.int64], prices: NDArray[np.float64], sizes: NDArray[np.float64], *, now_ns: int
) -> NDArray[np.uint8]:
    """Judge every best bid and offer: `prices` and `sizes` have shape (n, 2), the bid first."""
    with np.errstate(invalid="ignore"):
        return _first_reason(
            (Reason.BAD_TIME, ts_ns < MIN_TIME_NS),
            (Reason.FUTURE_TIME, ts_ns > now_ns),
            (Reason.NOT_FINITE, ~(np.isfinite(prices) & np.isfinite(sizes)).all(axis=1)),
            (Reason.PRICE_NOT_POSITIVE, (prices <= 0).any(axis=1)),
            (Reason.SIZE_NOT_POSITIVE, (sizes <= 0).any(axis=1)),
            (Reason.CROSSED_QUOTE, prices[:, 0] > prices[:, 1]),
        )


def check_levels(
    ts_ns: NDArray[np.int64],
    price: NDArray[np.float64],
    size: NDArray[np.float64],
    side: NDArray[np.int8],
    *,
    now_ns: int,
) -> NDArray[np.uint8]:
    """Judge every changed level of a book: a side, a positive price, and a size of zero or more."""
    with np.errstate(invalid="ignore"):
        return _first_reason(
            (Reason.MALFORMED_ROW, side == 0),
            (Reason.BAD_TIME, ts_ns < MIN_TIME_NS),
            (Reason.FUTURE_TIME, ts_ns > now_ns),
            (Reason.NOT_FINITE, ~(np.isfinite(price) & np.isfinite(size))),
            (Reason.PRICE_NOT_POSITIVE, price <= 0),
            (Reason.NEGATIVE_VOLUME, size < 0),
        )


def check_news(ts_ns: NDArray[np.int64], has_title: NDArray[np.bool_], *, now_ns: int) -> NDArray[np.uint8]:
    """Judge every news item: readable past time and a title that is not blank."""
    return _first_reason(
        (Reason.BAD_TIME, ts_ns < MIN_TIME_NS),
        (Reason.FUTURE_TIME, ts_ns > now_ns),
        (Reason.EMPTY_TITLE, ~has_title),
    )


def _first_reason(
    *checks: tuple[Reason, Any],
) -> NDArray[np.uint8]:  # numpy types a comparison as scalar or array
    reasons = np.zeros(checks[0][1].shape, dtype=np.uint8)
    for reason, is_bad in reversed(checks):
        reasons[is_bad] = reason
    return reasons
