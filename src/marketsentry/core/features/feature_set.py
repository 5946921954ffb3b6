"""The seam for features: a schema, a compiled step, and the batch that loops it.

The built-in set and a user's own go through this same door. A user writes a step for one symbol;
`per_symbol_feature_set` loops it over symbols and bars, starts it again after a lost bar and masks its
warm-up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.features.schema import FeatureSchema
from marketsentry.exceptions import InputError
from marketsentry.kernels.features.per_symbol import make_per_symbol

Floats = NDArray[np.float64]
StepFunction = Callable[[Floats, Floats, int, Floats, Floats], None]
BatchFunction = Callable[[Floats, Floats, NDArray[np.int64], Floats, Floats], None]


class FeatureSet(Protocol):
    """Features of every symbol at every bar; NaN in `out` is missing, a fresh `state` is all zero."""

    @property
    def schema(self) -> FeatureSchema:
        """Columns of `out`, in order."""

    def new_state(self, n_symbols: int, /) -> Floats:
        """Return the fresh state, shape (N, S)."""

    def step(self, state: Floats, bar: Floats, ts_ns: int, context: Floats, out: Floats, /) -> None:
        """Advance one bar: bar (N, 5), open time, context (N, C) known at its close, out (N, F)."""

    def batch(
        self, state: Floats, bars: Floats, ts_ns: NDArray[np.int64], context: Floats, out: Floats, /
    ) -> None:
        """Advance over bars (T, N, 5), ts_ns (T,), context (T, N, C) into out (T, N, F)."""


@dataclass(frozen=True, slots=True)
class CompiledFeatureSet:
    """A feature set made of compiled functions over the whole panel row."""

    schema: FeatureSchema
    state_size: int
    step: StepFunction
    batch: BatchFunction

    def new_state(self, n_symbols: int, /) -> Floats:
        """Return the fresh state, shape (N, S)."""
        return np.zeros((n_symbols, self.state_size))


def per_symbol_feature_set(
    schema: FeatureSchema,
    step: StepFunction,
    *,
    state_size: int,
    batch: Callable[[Floats, NDArray[np.int64], Floats, Floats], None] | None = None,
) -> CompiledFeatureSet:
    """Make a feature set of a step for one symbol.

    Parameters
    ----------
    schema : FeatureSchema
        One entry per column that `step` writes.
    step : numba function
        ``step(state (S,), bar (5,), ts_ns, context (C,), out (F,))`` for one symbol and one bar without a
        hole; `state` is all zero at the first bar and after every lost bar.
    state_size : int
        Numbers of state that `step` needs, at least 0.
    batch : callable, optional
        ``batch(bars (T, N, 5), ts_ns (T,), context (T, N, C), out (T, N, F))``, a vectorised version for
        research. It is what training reads, so the feature check compares it with `step`.

    Returns
    -------
    CompiledFeatureSet
        Its rows of lost bars are NaN, and so is every value before its own warm-up.

    Raises
    ------
    InputError
        If `step` is not compiled with numba or `state_size` is negative.
    """
    if state_size < 0:
        raise InputError(f"state_size must be >= 0, was {state_size}")
    if not hasattr(step, "py_func"):
        raise InputError("step must be compiled: decorate it with numba.njit")
    warmup = np.array([feature.lookback_bars for feature in schema.features], dtype=np.int64)
    panel_step, panel_batch = make_per_symbol(step, warmup)
    return CompiledFeatureSet(
        schema, state_size + 1, panel_step, panel_batch if batch is None else _without_state(batch)
    )


def _without_state(batch: Callable[[Floats, NDArray[np.int64], Floats, Floats], None]) -> BatchFunction:
    def run(state: Floats, bars: Floats, ts_ns: NDArray[np.int64], context: Floats, out: Floats) -> None:
        batch(bars, ts_ns, context, out)

    return run
