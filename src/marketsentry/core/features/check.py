"""The proof that a feature set is sound: the same in batch and bar by bar, blind to the future, masked in
warm-up.

What is shown, on the data given:

- determinism: the same bars give the same bits;
- batch equals streaming: the batch that training reads and the step that trading runs agree bit for bit;
- no look-ahead: at several cuts the features of a panel that ends there, and of one whose future is another,
equal
  those of the real panel; a difference is a leak and is named;
- warm-up: nothing before its own lookback since the last lost bar, nothing on a lost bar, no infinities;
- bounds: the compiled code writes nowhere outside its arrays.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.features.bounds import stays_within_bounds
from marketsentry.core.features.changed_future import change_bars, change_inputs
from marketsentry.core.features.context import ContextInputs, build_context
from marketsentry.core.features.feature_set import FeatureSet
from marketsentry.core.market.bars import CLOSE, HIGH, LOW, OPEN, VOLUME, BarPanel
from marketsentry.exceptions import InputError
from marketsentry.kernels.features.fields import CONTEXT_FIELDS

Floats = NDArray[np.float64]
Progress = Callable[[str, float], None]

_FUTURE_BARS = 400
_CONTEXT_SAMPLES = 64
_CHUNK_BARS = 2_048
_BOUNDS_BARS = 256


@dataclass(frozen=True, slots=True)
class Leak:
    """A feature whose value at a bar depends on what came later; the first bar where that shows."""

    feature: str
    symbol: str
    bar_ts_ns: int
    value_with_future: float
    value_without_future: float


@dataclass(frozen=True, slots=True)
class StreamMismatch:
    """The first bar where batch and step disagree on a feature."""

    feature: str
    symbol: str
    bar_ts_ns: int
    batch_value: float
    step_value: float


@dataclass(frozen=True, slots=True)
class WarmupViolation:
    """A value that must have been missing: fewer bars than its lookback since the last loss, or infinite."""

    feature: str
    symbol: str
    bar_ts_ns: int
    value: float
    bars_since_loss: int
    lookback_bars: int


@dataclass(frozen=True, slots=True)
class FeatureCheck:
    """What was checked and what was found; `passed` is the verdict.

    `max_batch_stream_diff` is the largest absolute difference where both have a value; cells where only one
    has are counted in `n_mask_mismatches`. `cut_ts_ns` are the first bars of the changed futures.
    """

    features: int
    symbols: int
    bars: int
    cut_ts_ns: tuple[int, ...]
    is_deterministic: bool
    is_within_bounds: bool
    max_batch_stream_diff: float
    n_mask_mismatches: int
    stream_mismatches: tuple[StreamMismatch, ...]
    leaks: tuple[Leak, ...]
    warmup_violations: tuple[WarmupViolation, ...]
    always_missing: tuple[str, ...]

    @property
    def passed(self) -> bool:
        found = self.stream_mismatches or self.leaks or self.warmup_violations or self.n_mask_mismatches
        return bool(
            self.is_deterministic
            and self.is_within_bounds
            and self.max_batch_stream_diff == 0.0
            and not found
            and self.bars > 0
        )


def check_features(
    feature_set: FeatureSet,
    panel: BarPanel,
    inputs: ContextInputs,
    *,
    rng: np.random.Generator,
    n_cuts: int = 3,
    on_progress: Progress | None = None,
) -> FeatureCheck:
    """Try every promise of a feature set on a panel.

    Parameters
    ----------
    feature_set : FeatureSet
        The built-in set or a user's own.
    panel : BarPanel
        Bars; the longest warm-up and some hundred bars more say something, fewer than 10 are refused.
    inputs : ContextInputs
        Funding, events and the like.
    rng : Generator
        Chooses the cuts and invents the other futures.
    n_cuts : int
        How many cuts, at least 1; they fall into the last three quarters of the panel.
    on_progress : callable, optional
        Called with the step and the done share 0..1.

    Returns
    -------
    FeatureCheck
        One leak, mismatch and violation a feature at most: the earliest.

    Raises
    ------
    InputError
        If the panel is too short, `n_cuts` is below 1, or the batch writes rows of a wrong shape.
    """
    if panel.n_bars < 10:
        raise InputError(f"a feature check needs at least 10 bars, had {panel.n_bars}")
    if n_cuts < 1:
        raise InputError(f"n_cuts must be >= 1, was {n_cuts}")
    report = on_progress or (lambda _step, _share: None)
    run = _Run(feature_set, panel, inputs)
    first = slice(0, _BOUNDS_BARS)
    if not stays_within_bounds(feature_set, run.bars[first], panel.ts_ns[first], run.context[first]):
        return _out_of_bounds(run)
    report("batch", 0.0)
    values = run.batch(panel, run.context)
    start = min(panel.n_bars, _CHUNK_BARS)
    again = run.batch(panel.window(0, start), run.context[:start])
    is_deterministic = _equal(again, run.batch(panel.window(0, start), run.context[:start]))
    streamed = _compare_with_stream(run, values, report)
    cuts = tuple(sorted(int(c) for c in rng.integers(panel.n_bars // 4 + 1, panel.n_bars, n_cuts)))
    leaks: dict[str, Leak] = {}
    for done, cut in enumerate(cuts):
        report("cuts", done / len(cuts))
        for leak in (*_context_leaks(run, cut, rng), *_leaks_at(run, values, cut, rng)):
            if leak.feature not in leaks or leak.bar_ts_ns < leaks[leak.feature].bar_ts_ns:
                leaks[leak.feature] = leak
    report("warm-up", 0.9)
    has_value = [bool(np.isfinite(values[:, :, k]).any()) for k in range(len(run.names))]
    return FeatureCheck(
        features=len(run.names),
        symbols=len(panel.symbols),
        bars=panel.n_bars,
        cut_ts_ns=tuple(int(panel.ts_ns[cut]) for cut in cuts),
        is_deterministic=is_deterministic,
        is_within_bounds=True,
        max_batch_stream_diff=streamed.max_diff,
        n_mask_mismatches=streamed.n_mask_mismatches,
        stream_mismatches=tuple(streamed.first.values()),
        leaks=tuple(leaks.values()),
        warmup_violations=tuple(_warmup_violations(feature_set, panel, values)),
        always_missing=tuple(name for name, found in zip(run.names, has_value, strict=True) if not found),
    )


def _out_of_bounds(run: "_Run") -> FeatureCheck:
    """Say only that: what else such code would show is chance, and running it on may end the program."""
    return FeatureCheck(
        features=len(run.names),
        symbols=len(run.panel.symbols),
        bars=run.panel.n_bars,
        cut_ts_ns=(),
        is_deterministic=True,
        is_within_bounds=False,
        max_batch_stream_diff=0.0,
        n_mask_mismatches=0,
        stream_mismatches=(),
        leaks=(),
        warmup_violations=(),
        always_missing=(),
    )


class _Run:
    """A feature set on one panel."""

    def __init__(self, feature_set: FeatureSet, panel: BarPanel, inputs: ContextInputs) -> None:
        self.feature_set = feature_set
        self.panel = panel
        self.inputs = inputs
        self.names = feature_set.schema.names
        self.context = build_context(panel.symbols, panel.known_at_ns, inputs)
        self.bars = np.ascontiguousarray(panel.values)

    def batch(self, panel: BarPanel, context: Floats) -> Floats:
        out = np.full((panel.n_bars, len(panel.symbols), len(self.names)), np.nan)
        state = self.feature_set.new_state(len(panel.symbols))
        bars = np.ascontiguousarray(panel.values)
        self.feature_set.batch(state, bars, panel.ts_ns, np.ascontiguousarray(context), out)
        return out


@dataclass(slots=True)
class _Streamed:
    max_diff: float
    n_mask_mismatches: int
    first: dict[str, StreamMismatch]


def _equal(a: Floats, b: Floats) -> bool:
    return bool(np.array_equal(a, b, equal_nan=True))


def _compare_with_stream(run: _Run, values: Floats, report: Progress) -> _Streamed:
    panel, n_symbols, n_features = run.panel, len(run.panel.symbols), len(run.names)
    state = run.feature_set.new_state(n_symbols)
    result = _Streamed(0.0, 0, {})
    for first in range(0, panel.n_bars, _CHUNK_BARS):
        report("stream", first / panel.n_bars)
        stop = min(first + _CHUNK_BARS, panel.n_bars)
        rows = np.empty((stop - first, n_symbols, n_features))
        for t in range(first, stop):
            run.feature_set.step(state, run.bars[t], int(panel.ts_ns[t]), run.context[t], rows[t - first])
        _note_mismatches(run, result, values[first:stop], rows, first)
    return result


def _note_mismatches(run: _Run, result: _Streamed, batch: Floats, stream: Floats, first: int) -> None:
    has_batch, has_stream = ~np.isnan(batch), ~np.isnan(stream)
    result.n_mask_mismatches += int(np.count_nonzero(has_batch != has_stream))
    differs = (has_batch != has_stream) | (has_batch & has_stream & (batch != stream))
    if not differs.any():
        return
    both = differs & has_batch & has_stream
    if both.any():
        result.max_diff = max(result.max_diff, float(np.abs(batch[both] - stream[both]).max()))
    for k in np.flatnonzero(differs.any(axis=(0, 1))):
        name = run.names[k]
        if name not in result.first:
            t, n = (int(i[0]) for i in np.nonzero(differs[:, :, k]))
            bar_ts_ns = int(run.panel.ts_ns[first + t])
            result.first[name] = StreamMismatch(
                name, run.panel.symbols[n], bar_ts_ns, float(batch[t, n, k]), float(stream[t, n, k])
            )


def _leaks_at(run: _Run, values: Floats, cut: int, rng: np.random.Generator) -> list[Leak]:
    """Compare the real panel, and one with another future, with the panel that ends at the cut."""
    panel = run.panel
    ended = run.batch(panel.window(0, cut), run.context[:cut])
    leaks = _differences(run.names, panel, values[:cut], ended)
    changed = change_bars(panel, cut, _FUTURE_BARS, rng=rng)
    invented = rng.normal(0.0, 1.0, (_FUTURE_BARS, *run.context.shape[1:]))
    other = run.batch(changed, np.concatenate([run.context[:cut], invented]))
    return leaks + _differences(run.names, panel, other[:cut], ended)


def _differences(
    names: tuple[str, ...], panel: BarPanel, with_future: Floats, without_future: Floats
) -> list[Leak]:
    leaks: dict[str, Leak] = {}
    for first in range(
        0, with_future.shape[0], _CHUNK_BARS
    ):  # in chunks: a long panel fills the memory as it is
        seen, blind = (values[first : first + _CHUNK_BARS] for values in (with_future, without_future))
        moved = (seen != blind) & ~(np.isnan(seen) & np.isnan(blind))
        for k in np.flatnonzero(moved.any(axis=(0, 1))):
            t, n = (int(i[0]) for i in np.nonzero(moved[:, :, k]))
            found = (float(seen[t, n, k]), float(blind[t, n, k]))
            leaks.setdefault(names[k], Leak(names[k], panel.symbols[n], int(panel.ts_ns[first + t]), *found))
    return list(leaks.values())


def _context_leaks(run: _Run, cut: int, rng: np.random.Generator) -> list[Leak]:
    """Change all that became known after the last bar before the cut; and join some bars one at a time."""
    panel = run.panel
    known_at_ns = panel.known_at_ns[:cut]
    changed = change_inputs(run.inputs, int(known_at_ns[-1]), rng=rng)
    other = build_context(panel.symbols, known_at_ns, changed)
    leaks = _differences(CONTEXT_FIELDS, panel, other, run.context[:cut])
    rows = np.unique(rng.integers(0, cut, min(cut, _CONTEXT_SAMPLES)))
    single = np.concatenate([build_context(panel.symbols, known_at_ns[t : t + 1], run.inputs) for t in rows])
    sampled = BarPanel(
        panel.symbols, panel.interval, panel.sources, panel.ts_ns[rows], panel.values[rows], panel.state[rows]
    )
    return leaks + _differences(CONTEXT_FIELDS, sampled, run.context[rows], single)


def bars_since_loss(values: Floats) -> NDArray[np.int64]:
    """Count whole bars before each bar since the last lost one, shape (T, N); -1 on a lost bar."""
    low, high, volume = values[:, :, LOW], values[:, :, HIGH], values[:, :, VOLUME]
    whole = (low > 0) & (high < np.inf) & (volume >= 0) & (volume < np.inf)
    for price in (values[:, :, OPEN], values[:, :, CLOSE]):
        whole &= (low <= price) & (price <= high)
    row = np.arange(values.shape[0], dtype=np.int64)[:, None]
    last_lost = np.maximum.accumulate(np.where(whole, -1, row), axis=0)
    return row - last_lost - 1


def _warmup_violations(feature_set: FeatureSet, panel: BarPanel, values: Floats) -> list[WarmupViolation]:
    since = bars_since_loss(panel.values)
    violations = []
    for k, feature in enumerate(feature_set.schema.features):
        column = values[:, :, k]
        bad = (~np.isnan(column) & (since < feature.lookback_bars)) | np.isinf(column)
        if bad.any():
            t, n = (int(i[0]) for i in np.nonzero(bad))
            violations.append(
                WarmupViolation(
                    feature.name,
                    panel.symbols[n],
                    int(panel.ts_ns[t]),
                    float(column[t, n]),
                    int(since[t, n]),
                    feature.lookback_bars,
                )
            )
    return violations
