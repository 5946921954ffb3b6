"""The port behind which models are fitted: somewhere else, within bounds, watched."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

ParamValue = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which model to fit: a built-in name, an entry point or a path to a file; its keyword arguments."""

    reference: str
    params: Mapping[str, ParamValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FitSpan:
    """Ranges of bars: fit on the labelled rows of `train`, predict every row of `test`.

    `permutes` asks what shuffling each feature among rows of `test` costs.
    """

    train: tuple[slice, ...]
    test: slice
    permutes: bool = False


@dataclass(frozen=True, slots=True)
class FitJob:
    """All that a training needs.

    `features` (T, N, F), NaN = missing; `labels` (T, N) gross forward return, NaN = not known; `present`
    (T, N) whether the bar exists. `memory_limit_bytes` bounds the private memory of the fitting process.
    """

    model: ModelSpec
    features: NDArray[np.float64]
    labels: NDArray[np.float64]
    present: NDArray[np.bool_]
    spans: tuple[FitSpan, ...]
    seed: int
    n_threads: int
    memory_limit_bytes: int


@dataclass(frozen=True, slots=True)
class FitProgress:
    """Where a training stands: `step` of `n_steps` (trees, blocks) done in `span` (from 0) of `n_spans`.

    Spans count in the order in which they are fitted; of those fitted side by side the first is told.
    """

    span: int
    n_spans: int
    step: int
    n_steps: int
    n_train_rows: int


@dataclass(frozen=True, slots=True)
class SpanFit:
    """One fitted span: the model's files, and its predictions (length of `test`, N), NaN where no row was.

    `train_mse` is the mean squared error on an even sample of the rows it was fitted on. `permutation` (F,) is the IC
    lost by shuffling a feature, None where it was not asked for; `gain` (F,) the loss each feature saved in the fit,
    None where the model does not tell.
    """

    files: Mapping[str, bytes]
    predictions: NDArray[np.float64]
    n_train_rows: int
    train_mse: float
    fit_s: float
    predict_s: float
    permutation: NDArray[np.float64] | None = None
    gain: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True)
class FitResult:
    """What came of a job.

    `wall_s` is from writing its files to reading what came back; fits may overlap, and their seconds add up to more.
    `model_name` as the model calls itself. `child_peak_bytes` is the largest resident size of the fitting
    process; `peak_memory_bytes` that of it and this process together, or of this process before. Both count
    the touched pages of mapped files.
    """

    model_name: str
    spans: tuple[SpanFit, ...]
    wall_s: float
    child_peak_bytes: int
    peak_memory_bytes: int


class Trainer(Protocol):
    """Fits models. Either all spans come back or an error does."""

    async def fit_spans(self, job: FitJob, *, on_progress: Callable[[FitProgress], None]) -> FitResult:
        """Fit every span of a job.

        Parameters
        ----------
        job
            What to fit.
        on_progress
            Called now and then, from the event loop.

        Returns
        -------
        FitResult
            Spans in the order of the job.

        Raises
        ------
        InputError
            If the memory limit does not suffice, or the model refuses its data, is no model or breaks a
            promise (shape, finite predictions).
        DependencyError
            If the fitting process died.
        """
        ...
