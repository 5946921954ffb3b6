"""What is known at a bar's close besides bars: funding, book imbalance, chain flows, events.

One function serves training (many bars) and live trading (one bar): every column of a row depends on that
row's knowledge time and on values known by then, never on how much history was loaded beyond the spans named
in the schema. A symbol without a series has NaN in its columns. Events are collected for the whole panel: from
the first that is known about any of its symbols a symbol without one has zero decay and zero counts; before
that nobody was listening and all are NaN.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.events import DECAY_HOURS, EVENT_TYPES, EventSeries
from marketsentry.core.market.records import FundingSeries
from marketsentry.exceptions import DataQualityError, InputError
from marketsentry.kernels.features.fields import CONTEXT_FIELDS

NS_PER_HOUR = 3_600_000_000_000
FUNDING_MAX_AGE_NS = 24 * NS_PER_HOUR
FUNDING_MEAN_NS = 72 * NS_PER_HOUR
EVENT_WINDOW_NS = 168 * NS_PER_HOUR
"""The longest span in which events are counted."""
IMBALANCE_MAX_AGE_NS = NS_PER_HOUR
ONCHAIN_MAX_AGE_NS = 168 * NS_PER_HOUR
ONCHAIN_SCALE = 1e6
_TIERS = (1, 2, 3)
_COUNTED = (
    *((f"event_count_{name}", hours, 0) for name, hours in (("1h", 1), ("24h", 24), ("7d", 168))),
    *((f"event_{kind}_24h", 24, 1 + code) for code, kind in enumerate(EVENT_TYPES)),
    *((f"event_tier{tier}_7d", 168, 1 + len(EVENT_TYPES) + n) for n, tier in enumerate(_TIERS)),
)
"""Fields that are ln(1 + events known within the last hours): name, hours, row of `_counts_before`."""
_COUNTED_KIND = np.array([kind for _, _, kind in _COUNTED])
_COUNTED_NS = np.array([hours for _, hours, _ in _COUNTED]) * NS_PER_HOUR
_EVENT_FIELDS = tuple(name for name in CONTEXT_FIELDS if name.startswith("event_"))
_EVENT_COLUMNS = np.array([CONTEXT_FIELDS.index(name) for name in _EVENT_FIELDS])


@dataclass(frozen=True, slots=True)
class KnownSeries:
    """Values of one symbol in the order in which they became known.

    `known_at_ns` (n,) int64 UTC epoch ns, not decreasing; `values` (n,) float64, finite. Of two values known
    at one instant the later in the array counts.
    """

    known_at_ns: NDArray[np.int64]
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.known_at_ns.ndim != 1 or self.values.shape != self.known_at_ns.shape:
            raise InputError(f"values must have shape ({self.known_at_ns.size},), was {self.values.shape}")
        if (np.diff(self.known_at_ns) < 0).any():
            raise DataQualityError("a series must be ordered by known_at")
        if not np.isfinite(self.values).all():
            raise DataQualityError("values of a series must be finite")


@dataclass(frozen=True, slots=True)
class ContextInputs:
    """Series by symbol of the panel; a symbol that is not there was not collected."""

    funding: Mapping[str, KnownSeries] = field(default_factory=dict)
    imbalance: Mapping[str, KnownSeries] = field(default_factory=dict)
    onchain: Mapping[str, KnownSeries] = field(default_factory=dict)
    events: Mapping[str, EventSeries] = field(default_factory=dict)


def known_funding(series: FundingSeries) -> KnownSeries:
    """Order funding rates by knowledge: a rate is known when it is charged."""
    return KnownSeries(series.ts_ns, series.rate)


def build_context(
    symbols: Sequence[str], known_at_ns: NDArray[np.int64], inputs: ContextInputs
) -> NDArray[np.float64]:
    """Join every input as of each bar's close.

    Parameters
    ----------
    symbols : sequence of str
        Symbols of the panel, in order.
    known_at_ns : ndarray of shape (T,), int64
        When each bar is known: its close, UTC epoch ns. One bar is an array of one.
    inputs : ContextInputs
        What became known when.

    Returns
    -------
    ndarray of shape (T, N, C)
        Columns in the order of ``CONTEXT_FIELDS``; NaN = missing. Row t reads only what has
        ``known_at <= known_at_ns[t]``.

    Raises
    ------
    DataQualityError
        If a series of events is not ordered by `known_at`.
    """
    context = np.full((known_at_ns.size, len(symbols), len(CONTEXT_FIELDS)), np.nan)
    collected = known_at_ns >= _collected_since_ns(symbols, inputs)
    is_heard = bool(collected.any())  # else what is not known stays missing: nobody was listening
    for n, symbol in enumerate(symbols):
        columns = dict(zip(CONTEXT_FIELDS, context[:, n].T, strict=True))
        if symbol in inputs.imbalance:
            columns["orderbook_imbalance"][:] = _newest(
                inputs.imbalance[symbol], known_at_ns, max_age_ns=IMBALANCE_MAX_AGE_NS
            )
        if symbol in inputs.onchain:
            flow = _newest(inputs.onchain[symbol], known_at_ns, max_age_ns=ONCHAIN_MAX_AGE_NS)
            columns["onchain_norm"][:] = np.tanh(flow / ONCHAIN_SCALE)
        if symbol in inputs.funding:
            _put_funding(columns, inputs.funding[symbol], known_at_ns)
        if symbol in inputs.events and (is_heard or inputs.events[symbol].known_at_ns.size):
            _put_events(columns, inputs.events[symbol], known_at_ns)
            if not collected.all():
                context[np.flatnonzero(~collected)[:, None], n, _EVENT_COLUMNS] = np.nan
    return context


def _collected_since_ns(symbols: Sequence[str], inputs: ContextInputs) -> int:
    """When the first event about any of the symbols was known: before that nobody was listening."""
    known = [inputs.events[symbol].known_at_ns for symbol in symbols if symbol in inputs.events]
    return min((int(times[0]) for times in known if times.size), default=np.iinfo(np.int64).max)


def _newest(series: KnownSeries, known_at_ns: NDArray[np.int64], *, max_age_ns: int) -> NDArray[np.float64]:
    row = np.searchsorted(series.known_at_ns, known_at_ns, side="right") - 1
    return _value_at(series, row, _age_ns(series.known_at_ns, row, known_at_ns) <= max_age_ns)


def _value_at(
    series: KnownSeries, row: NDArray[np.int64], is_known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    values = np.full(row.size, np.nan)
    use = is_known & (row >= 0)
    values[use] = series.values[row[use]]
    return values


def _age_ns(
    times_ns: NDArray[np.int64], row: NDArray[np.int64], known_at_ns: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Age of the value at `row`; of no value (row -1) the age is beyond every limit."""
    age = np.full(row.size, np.iinfo(np.int64).max, dtype=np.int64)
    use = row >= 0
    age[use] = known_at_ns[use] - times_ns[row[use]]
    return age


def _put_funding(
    columns: Mapping[str, NDArray[np.float64]], series: KnownSeries, known_at_ns: NDArray[np.int64]
) -> None:
    row = np.searchsorted(series.known_at_ns, known_at_ns, side="right") - 1
    age = _age_ns(series.known_at_ns, row, known_at_ns)
    fresh = age <= FUNDING_MAX_AGE_NS
    newest = _value_at(series, row, fresh)
    columns["funding_rate"][:] = newest
    columns["funding_change"][:] = newest - _value_at(series, row - 1, fresh)
    columns["funding_age_h"][fresh] = age[fresh] / NS_PER_HOUR
    first = np.searchsorted(series.known_at_ns, known_at_ns - FUNDING_MEAN_NS, side="right")
    count = row + 1 - first
    total = np.zeros(row.size)
    for k in range(
        int(count.max(initial=0))
    ):  # a handful of rates; summed from the oldest, whatever was loaded
        inside = k < count
        total[inside] += series.values[first[inside] + k]
    columns["funding_mean_3d"][fresh] = total[fresh] / count[fresh]


def _put_events(
    columns: Mapping[str, NDArray[np.float64]], events: EventSeries, known_at_ns: NDArray[np.int64]
) -> None:
    known = events.known_at_ns
    if known.size == 0:
        for name in _EVENT_FIELDS:
            columns[name][:] = 0.0
        return
    if (np.diff(known) < 0).any():
        raise DataQualityError(f"events of {events.symbol} must be ordered by known_at")
    stop = np.searchsorted(known, known_at_ns, side="right")
    newest_ns = np.maximum.accumulate(events.occurred_at_ns)
    age_h = np.full(stop.size, np.inf)
    use = stop > 0
    age_h[use] = (known_at_ns[use] - newest_ns[stop[use] - 1]) / NS_PER_HOUR
    columns["event_decay"][:] = np.exp(-age_h / DECAY_HOURS)
    first = np.searchsorted(known, known_at_ns - _COUNTED_NS[:, None], side="right")
    counts, kind = _counts_before(events), _COUNTED_KIND[:, None]
    logs = np.log1p((counts[kind, stop] - counts[kind, first]).astype(np.float64))
    for (name, _, _), log in zip(_COUNTED, logs, strict=True):
        columns[name][:] = log


def _counts_before(events: EventSeries) -> NDArray[np.int64]:
    """Count the events before each place (kinds, n + 1): all, of each type, of each tier."""
    counts = np.zeros((1 + len(EVENT_TYPES) + len(_TIERS), events.known_at_ns.size + 1), dtype=np.int64)
    counts[0, 1:] = 1
    counts[1 : 1 + len(EVENT_TYPES), 1:] = events.event_type == np.arange(len(EVENT_TYPES))[:, None]
    counts[1 + len(EVENT_TYPES) :, 1:] = events.source_tier == np.array(_TIERS)[:, None]
    return np.cumsum(counts, axis=1)
