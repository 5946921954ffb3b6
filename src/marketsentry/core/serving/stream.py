"""Features of a universe as `step` gives them, bar after bar: the live end of the one code path (design D1).

A stream starts at the first bar that the model's training panel had, so its state, and with it every bit of its
rows, is that of the training writer. It keeps the state, not the history: the next call steps over the new bars
alone. Bars that come late or are corrected must not be missed: the newest `OPEN_BARS` are stepped over on a copy of
the state each time, and bars of the last `checked_bars` are compared with what was read before. When one of those
changed, the stream does not follow and another one must be started. Whoever knows that none of them changed gives it
what is new alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.dataset import has_bar, mask_features
from marketsentry.core.features.context import ContextInputs, build_context
from marketsentry.core.features.feature_set import FeatureSet
from marketsentry.core.features.matrix import FeatureMatrix
from marketsentry.core.market.bars import CLOSE, FIELDS, VOLUME, BarPanel, BarSeries, BarState, align_panel
from marketsentry.core.market.interval import Interval
from marketsentry.exceptions import ConflictError, InputError

OPEN_BARS = 3
CHECKED_BARS = 512
BLOCK_BARS = 4_096


@dataclass(frozen=True, slots=True)
class LiveBar:
    """One bar of every symbol: open time, bars (N, 5), features (N, F), whole bars without loss up to it (N,)."""

    ts_ns: int
    bars: NDArray[np.float64]
    values: NDArray[np.float64]
    n_bars: NDArray[np.int64]


class FeatureStream:
    """Steps a feature set over the bars of a universe.

    Parameters
    ----------
    feature_set : FeatureSet
        The built-in set or a user's own.
    symbols : sequence of str
        The universe, in the order of the training panel.
    interval : Interval
        Bar length.
    train_span_ns : tuple of int
        Missing features are counted of bars that open in this span, stop exclusive, UTC epoch ns.
    checked_bars : int
        Newest bars, of those stepped over, that are compared with what is read again.
    block_bars : int
        Bars whose features are held at a time; it bounds the memory of the first call.
    """

    def __init__(
        self,
        feature_set: FeatureSet,
        symbols: Sequence[str],
        interval: Interval,
        *,
        train_span_ns: tuple[int, int],
        checked_bars: int = CHECKED_BARS,
        block_bars: int = BLOCK_BARS,
    ) -> None:
        self.symbols = tuple(symbols)
        self.interval = interval
        self.last_ts_ns: int | None = None
        self._feature_set = feature_set
        self._train_span_ns = train_span_ns
        self._checked_bars = checked_bars
        self._block_bars = block_bars
        self._state = feature_set.new_state(len(self.symbols))
        self._n_bars = np.zeros(len(self.symbols), dtype=np.int64)
        self._checked = np.empty((0, len(self.symbols), len(FIELDS)))
        self._n_missing = np.zeros(len(feature_set.schema.features), dtype=np.int64)
        self._n_rows = 0

    @property
    def has_started(self) -> bool:
        """Whether any bar was stepped over: not while there are no more than `OPEN_BARS`."""
        return self.last_ts_ns is not None

    @property
    def next_ts_ns(self) -> int:
        """Open time of the first bar that is not yet stepped over; the stream must have started."""
        assert self.last_ts_ns is not None
        return self.last_ts_ns + self.interval.ns

    @property
    def next_known_ns(self) -> int:
        """When that bar is known, UTC epoch ns."""
        return self.next_ts_ns + self.interval.ns

    @property
    def checked_from_ns(self) -> int | None:
        """Open time of the first bar that `advance` must be given; None for all of them."""
        if self.last_ts_ns is None:
            return None
        return self.next_ts_ns - len(self._checked) * self.interval.ns

    @property
    def can_follow(self) -> bool:
        """Whether `follow` may be called: the last bar that was stepped over is one that somebody has."""
        return self.has_started and not np.isnan(self._checked[-1, :, CLOSE]).all()

    @property
    def missing_frac(self) -> NDArray[np.float64]:
        """Share of the training rows that lacked each feature, (F,); NaN without rows."""
        with np.errstate(invalid="ignore"):
            return self._n_missing / np.float64(self._n_rows)

    def advance(
        self,
        series: Sequence[BarSeries],
        no_trade_ts_ns: Sequence[NDArray[np.int64]],
        inputs: ContextInputs,
    ) -> tuple[LiveBar, ...]:
        """Step over what is new.

        Parameters
        ----------
        series : sequence of BarSeries
            Bars of each symbol from `checked_from_ns` on, or from the start; a series may be empty.
        no_trade_ts_ns : sequence of int64 arrays
            Open times of each symbol's cells without a trade, of the same span.
        inputs : ContextInputs
            All that is known besides bars, from its beginning.

        Returns
        -------
        tuple of LiveBar
            The newest bars, at most `OPEN_BARS`, oldest first; empty when there is no bar.

        Raises
        ------
        ConflictError
            If a bar that was stepped over has changed: the stream is as it was, start another one.
        """
        if self.last_ts_ns is not None:
            series = [self._joined(n, one, no_trade_ts_ns[n]) for n, one in enumerate(series)]
        return self._step_over(series, no_trade_ts_ns, inputs)

    def follow(
        self,
        series: Sequence[BarSeries],
        no_trade_ts_ns: Sequence[NDArray[np.int64]],
        inputs: ContextInputs,
    ) -> tuple[LiveBar, ...]:
        """Step over what is new, where the caller knows that nothing up to `last_ts_ns` has changed.

        Parameters
        ----------
        series : sequence of BarSeries
            Bars of each symbol that open after `last_ts_ns`; a series may be empty.
        no_trade_ts_ns : sequence of int64 arrays
            Open times of each symbol's cells without a trade after it.
        inputs : ContextInputs
            What was known besides bars; all that the contexts of bars known at `next_known_ns` or later rest on.

        Returns
        -------
        tuple of LiveBar
            What `advance` would give.

        Raises
        ------
        InputError
            If the stream cannot follow.
        """
        if not self.can_follow:
            raise InputError("a stream follows from a bar that somebody has; there is none")
        series = [self._behind_last(n, one) for n, one in enumerate(series)]
        return self._step_over(series, no_trade_ts_ns, inputs)

    def _step_over(
        self,
        series: Sequence[BarSeries],
        no_trade_ts_ns: Sequence[NDArray[np.int64]],
        inputs: ContextInputs,
    ) -> tuple[LiveBar, ...]:
        panel = _whole_panel(series, no_trade_ts_ns)
        if panel is None:
            return ()
        first = 0 if self.last_ts_ns is None else int(np.searchsorted(panel.ts_ns, self.last_ts_ns, "right"))
        stop = max(first, panel.n_bars - OPEN_BARS)
        contexts = _Contexts(panel, inputs, max(first, panel.n_bars - self._block_bars))
        if panel.n_bars - first <= self._block_bars:
            return self._step_at_once(panel, contexts, first, stop)
        self._consume(panel, contexts, first, stop)
        return self._peek(panel, contexts, stop)

    def _step_at_once(
        self, panel: BarPanel, contexts: "_Contexts", first: int, stop: int
    ) -> tuple[LiveBar, ...]:
        """Do what `_consume` and `_peek` do where both fit into one block."""
        block, n_consumed = panel.window(first, panel.n_bars), stop - first
        values = self._values(self._state, block, contexts.of(first, panel.n_bars), copied_at=n_consumed)
        whole = has_bar(block)
        runs = _runs(whole, self._n_bars)
        if n_consumed > 0:
            self._count(block.ts_ns[:n_consumed], whole[:n_consumed], values[:n_consumed])
            self._n_bars = runs[n_consumed - 1]
            self._keep(panel, first, stop)
        times, open_values = block.ts_ns[n_consumed:].tolist(), values[n_consumed:].copy()
        rows = zip(times, block.values[n_consumed:], open_values, runs[n_consumed:], strict=True)
        return tuple(LiveBar(*row) for row in rows)

    def _behind_last(self, n: int, given: BarSeries) -> BarSeries:
        """Put the last bar that was stepped over before what is new: a quiet cell carries its close."""
        last = self._checked[-1, n]
        if np.isnan(last[CLOSE]):
            return given
        times = np.concatenate([[self.last_ts_ns], given.ts_ns])
        values = np.concatenate([last[None, :], given.values])
        return BarSeries(given.symbol, given.interval, given.source, times, values)

    def _joined(self, n: int, given: BarSeries, no_trade_ts_ns: NDArray[np.int64]) -> BarSeries:
        """Put what was stepped over before what is new, after a look whether it is still the same."""
        assert self.last_ts_ns is not None
        first_ns = self.last_ts_ns - (len(self._checked) - 1) * self.interval.ns
        times = first_ns + self.interval.ns * np.arange(len(self._checked), dtype=np.int64)
        before = self._checked[:, n]
        old = given.ts_ns <= self.last_ts_ns
        rows = (given.ts_ns[old] - first_ns) // self.interval.ns
        known = ~np.isnan(before[:, CLOSE])
        quiet = np.isin(times, no_trade_ts_ns)
        carried = known & (before[:, VOLUME] == 0) & (before[:, :VOLUME] == before[:, [CLOSE]]).all(axis=1)
        follows_known = np.concatenate([[False], known[:-1]])
        same = np.where(quiet, carried | (~known & ~follows_known), ~known)
        same[rows] = (given.values[old] == before[rows]).all(axis=1)
        if not same.all():
            raise ConflictError(f"a {self.interval} bar of {given.symbol} has changed since it was read")
        return BarSeries(
            given.symbol,
            given.interval,
            given.source,
            np.concatenate([times[known], given.ts_ns[~old]]),
            np.concatenate([before[known], given.values[~old]]),
        )

    def _consume(self, panel: BarPanel, contexts: "_Contexts", first: int, stop: int) -> None:
        if stop <= first:
            return
        for block, values in self._stepped(self._state, panel, contexts, first, stop):
            whole = has_bar(block)
            self._count(block.ts_ns, whole, values)
            self._n_bars = _runs(whole, self._n_bars)[-1]
        self._keep(panel, first, stop)

    def _count(self, ts_ns: NDArray[np.int64], whole: NDArray[np.bool_], values: NDArray[np.float64]) -> None:
        """Count what the training rows among these lacked."""
        start_ns, stop_ns = self._train_span_ns
        if not (ts_ns[0] < stop_ns and ts_ns[-1] >= start_ns):
            return
        counted = whole & ((ts_ns >= start_ns) & (ts_ns < stop_ns))[:, None]
        self._n_missing += np.isnan(values[counted]).sum(axis=0)
        self._n_rows += int(counted.sum())

    def _keep(self, panel: BarPanel, first: int, stop: int) -> None:
        """Remember the newest bars that were stepped over."""
        self.last_ts_ns = int(panel.ts_ns[stop - 1])
        new = panel.values[max(first, stop - self._checked_bars) : stop]
        n_old = self._checked_bars - len(new)
        self._checked = np.concatenate([self._checked[-n_old:] if n_old else self._checked[:0], new])

    def _peek(self, panel: BarPanel, contexts: "_Contexts", first: int) -> tuple[LiveBar, ...]:
        found: list[LiveBar] = []
        n_bars = self._n_bars
        for block, values in self._stepped(self._state.copy(), panel, contexts, first, panel.n_bars):
            runs = _runs(has_bar(block), n_bars)
            n_bars = runs[-1]
            times = block.ts_ns.tolist()
            found += [LiveBar(*row) for row in zip(times, block.values, values, runs, strict=True)]
        return tuple(found)

    def _stepped(
        self, state: NDArray[np.float64], panel: BarPanel, contexts: "_Contexts", first: int, stop: int
    ) -> Iterator[tuple[BarPanel, NDArray[np.float64]]]:
        """Step over the bars `first` to `stop`; yields blocks with their features, masked as a dataset masks them."""
        for start in range(first, stop, self._block_bars):
            block = panel.window(start, min(start + self._block_bars, stop))
            yield block, self._values(state, block, contexts.of(start, start + block.n_bars))

    def _values(
        self,
        state: NDArray[np.float64],
        block: BarPanel,
        context: NDArray[np.float64],
        *,
        copied_at: int | None = None,
    ) -> NDArray[np.float64]:
        """Give the features (T, N, F) of a block; from row `copied_at` on the state that is moved is a copy."""
        schema = self._feature_set.schema
        bars = np.require(block.values, requirements=["C", "W"])
        values = np.empty((block.n_bars, len(self.symbols), len(schema.features)))
        for t, ts_ns in enumerate(block.ts_ns.tolist()):
            if t == copied_at:
                state = state.copy()
            self._feature_set.step(state, bars[t], ts_ns, context[t], values[t])
        mask_features(FeatureMatrix(self.symbols, self.interval, block.ts_ns, values, schema), block)
        return values


class _Contexts:
    """Contexts of the rows of a panel; those from `tail` on are made once, for the call that steps over few bars."""

    def __init__(self, panel: BarPanel, inputs: ContextInputs, tail: int) -> None:
        self._panel, self._inputs, self._tail = panel, inputs, tail
        self._of_tail = self._build(tail, panel.n_bars)

    def of(self, start: int, stop: int) -> NDArray[np.float64]:
        """Rows `start` to `stop`."""
        if start >= self._tail:
            return self._of_tail[start - self._tail : stop - self._tail]
        return self._build(start, stop)

    def _build(self, start: int, stop: int) -> NDArray[np.float64]:
        return build_context(self._panel.symbols, self._panel.known_at_ns[start:stop], self._inputs)


def _runs(whole: NDArray[np.bool_], before: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count whole bars without loss up to each (T, N), going on from `before` (N,)."""
    row = np.arange(1, len(whole) + 1)[:, None]
    last_loss = np.maximum.accumulate(np.where(whole, 0, row), axis=0)
    return np.where(last_loss > 0, row - last_loss, row + before)


def _whole_panel(series: Sequence[BarSeries], no_trade_ts_ns: Sequence[NDArray[np.int64]]) -> BarPanel | None:
    """Align what has bars and leave the columns of the others empty; None when nobody has any."""
    there = [n for n, one in enumerate(series) if one.ts_ns.size]
    if not there:
        return None
    ends = [_with_quiet_end(series[n], no_trade_ts_ns[n]) for n in there]
    panel = align_panel(ends, no_trade_ts_ns=[no_trade_ts_ns[n] for n in there])
    if len(there) == len(series):
        return panel
    values = np.full((panel.n_bars, len(series), len(FIELDS)), np.nan)
    state = np.full((panel.n_bars, len(series)), BarState.UNLISTED, dtype=np.uint8)
    values[:, there], state[:, there] = panel.values, panel.state
    symbols, sources = tuple(one.symbol for one in series), tuple(one.source for one in series)
    return BarPanel(symbols, panel.interval, sources, panel.ts_ns, values, state)


def _with_quiet_end(series: BarSeries, no_trade_ts_ns: NDArray[np.int64]) -> BarSeries:
    """Carry the last close over the cells without a trade that follow it, as the next bar will make a panel do."""
    step, last = series.interval.ns, int(series.ts_ns[-1])
    quiet = set(no_trade_ts_ns[no_trade_ts_ns > last].tolist())
    n_quiet = 0
    while last + (n_quiet + 1) * step in quiet:
        n_quiet += 1
    if n_quiet == 0:
        return series
    close = series.values[-1, CLOSE]
    times = last + step * np.arange(1, n_quiet + 1, dtype=np.int64)
    bars = np.tile([close, close, close, close, 0.0], (n_quiet, 1))
    return BarSeries(
        series.symbol,
        series.interval,
        series.source,
        np.concatenate([series.ts_ns, times]),
        np.concatenate([series.values, bars]),
    )
