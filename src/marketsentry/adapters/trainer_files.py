"""The files through which a training and its child process exchange arrays: plain `.npy`, JSON, model files.

job.json                   model, seed, threads, spans as ranges of rows
labelled_x.npy  labelled_y.npy  unlabelled_x.npy      one row per symbol and bar, oldest first
span-<k>/model/<file>      what the model dumped
span-<k>/labelled.npy, unlabelled.npy                 predictions of the rows in the test range
span-<k>/permutation.npy, gain.npy                    one number per feature, each only where there is one
"""

import json
import mmap
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.training.rows import Rows, RowSet, select_rows
from marketsentry.ports.training import FitJob, ModelSpec

Floats = NDArray[np.float64]
ROWS_PER_BLOCK = 65_536


@dataclass(frozen=True, slots=True)
class RowSpan:
    """A span in rows: training ranges and test range of labelled rows, test range of unlabelled ones."""

    train: tuple[tuple[int, int], ...]
    test_labelled: tuple[int, int]
    test_unlabelled: tuple[int, int]
    permutes: bool


@dataclass(frozen=True, slots=True)
class SpanArrays:
    """Arrays that one span gave: predictions of labelled and unlabelled test rows; per feature (F,), or None."""

    labelled: Floats
    unlabelled: Floats
    permutation: Floats | None
    gain: Floats | None


@dataclass(frozen=True, slots=True)
class ChildJob:
    """What the child reads from `job.json`."""

    model: ModelSpec
    spans: tuple[RowSpan, ...]
    seed: int
    n_threads: int
    memory_limit_bytes: int


class MappedMatrix:
    """A float64 `.npy` matrix (n, F) in C order, mapped read-only: its pages come from the file as they are touched."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            flat = np.frombuffer(self._map, dtype=dtype, offset=file.tell(), count=shape[0] * shape[1])
        self.rows: Floats = flat.reshape(shape)

    def forget_pages(self) -> None:
        """Give back the memory of the pages touched so far; they are read again when they are needed again."""
        self._map.madvise(mmap.MADV_DONTNEED)


def write_job(folder: Path, job: FitJob) -> RowSet:
    """Write a job's arrays and `job.json`; block by block, so that the matrix is not copied here."""
    rows = select_rows(job.labels, job.present)
    _write_rows(folder / "labelled_x.npy", job.features, rows.labelled)
    _write_rows(folder / "unlabelled_x.npy", job.features, rows.unlabelled)
    np.save(folder / "labelled_y.npy", job.labels[rows.labelled.bar, rows.labelled.symbol])
    spans = tuple(
        RowSpan(
            tuple(_pair(rows.labelled.span(bars)) for bars in span.train),
            _pair(rows.labelled.span(span.test)),
            _pair(rows.unlabelled.span(span.test)),
            span.permutes,
        )
        for span in job.spans
    )
    child = ChildJob(job.model, spans, job.seed, job.n_threads, job.memory_limit_bytes)
    (folder / "job.json").write_text(json.dumps(asdict(child)))
    return rows


def read_job(folder: Path) -> ChildJob:
    """Read what `write_job` wrote."""
    plain: dict[str, Any] = json.loads((folder / "job.json").read_text())
    spans = tuple(
        RowSpan(
            tuple((start, stop) for start, stop in span["train"]),
            (span["test_labelled"][0], span["test_labelled"][1]),
            (span["test_unlabelled"][0], span["test_unlabelled"][1]),
            span["permutes"],
        )
        for span in plain["spans"]
    )
    model = ModelSpec(plain["model"]["reference"], plain["model"]["params"])
    return ChildJob(model, spans, plain["seed"], plain["n_threads"], plain["memory_limit_bytes"])


def write_span(folder: Path, index: int, files: Mapping[str, bytes], arrays: SpanArrays) -> None:
    """Write what one span gave."""
    model = folder / f"span-{index}" / "model"
    model.mkdir(parents=True)
    for name, content in files.items():
        (model / name).write_bytes(content)
    for field in fields(arrays):
        array = getattr(arrays, field.name)
        if array is not None:
            np.save(model.parent / f"{field.name}.npy", array)


def read_span(
    folder: Path, index: int, job: FitJob, rows: RowSet
) -> tuple[dict[str, bytes], SpanArrays, Floats]:
    """Read what one span gave: model files, arrays, and predictions laid out as (length of test, N)."""
    span = folder / f"span-{index}"
    arrays = SpanArrays(**{field.name: _array(span / f"{field.name}.npy") for field in fields(SpanArrays)})
    test = job.spans[index].test
    laid_out = np.full((test.stop - test.start, job.labels.shape[1]), np.nan)
    for values, kind in ((arrays.labelled, rows.labelled), (arrays.unlabelled, rows.unlabelled)):
        where = kind.span(test)
        laid_out[kind.bar[where] - test.start, kind.symbol[where]] = values
    files = {path.name: path.read_bytes() for path in sorted((span / "model").iterdir())}
    return files, arrays, laid_out


def _array(path: Path) -> Any:  # Floats where the file is there, else None
    return np.load(path, allow_pickle=False) if path.exists() else None


def _write_rows(path: Path, features: Floats, rows: Rows) -> None:
    header = {"descr": "<f8", "fortran_order": False, "shape": (rows.n_rows, features.shape[2])}
    cells, place = features.reshape(-1, features.shape[2]), rows.bar * features.shape[1] + rows.symbol
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, rows.n_rows, ROWS_PER_BLOCK):
            block = place[start : start + ROWS_PER_BLOCK]
            has_gap = block[-1] - block[0] >= block.size
            chosen = cells[block] if has_gap else cells[block[0] : block[-1] + 1]
            file.write(np.ascontiguousarray(chosen, dtype="<f8").data)


def _pair(span: slice) -> tuple[int, int]:
    return span.start, span.stop
