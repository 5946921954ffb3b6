"""Venue times in seconds, milliseconds, microseconds, nanoseconds or ISO text, as UTC epoch nanoseconds.

Every number is judged by its own size, not by its file: exchanges changed units in the middle of their
archives. The ranges do not touch for times from 1973-03-03 to 5138: a second count has at most 11 digits, a
millisecond count 12 to 14, microseconds 15 to 17, nanoseconds 18 and 19. A smaller number is no time.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError

NO_TIME_NS = int(np.iinfo(np.int64).min)
"""Stands where a value could not be read as a time."""

MIN_TIME_NS = 100_000_000 * 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def epoch_to_ns(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Scale epoch counts of any unit to nanoseconds, each by its own size.

    Parameters
    ----------
    values : ndarray of shape (n,), int64
        Counts of s, ms, us or ns since 1970, in any mixture.

    Returns
    -------
    ndarray of shape (n,), int64
        UTC epoch ns; `NO_TIME_NS` where the number is below 1e8 (before 1973-03-03) and therefore no time.
    """
    bounds = np.array([100_000_000, 10**11, 10**14, 10**17], dtype=np.int64)
    scale = np.array([1, 1_000_000_000, 1_000_000, 1_000, 1], dtype=np.int64)
    unit = np.searchsorted(bounds, values, side="right")
    return np.where(unit == 0, NO_TIME_NS, values * scale[unit])


def float_epoch_to_ns(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Scale epoch counts with a fraction (`1609459200.1234` s) to the nearest microsecond; NaN is no time."""
    readable = np.isfinite(values) & (np.abs(values) < 9e18)
    safe = np.where(readable, values, 0.0)
    whole = np.floor(safe).astype(np.int64)
    ns = epoch_to_ns(whole)
    seconds = (whole >= 100_000_000) & (whole < 10**11)
    micros = np.rint((safe - whole) * 1e6).astype(np.int64)
    return np.where(readable, ns + np.where(seconds, micros * 1_000, 0), NO_TIME_NS)


def texts_to_ns(texts: Iterable[str | None]) -> NDArray[np.int64]:
    """Read times given as text, ISO-8601 or epoch counts; `NO_TIME_NS` where a text is neither."""
    return np.fromiter((_text_to_ns(text) for text in texts), dtype=np.int64)


def parse_time_ns(text: str) -> int:
    """Read one time a person typed: ISO-8601 (no offset means UTC), a date, or an epoch count.

    Parameters
    ----------
    text : str
        The time as typed.

    Returns
    -------
    int
        UTC epoch ns.

    Raises
    ------
    InputError
        If the text is neither.
    """
    ns = _text_to_ns(text)
    if ns == NO_TIME_NS:
        raise InputError(f"time must be ISO-8601 such as 2024-03-01 or 2024-03-01T12:00Z, was {text!r}")
    return ns


def datetime_to_ns(at: datetime) -> int:
    """Turn an aware datetime into UTC epoch ns, exact to the microsecond."""
    if at.tzinfo is None:
        raise InputError(f"time must carry an offset, was {at.isoformat()}")
    return ((at - _EPOCH) // _MICROSECOND) * 1_000


def ns_to_datetime(ns: int) -> datetime:
    """Turn UTC epoch ns into an aware datetime; what lies below a microsecond is cut off."""
    return _EPOCH + timedelta(microseconds=ns // 1_000)


def utc_text(ns: int) -> str:
    """Spell epoch nanoseconds as RFC 3339 UTC ending in `Z`, to the microsecond."""
    return ns_to_datetime(ns).isoformat().replace("+00:00", "Z")


def _text_to_ns(text: str | None) -> int:
    if text is None:
        return NO_TIME_NS
    cleaned = text.strip().strip('"')
    if cleaned.isdecimal() and len(cleaned) >= 9:
        return int(epoch_to_ns(np.array([min(int(cleaned), 2**63 - 1)], dtype=np.int64))[0])
    try:
        at = datetime.fromisoformat(cleaned.removesuffix(" UTC"))
    except ValueError:
        return _float_text_to_ns(cleaned)
    return datetime_to_ns(at if at.tzinfo else at.replace(tzinfo=UTC))


def _float_text_to_ns(text: str) -> int:
    try:
        value = float(text)
    except ValueError:
        return NO_TIME_NS
    return int(float_epoch_to_ns(np.array([value]))[0])
