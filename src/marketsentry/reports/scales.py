"""Where values lie on an axis and which ticks it shows; thinning of long curves. Pure arithmetic, no SVG."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400
TIME_STEPS_S = (
    60,
    300,
    900,
    1800,
    3600,
    3 * 3600,
    6 * 3600,
    12 * 3600,
    DAY_S,
    2 * DAY_S,
    7 * DAY_S,
    14 * DAY_S,
)
MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120)


@dataclass(frozen=True, slots=True)
class Scale:
    """A value axis from `low` to `high`, linear or logarithmic, with its ticks, lowest first."""

    low: float
    high: float
    ticks: tuple[float, ...]
    is_log: bool = False

    def fraction(self, value: NDArray[np.float64]) -> NDArray[np.float64]:
        """Place of values between low (0.0) and high (1.0); NaN stays NaN."""
        if self.is_log:
            return np.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def place(self, value: float) -> float:
        """Place of one value between low (0.0) and high (1.0)."""
        return float(self.fraction(np.array([value]))[0])


def linear_scale(values: NDArray[np.float64], *, n_ticks: int = 5, include: float | None = None) -> Scale:
    """Make a linear axis of round ticks around the finite values.

    Parameters
    ----------
    values
        Any shape; NaN and infinities are ignored. Without a finite value the axis is 0 to 1.
    n_ticks
        About how many steps the axis shall have.
    include
        If given, a value that must lie on the axis, such as 0 or the starting capital.

    Returns
    -------
    Scale
        From the round tick at or below the lowest value to the one at or above the highest.
    """
    low, high = _span(values, include)
    size = max(abs(low), abs(high))
    if high - low <= 1e-9 * max(1.0, size):
        margin = 0.05 * size if size > 1e-6 else 1.0
        low, high = low - margin, high + margin
    step = nice_step((high - low) / n_ticks)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(round(i * step, 12) for i in range(first, last + 1))
    return Scale(ticks[0], ticks[-1], ticks)


def value_scale(values: NDArray[np.float64], *, n_ticks: int = 5, include: float | None = None) -> Scale:
    """Make a linear axis, or a logarithmic one where positive values span more than a factor of eight."""
    low, high = _span(values, include)
    if low <= 0 or high / low <= 8:
        return linear_scale(values, n_ticks=n_ticks, include=include)
    return log_scale(values, n_ticks=n_ticks, include=include)


def log_scale(values: NDArray[np.float64], *, n_ticks: int = 5, include: float | None = None) -> Scale:
    """Make a logarithmic axis for positive values: evenly spaced ticks within a factor of eight, else 1, 2 and 5."""
    low, high = _span(values, include)
    if high / low <= 8:
        linear = linear_scale(values, n_ticks=n_ticks, include=include)
        above_zero = tuple(one for one in linear.ticks if one > 0)
        return Scale(min(above_zero[0], low), max(above_zero[-1], high), above_zero, is_log=True)
    # one decade more on both sides: a logarithm may round to the power that the value does not reach
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    marks = [digit * 10.0**d for d in decades for digit in (1, 2, 5)]
    inside = [m for m in marks if low / 2.5 < m < high * 2.5]
    below = [m for m in inside if m <= low][-1:]
    above = [m for m in inside if m >= high][:1]
    ticks = (*below, *(m for m in inside if low < m < high), *above)
    return Scale(ticks[0], ticks[-1], ticks, is_log=True)


def nice_step(raw: float) -> float:
    """Round a positive step up to 1, 2, 2.5 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(raw))
    return next(m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if raw <= m * power * (1 + 1e-9))


@dataclass(frozen=True, slots=True)
class TimeTicks:
    """Tick times of a time axis, UTC epoch ns, and the grain their labels need: time, day, month or year."""

    ts_ns: tuple[int, ...]
    grain: str


def time_ticks(first_ns: int, last_ns: int, *, n_ticks: int = 6) -> TimeTicks:
    """Choose at most about `n_ticks` round times between two moments, in UTC."""
    span_s = max(0.0, (last_ns - first_ns) / 1e9)
    if span_s == 0:
        return TimeTicks((first_ns,), "day")
    for step_s in TIME_STEPS_S:
        if span_s / step_s <= n_ticks:
            return TimeTicks(_regular_ticks(first_ns, last_ns, step_s), "day" if step_s >= DAY_S else "time")
    months = span_s / (30.44 * DAY_S)
    step = next((m for m in MONTH_STEPS if months / m <= n_ticks), math.ceil(months / n_ticks / 120) * 120)
    return TimeTicks(_month_ticks(first_ns, last_ns, step), "year" if step >= 12 else "month")


def thin(values: NDArray[np.float64], *, max_points: int) -> NDArray[np.int64]:
    """Choose rows that keep the picture of a long curve.

    Parameters
    ----------
    values
        (n,) or (n, k): curves over the same rows. NaN is allowed.
    max_points
        At least 4 * k; the most rows to keep.

    Returns
    -------
    ndarray
        Increasing int64 row numbers: all of them if they are few enough, else the first and the last row and
        of every block of rows the lowest and the highest of each curve, so that no extreme is lost.
    """
    n = values.shape[0]
    if n <= max_points:
        return np.arange(n, dtype=np.int64)
    curves = values.reshape(n, -1)
    n_blocks = (max_points - 2) // (2 * curves.shape[1])
    edges = np.linspace(0, n, n_blocks + 1).astype(np.int64)
    block = np.repeat(np.arange(n_blocks), np.diff(edges))
    kept = [np.array([0, n - 1])]
    for curve in curves.T:
        kept.append(_extreme_rows(np.where(np.isnan(curve), np.inf, curve), block, edges))
        kept.append(_extreme_rows(np.where(np.isnan(curve), np.inf, -curve), block, edges))
    return np.unique(np.concatenate(kept)).astype(np.int64)


def _extreme_rows(
    curve: NDArray[np.float64], block: NDArray[np.int64], edges: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Row of the lowest value of every block; the earliest of equals."""
    lowest = np.minimum.reduceat(curve, edges[:-1])
    hits = np.flatnonzero(curve == lowest[block])
    first = np.unique(block[hits], return_index=True)[1]
    return hits[first]


def _span(values: NDArray[np.float64], include: float | None) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if include is not None:
        finite = np.append(finite, include)
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def _regular_ticks(first_ns: int, last_ns: int, step_s: int) -> tuple[int, ...]:
    step_ns = step_s * 1_000_000_000
    return tuple(range(-(-first_ns // step_ns) * step_ns, last_ns + 1, step_ns))


def _month_ticks(first_ns: int, last_ns: int, step: int) -> tuple[int, ...]:
    start = moment(first_ns)
    month = (start.year * 12 + start.month - 1) // step * step
    ticks: list[int] = []
    while True:
        at_ns = int(datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000
        if at_ns > last_ns:
            return tuple(ticks)
        if at_ns >= first_ns:
            ticks.append(at_ns)
        month += step


def moment(ts_ns: int) -> datetime:
    """The aware UTC time of epoch nanoseconds, to the microsecond."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ts_ns // 1000)
