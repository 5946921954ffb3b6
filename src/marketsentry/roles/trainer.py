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
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
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
from marketsentry.models.lightgbm_panel import LightGBMPanel, import_lightgbm, largest_fit_bytes
from marketsentry.models.protocol import Model, TellsGain
from marketsentry.services.plugins import load_model

ROWS_PER_PREDICTION = 131_072
TRAIN_ERROR_BLOCKS, BLOCK_ROWS = 16, 1_024
REPORT_EVERY_S = 0.2
FORGET_EVERY_S = 0.01
MESSAGE_KEPT = 2_000

Floats = NDArray[np.float64]
Emit = Callable[[dict[str, Any]], None]


def main(folder: Path) -> int:
    """Fit the job in `folder`; the exit code is 0 when every span was written."""
    emit = _private_report_channel()
    _end_with_parent(folder).wait()
    try:
        job = read_job(folder)
        new_model = load_model(job.model.reference)
        if new_model is LightGBMPanel:
            with _hidden("pandas", "sklearn"):
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


@dataclass(frozen=True, slots=True)
class _Work:
    """What every fit of a job shares."""

    folder: Path
    job: ChildJob
    labelled: MappedMatrix
    unlabelled: MappedMatrix
    y: Floats
    new_model: Callable[..., Model]
    emit: Emit


def _fit_all(folder: Path, job: ChildJob, new_model: Callable[..., Model], emit: Emit) -> None:
    y = np.load(folder / "labelled_y.npy", mmap_mode=None, allow_pickle=False)
    y.flags.writeable = False
    labelled, unlabelled = (MappedMatrix(folder / f"{kind}_x.npy") for kind in ("labelled", "unlabelled"))
    at_once = _fits_at_once(job, new_model, labelled.rows.shape[1])
    work = _Work(folder, job, labelled, unlabelled, y, new_model, emit)
    with _pages_given_back(labelled):
        if at_once == 1:
            steps = _Steps(emit, len(job.spans))
            for index in range(len(job.spans)):
                _fit_span(work, index, steps, place=index)
        else:
            _fit_side_by_side(work, at_once)


def _fits_at_once(job: ChildJob, new_model: Callable[..., Model], n_features: int) -> int:
    """Two of our own model, where threads and memory suffice: growing a tree leaves threads waiting for one
    another, and another fit uses that time. A stranger's model may not bear company; rows of several ranges
    are copied.
    """
    copies = any(len(span.train) > 1 for span in job.spans)
    if new_model is not LightGBMPanel or copies or min(job.n_threads, len(job.spans)) < 2:
        return 1
    n_rows = max(_n_rows(span) for span in job.spans)
    two_fits = private_bytes() + 2 * largest_fit_bytes(n_rows, n_features)
    return 2 if two_fits <= job.memory_limit_bytes else 1


def _n_rows(span: RowSpan) -> int:
    return sum(stop - start for start, stop in span.train)


def _fit_side_by_side(work: _Work, at_once: int) -> None:
    """Fit the longest spans first, so that no thread is left alone with one at the end."""
    spans = work.job.spans
    order = sorted(range(len(spans)), key=lambda k: -_n_rows(spans[k]))
    steps = _Steps(work.emit, len(spans))
    with ThreadPoolExecutor(at_once, thread_name_prefix="fit") as pool:
        fits = [pool.submit(_fit_span, work, index, steps, place=place) for place, index in enumerate(order)]
        try:
            for done in as_completed(fits):
                done.result()
        except BaseException:
            steps.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fit_span(work: _Work, index: int, steps: "_Steps", *, place: int) -> None:
    span, labelled, y, seed = work.job.spans[index], work.labelled, work.y, work.job.seed
    model = work.new_model(**work.job.model.params)
    if place == 0:
        work.emit({"event": "model", "name": model.name})
    X_train, y_train = _training_rows(labelled.rows, y, span, complete_only=not model.accepts_missing)
    report = steps.of(place, y_train.size)
    started = time.perf_counter()
    model.fit(X_train, y_train, seed=seed, n_threads=work.job.n_threads, on_progress=report)
    fitted = time.perf_counter()
    facts = {"n_train_rows": int(y_train.size), "train_mse": _train_mse(model, X_train, y_train)}
    del X_train, y_train
    predictions = [
        _predict(model, matrix.rows[slice(*where)])
        for matrix, where in ((labelled, span.test_labelled), (work.unlabelled, span.test_unlabelled))
    ]
    times = {"fit_s": fitted - started, "predict_s": time.perf_counter() - fitted}
    rows = slice(*span.test_labelled)
    permutation = _permutation(model, labelled.rows[rows], y[rows], seed) if span.permutes else None
    arrays = SpanArrays(predictions[0], predictions[1], permutation, _gain(model))
    write_span(work.folder, index, model.dump(), arrays)
    steps.end(place)
    work.emit({"event": "span", "span": index, **facts, **times})


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
    """Give the pages of a matrix back many times a second: a model that goes through it once, to bin it or to sum it,
    then holds what it made of it and not the matrix as well. A page needed again is mapped again. The sample that
    LightGBM places its bins by touches every page within a tenth of a second.
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


class _Steps:
    """The steps of a job's fits, by their place in the order of their beginnings: passes on a few reports a second.

    Of fits that run side by side the one that began first is told, so that what is told never goes back.
    """

    def __init__(self, emit: Emit, n_spans: int) -> None:
        self._emit = emit
        self._n_spans = n_spans
        self._running = set(range(n_spans))
        self._next_s = 0.0
        self._stopped = False

    def of(self, place: int, n_train_rows: int) -> Callable[[int, int], None]:
        """Give the `on_progress` of one fit."""
        facts = {"event": "step", "span": place, "n_spans": self._n_spans, "n_train_rows": n_train_rows}

        def report(done: int, total: int) -> None:
            if self._stopped:
                raise _StoppedError
            now_s = time.monotonic()
            if place == min(self._running) and (now_s >= self._next_s or done == total):
                self._next_s = now_s + REPORT_EVERY_S
                self._emit({**facts, "step": done, "n_steps": total})

        return report

    def end(self, place: int) -> None:
        """Leave the word to the next."""
        self._running.discard(place)

    def stop(self) -> None:
        """Make every fit end at its next step."""
        self._stopped = True


class _StoppedError(Exception):
    """A fit beside this one failed."""


def _private_report_channel() -> Emit:
    """Keep standard output for reports alone: everybody else's file descriptor 1 becomes standard error."""
    channel, one_at_a_time = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1), threading.Lock()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def emit(event: dict[str, Any]) -> None:
        with one_at_a_time:
            channel.write(json.dumps(event) + "\n")

    return emit


def _end_with_parent(folder: Path) -> threading.Event:
    """End at once, leaving no files, when the parent dies: it holds the other end of standard input.

    The event is set by the first that comes from there: then the job is written.
    """
    written = threading.Event()

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                written.set()
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()
    return written


@contextlib.contextmanager
def _hidden(*modules: str) -> Iterator[None]:
    """Let an import go without what it would only look for: LightGBM does without data frames, and is there sooner
    and in 30 MiB less. What is imported already stays.
    """
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: no such module
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


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
