"""What a model version is on disk: a few files of data, named by their content.

    manifest.json              how it was made: hashes, schema, parameters, versions, metrics of the folds
    <file>                     what the served model dumped, e.g. model.txt; it was judged on the last block
    fold-<k>.<file>            the model of each walk-forward fold
    predictions.npy            (T, N) float64 out-of-sample predictions, NaN where none was made
    predictions_ts_ns.npy      (T,) int64 open times of their bars
    predictions_fold.npy       (T,) int16 which fold predicted the bar, -1 for none, n_folds: last block

Nothing in it depends on the clock, so the same inputs give the same hash.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.interval import Interval, parse_interval
from marketsentry.exceptions import ConflictError, InputError

MANIFEST = "manifest.json"
NO_FOLD = -1
_PREDICTIONS = ("predictions.npy", "predictions_ts_ns.npy", "predictions_fold.npy")


@dataclass(frozen=True, slots=True)
class StoredPredictions:
    """Out-of-sample predictions of a model version.

    `values` (T, N) expected gross forward return, NaN = none; `ts_ns` (T,) bar open times; `fold` (T,)
    number of the fold that predicted the bar, `NO_FOLD` between folds, `n_folds` for the untouched last
    block.
    """

    symbols: tuple[str, ...]
    interval: Interval
    horizon: str
    ts_ns: NDArray[np.int64]
    fold: NDArray[np.int16]
    values: NDArray[np.float64]
    n_folds: int

    def rows_of_folds(self) -> slice:
        """Give the bars from the first to the last walk-forward fold."""
        return _hull((self.fold >= 0) & (self.fold < self.n_folds))

    def rows_of_final(self) -> slice:
        """Give the bars of the untouched last block."""
        return _hull(self.fold == self.n_folds)


def pack_artifact(
    manifest: Mapping[str, Any],
    *,
    served: Mapping[str, bytes],
    folds: Sequence[Mapping[str, bytes]],
    predictions: StoredPredictions,
) -> dict[str, bytes]:
    """Lay out the files of a model version.

    Parameters
    ----------
    manifest
        JSON values without times of day; holds at least `symbols`, `interval`, `horizon` and `n_folds`.
    served
        Files of the model that serves.
    folds
        Files of the model of each fold.
    predictions
        Predictions of all test spans.

    Returns
    -------
    dict of str to bytes

    Raises
    ------
    InputError
        If the model dumped a file under a name that the layout needs.
    """
    taken = [name for name in served if name in (MANIFEST, *_PREDICTIONS) or name.startswith("fold-")]
    if taken:
        raise InputError(f"a model must not dump a file named {taken[0]}: the artifact needs that name")
    files = dict(served)
    for k, fold in enumerate(folds):
        files |= {f"fold-{k}.{name}": content for name, content in fold.items()}
    arrays: tuple[NDArray[Any], ...] = (predictions.values, predictions.ts_ns, predictions.fold)
    files |= {name: _npy(array) for name, array in zip(_PREDICTIONS, arrays, strict=True)}
    text = json.dumps(manifest, sort_keys=True, indent=2, allow_nan=False)
    return files | {MANIFEST: text.encode()}


def read_manifest(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Read the manifest of an artifact; raises `ConflictError` when it has none."""
    if MANIFEST not in files:
        raise ConflictError(
            f"a model artifact must hold {MANIFEST}, held {', '.join(sorted(files)) or 'nothing'}"
        )
    manifest: dict[str, Any] = json.loads(files[MANIFEST])
    return manifest


def served_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Pick the files of the model that serves, as `Model.parse` wants them."""
    return {
        name: content
        for name, content in files.items()
        if name not in (MANIFEST, *_PREDICTIONS) and not name.startswith("fold-")
    }


def fold_files(files: Mapping[str, bytes], fold: int) -> dict[str, bytes]:
    """Pick the files of the model of one fold."""
    prefix = f"fold-{fold}."
    return {name.removeprefix(prefix): content for name, content in files.items() if name.startswith(prefix)}


def read_predictions(files: Mapping[str, bytes]) -> StoredPredictions:
    """Read the stored out-of-sample predictions of an artifact."""
    manifest = read_manifest(files)
    missing = [name for name in _PREDICTIONS if name not in files]
    if missing:
        raise ConflictError(f"a model artifact must hold {missing[0]}, held {', '.join(sorted(files))}")
    values, ts_ns, fold = (np.load(io.BytesIO(files[name]), allow_pickle=False) for name in _PREDICTIONS)
    return StoredPredictions(
        symbols=tuple(manifest["symbols"]),
        interval=parse_interval(manifest["interval"]),
        horizon=manifest["horizon"],
        ts_ns=ts_ns,
        fold=fold,
        values=values,
        n_folds=int(manifest["n_folds"]),
    )


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _hull(where: NDArray[np.bool_]) -> slice:
    rows = np.flatnonzero(where)
    return slice(int(rows[0]), int(rows[-1]) + 1) if rows.size else slice(0, 0)
