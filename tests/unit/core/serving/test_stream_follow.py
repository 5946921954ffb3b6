"""Where nothing old has changed a stream is given the new bars alone, and gives what it gives on the checked window."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.core.features.context import (
    EVENT_WINDOW_NS,
    FUNDING_MEAN_NS,
    ContextInputs,
    KnownSeries,
    build_context,
)
from marketsentry.core.market.events import EVENT_TYPES, EventSeries
from marketsentry.core.serving.stream import FeatureStream
from marketsentry.exceptions import InputError
from small_market import HOUR, START_NS
from unit.core.serving.test_stream import Feed, new_stream

DAY_NS = 24 * HOUR.ns


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), steps=st.lists(st.integers(0, 9), min_size=3, max_size=25))
def test_new_bars_alone_give_what_the_checked_window_gives(seed: int, steps: list[int]) -> None:
    feed = Feed(seed)
    checked, following = new_stream(checked_bars=24), new_stream(checked_bars=24)
    stop_ns = START_NS + 20 * HOUR.ns
    for step in steps:
        stop_ns += step * HOUR.ns
        expected = feed.advance(checked, stop_ns)
        found = followed(feed, following, stop_ns)
        assert [bar.ts_ns for bar in found] == [bar.ts_ns for bar in expected]
        for one, other in zip(found, expected, strict=True):
            for name in ("bars", "values", "n_bars"):
                assert getattr(one, name).tobytes() == getattr(other, name).tobytes()
        assert following.missing_frac.tobytes() == checked.missing_frac.tobytes()


def followed(feed: Feed, stream: FeatureStream, stop_ns: int):
    if not stream.can_follow:
        return feed.advance(stream, stop_ns)
    return stream.follow(*feed.until(stop_ns, stream.next_ts_ns), bounded(feed.inputs, stream.next_known_ns))


def test_a_stream_that_has_not_started_follows_nothing() -> None:
    feed = Feed(1)
    with pytest.raises(InputError, match="follows from a bar that somebody has"):
        new_stream().follow(*feed.until(START_NS + HOUR.ns), feed.inputs)


def bounded(inputs: ContextInputs, since_ns: int) -> ContextInputs:
    """What the store reads: the windows, the rate before the mean's, the older event that occurred last."""
    return ContextInputs(
        funding={name: _rates_since(one, since_ns - FUNDING_MEAN_NS) for name, one in inputs.funding.items()},
        events={name: _events_since(one, since_ns - EVENT_WINDOW_NS) for name, one in inputs.events.items()},
    )


def _rates_since(rates: KnownSeries, start_ns: int) -> KnownSeries:
    first = max(0, int(np.searchsorted(rates.known_at_ns, start_ns, "right")) - 1)
    return KnownSeries(rates.known_at_ns[first:], rates.values[first:])


def _events_since(events: EventSeries, start_ns: int) -> EventSeries:
    older = np.flatnonzero(events.known_at_ns < start_ns)
    newest = older[np.argmax(events.occurred_at_ns[older])][None] if older.size else older
    return _chosen(events, np.concatenate([newest, np.flatnonzero(events.known_at_ns >= start_ns)]))


def _chosen(events: EventSeries, rows: np.ndarray) -> EventSeries:
    arrays = (
        "occurred_at_ns",
        "known_at_ns",
        "event_type",
        "source_tier",
        "importance",
        "confidence",
        "novelty",
    )
    return EventSeries(events.symbol, *(getattr(events, name)[rows] for name in arrays))


def random_events(rng: np.random.Generator, symbol: str, n: int) -> EventSeries:
    known = np.sort(START_NS + rng.integers(0, 40 * DAY_NS, n))
    share = rng.random(n)
    late = (rng.exponential(DAY_NS, n) * (rng.random(n) < 0.7)).astype(np.int64)
    kinds = rng.integers(0, len(EVENT_TYPES), n).astype(np.int8)
    return EventSeries(
        symbol, known - late, known, kinds, rng.integers(1, 6, n).astype(np.int8), share, share, share
    )


@settings(deadline=None)
@given(
    seed=st.integers(0, 10_000),
    counts=st.tuples(st.integers(0, 40), st.integers(0, 4)),
    since_days=st.floats(0, 45),
)
def test_contexts_rest_on_no_more_than_is_read(seed: int, counts: tuple[int, int], since_days: float) -> None:
    rng = np.random.default_rng(seed)
    symbols = ("A", "B")
    times = np.sort(START_NS + rng.integers(0, 40 * DAY_NS, 30))
    inputs = ContextInputs(
        funding={"A": KnownSeries(times, rng.normal(size=30))},
        events={symbol: random_events(rng, symbol, n) for symbol, n in zip(symbols, counts, strict=True)},
    )
    since_ns = START_NS + int(since_days * DAY_NS)
    closes = since_ns + HOUR.ns * np.arange(6, dtype=np.int64)
    whole = build_context(symbols, closes, inputs)
    assert build_context(symbols, closes, bounded(inputs, since_ns)).tobytes() == whole.tobytes()
