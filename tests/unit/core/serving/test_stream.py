"""The live end of the features: row for row and bit for bit what the training writer makes of the same bars."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.core.dataset import has_bar, mask_features
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.features.context import ContextInputs, KnownSeries
from marketsentry.core.features.matrix import compute_features
from marketsentry.core.market.bars import BarSeries, align_panel
from marketsentry.core.serving.stream import FeatureStream, LiveBar
from marketsentry.exceptions import ConflictError
from small_market import HOUR, START_NS, random_series
from training_inputs import SOUND

N_BARS = 160
ALWAYS = (0, 2**62)


class Feed:
    """Series of two symbols with holes and quiet cells, and what of them a stream asks for."""

    def __init__(self, seed: int, n_bars: int = N_BARS) -> None:
        rng = np.random.default_rng(seed)
        self.series, self.quiet = [], []
        for n, symbol in enumerate(("A", "B")):
            whole = random_series(symbol, seed=seed + n, n_bars=n_bars, start_ns=START_NS + 7 * n * HOUR.ns)
            gone = rng.random(n_bars) < 0.04
            gone[0] = False
            self.series.append(BarSeries(symbol, HOUR, "synthetic", whole.ts_ns[~gone], whole.values[~gone]))
            self.quiet.append(whole.ts_ns[gone & (rng.random(n_bars) < 0.5)])
        times = START_NS + HOUR.ns * np.arange(0, n_bars, 8, dtype=np.int64)
        self.inputs = ContextInputs(funding={"A": KnownSeries(times, rng.normal(size=times.size) * 1e-4)})

    def until(self, stop_ns: int, start_ns: int | None = None) -> tuple[list[BarSeries], list[np.ndarray]]:
        first = START_NS if start_ns is None else start_ns

        def inside(times: np.ndarray) -> np.ndarray:
            return (times >= first) & (times < stop_ns)

        bars = [
            BarSeries(
                one.symbol, HOUR, one.source, one.ts_ns[inside(one.ts_ns)], one.values[inside(one.ts_ns)]
            )
            for one in self.series
        ]
        return bars, [times[inside(times)] for times in self.quiet]

    def advance(self, stream: FeatureStream, stop_ns: int) -> tuple[LiveBar, ...]:
        return stream.advance(*self.until(stop_ns, stream.checked_from_ns), self.inputs)


def trained(feed: Feed, feature_set=BUILTIN):
    """What the builder of datasets writes, over everything."""
    panel = align_panel(feed.series, no_trade_ts_ns=feed.quiet)
    features = compute_features(feature_set, panel, feed.inputs)
    mask_features(features, panel)
    return panel, features


def new_stream(feature_set=BUILTIN, **sizes: int) -> FeatureStream:
    return FeatureStream(feature_set, ("A", "B"), HOUR, train_span_ns=ALWAYS, **sizes)


@pytest.mark.parametrize("feature_set", [BUILTIN, SOUND], ids=["builtin", "own"])
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), steps=st.lists(st.integers(0, 9), min_size=3, max_size=25))
def test_every_row_is_that_of_training(feature_set, seed: int, steps: list[int]) -> None:
    """K-55: the difference is 0, and nothing that comes later moves a row."""
    feed = Feed(seed)
    panel, features = trained(feed, feature_set)
    whole = has_bar(panel)
    stream, stop_ns = new_stream(feature_set), START_NS + 30 * HOUR.ns
    for step in steps:
        stop_ns += step * HOUR.ns
        for bar in feed.advance(stream, stop_ns):
            t = int((bar.ts_ns - panel.ts_ns[0]) // HOUR.ns)
            served = ~np.isnan(bar.bars).any(axis=1)
            np.testing.assert_array_equal(served, whole[t] & served)
            # the last row may lack a symbol whose quiet end is not yet known; what is there is the same, bit for bit
            if (served == whole[t]).all():
                np.testing.assert_array_equal(bar.values.view(np.int64), features.values[t].view(np.int64))
                runs = [_run(whole[: t + 1, n]) for n in range(2)]
                assert bar.n_bars.tolist() == runs


def _run(whole: np.ndarray) -> int:
    gaps = np.flatnonzero(~whole)
    return int(whole.size - 1 - gaps[-1]) if gaps.size else int(whole.size)


def test_missing_features_are_counted_of_training_rows_alone() -> None:
    feed = Feed(1)
    panel, features = trained(feed)
    stop = 100
    span = (int(panel.ts_ns[0]), int(panel.ts_ns[stop]))
    stream = FeatureStream(BUILTIN, ("A", "B"), HOUR, train_span_ns=span)
    assert np.isnan(stream.missing_frac).all()
    feed.advance(stream, START_NS + N_BARS * HOUR.ns)
    rows = features.values[:stop][has_bar(panel)[:stop]]
    np.testing.assert_array_equal(stream.missing_frac, np.isnan(rows).mean(axis=0))


def test_a_bar_that_comes_late_is_not_missed() -> None:
    feed = Feed(2)
    _, features = trained(feed)
    stream = new_stream()
    stop_ns = int(feed.series[0].ts_ns[-1]) + HOUR.ns
    late = feed.series[1]
    feed.series[1] = replace(late, ts_ns=late.ts_ns[:-2], values=late.values[:-2])
    feed.advance(stream, stop_ns)
    feed.series[1] = late
    bars = feed.advance(stream, stop_ns)
    np.testing.assert_array_equal(bars[-1].values[0], features.values[-1 - 7, 0])


@pytest.mark.parametrize("change", ["corrected", "filled", "gone"])
def test_a_bar_that_changed_is_told(change: str) -> None:
    feed = Feed(3)
    stream = new_stream()
    stop_ns = START_NS + (N_BARS - 10) * HOUR.ns
    feed.advance(stream, stop_ns)
    one = feed.series[0]
    if change == "corrected":
        values = one.values.copy()
        values[50, 4] += 1.0
        feed.series[0] = replace(one, values=values)
    elif change == "gone":
        keep = np.arange(one.ts_ns.size) != 50
        feed.series[0] = replace(one, ts_ns=one.ts_ns[keep], values=one.values[keep])
    else:
        full = random_series("A", seed=3, n_bars=N_BARS)
        feed.series[0] = full
    with pytest.raises(ConflictError, match="bar of A has changed"):
        feed.advance(stream, stop_ns)
    fresh = new_stream()
    feed.quiet[0] = np.setdiff1d(feed.quiet[0], feed.series[0].ts_ns)
    panel, features = trained(feed)
    bars = feed.advance(fresh, stop_ns)
    t = int((bars[-1].ts_ns - panel.ts_ns[0]) // HOUR.ns)
    np.testing.assert_array_equal(bars[-1].values[0], features.values[t, 0])


def test_it_goes_on_beyond_what_it_checks() -> None:
    feed = Feed(4)
    feed.quiet = [np.empty(0, np.int64)] * 2
    panel, features = trained(feed)
    stream = new_stream(checked_bars=16, block_bars=7)
    for hour in range(40, N_BARS, 5):
        for bar in feed.advance(stream, START_NS + hour * HOUR.ns):
            t = int((bar.ts_ns - panel.ts_ns[0]) // HOUR.ns)
            np.testing.assert_array_equal(bar.values, features.values[t])
        assert stream.checked_from_ns is not None


def test_nothing_gives_nothing() -> None:
    feed = Feed(5)
    assert feed.advance(new_stream(), START_NS) == ()


def test_a_symbol_without_a_bar_leaves_its_columns_empty() -> None:
    feed = Feed(6)
    bars = feed.advance(new_stream(), START_NS + 5 * HOUR.ns)
    assert np.isnan(bars[-1].values[1]).all()
    assert not np.isnan(bars[-1].values[0]).all()
