"""The training process: `python -m marketsentry.roles.trainer FOLDER` fits the job that lies in a folder.

It runs apart so that its memory can be capped, so that a crash of a model takes nothing else with it, and
so that user code sees neither the settings nor the database. It reports JSON lines on what was its standard
output; whatever a model prints goes to standard error. When its standard input closes the parent is gone,
and it ends too.
"""

import contextlib
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.adapters.process_memory import (
    MIB,
    cap_private_memory,
    lift_memory_cap,
    peak_resident_bytes,
    private_bytes,
)
from marketsentry.adapters.trainer_files import (
    ChildJob,
    MappedMatrix,
    RowSpan,
    SpanArrays,
    read_job,
    write_span,
)
from marketsentry.core.evidence.importance import permutation_losses
from marketsentry.exceptions import InputError, MarketSentryError
from marketsentry.models.lightgbm_panel import LightGBMPanel, import_lightgbm
from marketsentry.models.protocol import Model, TellsGain
from marketsentry.services.plugins import load_model

ROWS_PER_PREDICTION = 131_072
TRAIN_ERROR_BLOCKS, BLOCK_ROWS = 16, 1_024
REPORT_EVERY_S = 0.2
FORGET_EVERY_S = 0.1
MESSAGE_KEPT = 2_000

Floats = NDArray[np.float64]
Emit = Callable[[dict[str, Any]], None]


def main(folder: Path) -> int:
    """Fit the job in `folder`; the exit code is 0 when every span was written."""
    emit = _private_report_channel()
    _end_with_parent(folder)
    try:
        job = read_job(folder)
        new_model = load_model(job.model.reference)
        if new_model is LightGBMPanel:
            import_lightgbm()  # before the cap, so that a limit below what it takes is told as such
        _cap_memory(job.memory_limit_bytes)
        _fit_all(folder, job, new_model, emit)
    except MarketSentryError as error:
        emit({"event": "failed", "kind": "input", "message": str(error)[:MESSAGE_KEPT]})
    except MemoryError as error:
        _report_out_of_memory(emit, error)
    except Exception as error:  # outermost edge of a process that runs a stranger's code
        if "bad_alloc" in str(error):
            _report_out_of_memory(emit, error)
        else:
            emit(
                {
                    "event": "failed",
                    "kind": "model",
                    "message": f"{type(error).__name__}: {error}"[:MESSAGE_KEPT],
                }
            )
            raise
    else:
        emit({"event": "done", "peak_bytes": peak_resident_bytes()})
        return 0
    return 1


def _fit_all(folder: Path, job: ChildJob, new_model: Callable[..., Model], emit: Emit) -> None:
    labelled = MappedMatrix(folder / "labelled_x.npy")
    unlabelled = MappedMatrix(folder / "unlabelled_x.npy")
    y = np.load(folder / "labelled_y.npy", mmap_mode=None, allow_pickle=False)
    y.flags.writeable = False
    for index, span in enumerate(job.spans):
        model = new_model(**job.model.params)
        if index == 0:
            emit({"event": "model", "name": model.name})
        X_train, y_train = _training_rows(labelled.rows, y, span, complete_only=not model.accepts_missing)
        report = _StepReporter(emit, index, len(job.spans), y_train.size)
        started = time.perf_counter()
        with _pages_given_back(labelled):
            model.fit(X_train, y_train, seed=job.seed, n_threads=job.n_threads, on_progress=report)
            fitted = time.perf_counter()
            facts = {"n_train_rows": int(y_train.size), "train_mse": _train_mse(model, X_train, y_train)}
            del X_train, y_train
            predictions = [
                _predict(model, matrix.rows[slice(*where)])
                for matrix, where in ((labelled, span.test_labelled), (unlabelled, span.test_unlabelled))
            ]
        times = {"fit_s": fitted - started, "predict_s": time.perf_counter() - fitted}
        rows = slice(*span.test_labelled)
        permutation = _permutation(model, labelled.rows[rows], y[rows], job.seed) if span.permutes else None
        arrays = SpanArrays(predictions[0], predictions[1], permutation, _gain(model))
        write_span(folder, index, model.dump(), arrays)
        emit({"event": "span", "span": index, **facts, **times})


def _training_rows(X: Floats, y: Floats, span: RowSpan, *, complete_only: bool) -> tuple[Floats, Floats]:
    """Give the rows of the training ranges: a view for one range, else a copy."""
    if len(span.train) == 1:
        where = slice(*span.train[0])
        X_train, y_train = X[where], y[where]
    else:
        X_train = np.concatenate([X[start:stop] for start, stop in span.train])
        y_train = np.concatenate([y[start:stop] for start, stop in span.train])
    if complete_only:
        complete = ~np.isnan(X_train).any(axis=1)
        X_train, y_train = X_train[complete], y_train[complete]
        if y_train.size == 0:
            raise InputError(
                f"a model with accepts_missing = False needs rows without NaN, all {complete.size} had one"
            )
    for array in (X_train, y_train):
        array.flags.writeable = False
    return X_train, y_train


def _train_mse(model: Model, X: Floats, y: Floats) -> float:
    """Give the mean squared error on some training rows: blocks spread evenly over all of them."""
    starts = np.unique(np.linspace(0, max(y.size - BLOCK_ROWS, 0), TRAIN_ERROR_BLOCKS).astype(np.int64))
    errors = [_predict(model, X[s : s + BLOCK_ROWS]) - y[s : s + BLOCK_ROWS] for s in starts]
    return float(np.mean(np.concatenate(errors) ** 2))


def _permutation(model: Model, X: Floats, y: Floats, seed: int) -> Floats:
    """See what shuffling each feature costs on test rows; the seed is that of the fit."""
    return permutation_losses(lambda rows: _predict(model, rows), X, y, rng=np.random.default_rng(seed))


def _gain(model: Model) -> Floats | None:
    return model.feature_gain() if isinstance(model, TellsGain) else None


def _predict(model: Model, X: Floats) -> Floats:
    """Predict block by block; a row that the model does not accept stays NaN."""
    out = np.full(X.shape[0], np.nan)
    for start in range(0, X.shape[0], ROWS_PER_PREDICTION):
        block = X[start : start + ROWS_PER_PREDICTION]
        known: NDArray[np.bool_] = np.ones(block.shape[0], dtype=np.bool_)
        if not model.accepts_missing:
            known = np.logical_not(np.isnan(block).any(axis=1))
            block = block[known]
        predicted = np.asarray(model.predict(block))
        if predicted.shape != (block.shape[0],):
            raise InputError(f"{model.name} must predict shape ({block.shape[0]},), was {predicted.shape}")
        if not np.isfinite(predicted).all():
            n_bad = int(np.count_nonzero(~np.isfinite(predicted)))
            raise InputError(
                f"{model.name} must predict finite numbers, {n_bad} of {predicted.size} were not"
            )
        out[start : start + known.size][known] = predicted
    return out


@contextlib.contextmanager
def _pages_given_back(matrix: MappedMatrix) -> Iterator[None]:
    """Give the pages of a matrix back several times a second: a model that goes through it once, to bin it or
    to sum it, then holds what it made of it and not the matrix as well. A page needed again is read again.
    """
    ended = threading.Event()

    def give_back() -> None:
        while not ended.wait(FORGET_EVERY_S):
            matrix.forget_pages()

    keeper = threading.Thread(target=give_back, name="give-pages-back", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ended.set()
        keeper.join()
        matrix.forget_pages()


class _StepReporter:
    """The `on_progress` handed to a model: passes on a few reports a second."""

    def __init__(self, emit: Emit, span: int, n_spans: int, n_train_rows: int) -> None:
        self._emit = emit
        self._facts = {"event": "step", "span": span, "n_spans": n_spans, "n_train_rows": n_train_rows}
        self._next_s = 0.0

    def __call__(self, done: int, total: int) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_s or done == total:
            self._next_s = now_s + REPORT_EVERY_S
            self._emit({**self._facts, "step": done, "n_steps": total})


def _private_report_channel() -> Emit:
    """Keep standard output for reports alone: everybody else's file descriptor 1 becomes standard error."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def emit(event: dict[str, Any]) -> None:
        channel.write(json.dumps(event) + "\n")

    return emit


def _end_with_parent(folder: Path) -> None:
    """End at once, leaving no files, when the parent dies: it holds the other end of standard input."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def _cap_memory(limit_bytes: int) -> None:
    used = private_bytes()
    if used >= limit_bytes:
        raise InputError(
            f"memory limit must exceed the {used // MIB} MiB that the empty training process takes, "
            f"was {limit_bytes // MIB} MiB"
        )
    cap_private_memory(limit_bytes)


def _report_out_of_memory(emit: Emit, error: BaseException) -> None:
    used = private_bytes()
    lift_memory_cap()
    emit(
        {
            "event": "failed",
            "kind": "memory",
            "message": str(error)[:MESSAGE_KEPT] or "allocation failed",
            "used_bytes": used,
        }
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
