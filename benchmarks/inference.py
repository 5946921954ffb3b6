"""The rows `infer-tree` and `infer-tree-batch`: the served trees, one row and a thousand rows, called from Python.

The peer is LightGBM's `predict` on one thread with the same model and rows, in turns within one run; its single-row
call of the C library is told in the notes. Predictions are compared bit for bit before anything is timed.
"""

import ctypes
import os
import time
from collections.abc import Callable
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Row, median, percentile, spread
from marketsentry.models.lightgbm_panel import MODEL_FILE, LightGBMPanel

N_TREES, N_LEAVES, N_FEATURES = 200, 31, 60
BUDGET_P50_US, BUDGET_P99_US, BUDGET_ROWS = 20.0, 60.0, 180_000.0
BATCH_ROWS = 1_000
ROUNDS, CALLS = 7, 2_000

Floats = NDArray[np.float64]


def bench_infer_tree() -> list[dict[str, Any]]:
    """Time one row: median and 99th percentile, and the same through LightGBM."""
    model, booster, X = _trained()
    alone = [np.ascontiguousarray(X[i : i + 1]) for i in range(CALLS)]
    one = _single_row_of(booster, alone[0])
    assert one(alone[0]) == booster.predict(alone[0])[0]
    medians, tails, peers, fast = [], [], [], []
    for _ in range(ROUNDS):
        ours = _latencies_us(model.predict, alone)
        medians.append(median(ours))
        tails.append(percentile(ours, 0.99))
        peers.append(median(_latencies_us(lambda row: booster.predict(row, num_threads=1), alone[:200])))
        fast.append(median(_latencies_us(one, alone)))
    notes = (
        f"{N_TREES} trees x {N_LEAVES} leaves, {N_FEATURES} features, equal to LightGBM bit for bit; its "
        + (f"single-row C call {median(fast):.1f} us; load of the machine {os.getloadavg()[0]:.1f}")
    )
    rows = (
        Row("infer-tree", median(medians), "us", BUDGET_P50_US, None, median(peers), n=ROUNDS * CALLS,
            spread=spread(medians), notes=f"p50; {notes}"),
        Row("infer-tree-p99", median(tails), "us", BUDGET_P99_US, n=ROUNDS * CALLS, spread=spread(tails)),
    )  # fmt: skip
    return [row.as_dict() for row in rows]


def bench_infer_tree_batch() -> list[dict[str, Any]]:
    """Time a thousand rows on one thread."""
    model, booster, X = _trained()
    rows = np.ascontiguousarray(X[:BATCH_ROWS])
    ours, peers = [], []
    for _ in range(ROUNDS):
        ours.append(
            BATCH_ROWS / 1e-6 / median(_latencies_us(model.predict, [rows] * 20, time.thread_time_ns))
        )
        peer = _latencies_us(
            lambda batch: booster.predict(batch, num_threads=1), [rows] * 5, time.thread_time_ns
        )
        peers.append(BATCH_ROWS / 1e-6 / median(peer))
    row = Row(
        "infer-tree-batch",
        median(ours),
        "rows/s",
        BUDGET_ROWS,
        None,
        median(peers),
        better="higher",
        n=ROUNDS,
        spread=spread(ours),
        notes=f"one thread each; equal to LightGBM bit for bit; load of the machine {os.getloadavg()[0]:.1f}",
    )
    return [row.as_dict()]


def _trained() -> tuple[LightGBMPanel, lgb.Booster, Floats]:
    """A model of the size of the budget, LightGBM's own copy of it, and rows with a twentieth missing."""
    rng = np.random.default_rng(20260107)
    X = rng.normal(size=(20_000, N_FEATURES))
    y = 0.1 * X[:, :10].sum(axis=1) + np.where(X[:, 11] > 0, X[:, 12], X[:, 13]) + rng.normal(size=len(X))
    X[rng.random(X.shape) < 0.05] = np.nan
    model = LightGBMPanel(
        n_trees=N_TREES, n_leaves=N_LEAVES, min_leaf_frac=0.0, row_frac=1.0, learning_rate=0.05
    )
    model.fit(X, y, seed=0, n_threads=1, on_progress=lambda done, total: None)
    booster = lgb.Booster(model_str=model.dump()[MODEL_FILE].decode())
    assert model.predict(X).tobytes() == np.asarray(booster.predict(X)).tobytes()
    return model, booster, X


def _single_row_of(booster: lgb.Booster, row: Floats) -> Callable[[Floats], float]:
    """LightGBM's prepared call for one row, as its C interface offers it."""
    library: Any = getattr(lgb.basic, "_LIB")  # noqa: B009  (private: the Python package does not wrap the call)
    handle = booster._handle
    config, n_out, out = ctypes.c_void_p(), ctypes.c_int64(), np.empty(1)
    prepared = library.LGBM_BoosterPredictForMatSingleRowFastInit(
        handle, ctypes.c_int(0), ctypes.c_int(0), ctypes.c_int(-1), ctypes.c_int(1), ctypes.c_int32(row.size),
        ctypes.c_char_p(b"num_threads=1"), ctypes.byref(config),
    )  # fmt: skip
    assert prepared == 0
    to = out.ctypes.data_as(ctypes.POINTER(ctypes.c_double))

    def predict(row: Floats) -> float:
        done = library.LGBM_BoosterPredictForMatSingleRowFast(
            config, ctypes.c_void_p(row.ctypes.data), ctypes.byref(n_out), to
        )
        assert done == 0
        return float(out[0])

    return predict


def _latencies_us(
    call: Callable[[Floats], object],
    inputs: list[Floats],
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> list[float]:
    call(inputs[0])
    samples = []
    for given in inputs:
        started = clock_ns()
        call(given)
        samples.append((clock_ns() - started) / 1e3)
    return samples
