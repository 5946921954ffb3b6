"""What is kept of a finished run: arrays as plain `.npy`, one JSON document, and the hash that names it all.

    run.json           configuration, metrics, symbols, sources, and the hash of every part
    ts_ns.npy          (T,) int64 bar open times              equity.npy     (T,) float64 quote currency
    weights.npy        (T, N) float64 held weights            fills.npy      structured, `core.backtest.tape`
    predictions.npy    (T, N) float64 out-of-sample scores    trades.npy     structured, `core.backtest.tape`
    funding.npy        (T, N) float64 rates of funding, for perpetuals only
    policy.py.txt    source of the user's policy, if one decided; a text to read, which nothing executes

Nothing in it depends on the clock: the same inputs give the same bytes.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.replay import ReplayResult
from marketsentry.core.lineage import hash_array, hash_bytes, hash_params, hash_parts
from marketsentry.exceptions import ConflictError

RUN_JSON = "run.json"
FUNDING_NPY = "funding.npy"
ARRAYS = ("ts_ns", "equity", "weights", "predictions", "fills", "trades")


@dataclass(frozen=True, slots=True)
class RunFiles:
    """A stored run, read back. `document` is `run.json`; arrays as the module says."""

    document: Mapping[str, Any]
    ts_ns: NDArray[np.int64]
    equity: NDArray[np.float64]
    weights: NDArray[np.float64]
    predictions: NDArray[np.float64]
    fills: NDArray[np.void]
    trades: NDArray[np.void]
    funding: NDArray[np.float64] | None = None


def output_parts(
    result: ReplayResult, predictions: NDArray[np.float64], metrics: Mapping[str, Any]
) -> dict[str, str]:
    """Hash what a run gave, part by part."""
    return {
        "predictions": hash_array(predictions),
        "equity": hash_array(result.equity),
        "weights": hash_array(result.weights),
        "fills": hash_bytes(result.fills.tobytes()),
        "trades": hash_bytes(result.trades.tobytes()),
        "metrics": hash_params(metrics),
    }


def run_hash(parts: Mapping[str, str]) -> str:
    """Name a run by what went in and what came out."""
    return hash_parts("run", parts)


def pack_run(
    document: Mapping[str, Any], result: ReplayResult, predictions: NDArray[np.float64]
) -> dict[str, bytes]:
    """Lay out the files of a run; `document` holds JSON values without NaN."""
    arrays: dict[str, NDArray[Any]] = {
        "ts_ns": result.ts_ns,
        "equity": result.equity,
        "weights": result.weights,
        "predictions": predictions,
        "fills": result.fills,
        "trades": result.trades,
    }
    if result.funding is not None:
        arrays["funding"] = result.funding
    text = json.dumps(document, sort_keys=True, indent=2, allow_nan=False)
    return {f"{name}.npy": _npy(array) for name, array in arrays.items()} | {RUN_JSON: text.encode()}


def read_run(files: Mapping[str, bytes]) -> RunFiles:
    """Read the files of a run.

    Parameters
    ----------
    files
        Content by file name, as an artifact holds them.

    Returns
    -------
    RunFiles

    Raises
    ------
    ConflictError
        If a file is missing.
    """
    missing = [name for name in (RUN_JSON, *(f"{name}.npy" for name in ARRAYS)) if name not in files]
    if missing:
        raise ConflictError(
            f"a stored run must hold {missing[0]}, held {', '.join(sorted(files)) or 'nothing'}"
        )
    arrays = {name: np.load(io.BytesIO(files[f"{name}.npy"]), allow_pickle=False) for name in ARRAYS}
    if FUNDING_NPY in files:
        arrays["funding"] = np.load(io.BytesIO(files[FUNDING_NPY]), allow_pickle=False)
    return RunFiles(document=json.loads(files[RUN_JSON]), **arrays)


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()
