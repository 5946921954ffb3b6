"""Training a panel end to end with its evidence, beside LightGBM's own fits of the same matrices."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # for both sides; LightGBM reads it when it is loaded

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rows import Row, median, spread
from marketsentry.bootstrap import System, open_system
from marketsentry.core.dataset import Dataset, has_bar, make_labels, mask_features
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.features.context import ContextInputs
from marketsentry.core.features.matrix import compute_features
from marketsentry.core.market.bars import align_panel
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.synthetic import make_market
from marketsentry.models.lightgbm_panel import LightGBMParams
from marketsentry.services.candidate import CandidateRequest, TrainingResult
from marketsentry.services.training import train_candidate
from marketsentry.services.training_plan import make_plan
from marketsentry.settings import Settings

COINS = tuple(f"C{n:02d}" for n in range(12))
FULL_HOURS = 7 * 365 * 24
HORIZON = "4h"
RUNS = 5
TIME_BUDGET, MEMORY_BUDGET = 1.25, 3.0
MIB = 1 << 20


def bench_train_panel(share: float = 1.0, runs: int = RUNS) -> list[dict[str, Any]]:
    """12 coins x 7 years of hours (`share` of them) x all built-in features, 5 purged folds and the last block.

    One run is a training with leak test, replay, verdict, artifact and registry, then LightGBM's own `train` on
    the same matrices with the same parameters and threads. Memory is that of the first run, both processes together.
    """
    return asyncio.run(_bench(share, runs))


async def _bench(share: float, runs: int) -> list[dict[str, Any]]:
    dataset = _make_dataset(max(2_000, round(share * FULL_HOURS)))
    ours, own, ours_cpu, own_cpu, results = [], [], [], [], []
    with tempfile.TemporaryDirectory(prefix="ms-bench-") as home:
        async with open_system(Settings(home=Path(home))) as system:
            for run in range(runs):
                started, processor_s = time.perf_counter(), _processor_s()
                results.append(await _train(system, dataset, run))
                ours.append(time.perf_counter() - started)
                ours_cpu.append(_processor_s() - processor_s)
                taken, taken_cpu = _fit_with_lightgbm(dataset)
                own.append(taken)
                own_cpu.append(taken_cpu)
    first = results[0].usage
    assert first is not None
    ratios = [mine / theirs for mine, theirs in zip(ours, own, strict=True)]
    matrix = dataset.features.values.nbytes
    verdict = results[0].verdict
    notes = (
        f"{first.rows:,} rows fitted last, {dataset.features.values.shape[2]} features, "
        f"{len(results[0].metrics['folds'])} folds; median ratio {median(ratios):.2f}; processor time "
        f"{median(ours_cpu):.0f} s against {median(own_cpu):.0f} s, load {os.getloadavg()[0]:.1f}; "
        f"fitting process {first.fit_seconds:.1f} s, predicting {first.predict_seconds:.1f} s; "
        f"verdict {verdict.outcome if verdict else None}"
    )
    peer = median(own)
    rows = (
        Row(
            "train-panel",
            median(ours),
            "s",
            TIME_BUDGET * peer,
            peer,
            peer,
            n=runs,
            spread=spread(ours),
            notes=notes,
        ),
        Row(
            "train-panel-memory",
            first.peak_memory_bytes / MIB,
            "MiB",
            MEMORY_BUDGET * matrix / MIB,
            matrix / MIB,
            notes=f"child alone {first.child_peak_bytes / MIB:.0f} MiB; limit is the feature matrix itself",
        ),
    )
    return [row.as_dict() for row in rows]


def _make_dataset(n_bars: int) -> Dataset:
    market = make_market(seed=7, symbols=COINS, interval=parse_interval("1h"), n_bars=n_bars)
    panel = align_panel(market.series)
    features = compute_features(BUILTIN, panel, ContextInputs())
    mask_features(features, panel)
    return Dataset(panel, features, make_labels(panel), ContextInputs(), {"code": "bench"}, "0" * 64, "v1")


def _request(run: int) -> CandidateRequest:
    return CandidateRequest("bench", f"v{run}", HORIZON, n_threads=os.cpu_count() or 1)


async def _train(system: System, dataset: Dataset, run: int) -> TrainingResult:
    return await train_candidate(
        dataset,
        _request(run),
        feature_set=BUILTIN,
        trainer=system.trainer,
        transactions=system.transactions,
        artifacts=system.artifacts,
        clock=system.clock,
    )


def _fit_with_lightgbm(dataset: Dataset) -> tuple[float, float]:
    """Seconds of wall and of processor that LightGBM takes for all folds and the served model, binning included."""
    import lightgbm as lgb  # not before the first training, whose memory is measured without it

    request = _request(0)
    plan = make_plan(dataset, request).walk_forward
    assert plan.final is not None
    params = LightGBMParams()
    label = dataset.labels[HORIZON]
    known = np.isfinite(label) & has_bar(dataset.panel)
    taken, taken_cpu = 0.0, 0.0
    for fold in (*plan.folds, plan.final):
        rows = known[fold.train]
        X, y = dataset.features.values[fold.train][rows], label[fold.train][rows]
        native = params.native(y.size, seed=request.seed, n_threads=request.n_threads)
        started, processor_s = time.perf_counter(), _processor_s()
        lgb.train(native, lgb.Dataset(X, label=y, params=native), num_boost_round=params.n_trees)
        taken, taken_cpu = (
            taken + time.perf_counter() - started,
            taken_cpu + _processor_s() - processor_s,
        )
    return taken, taken_cpu


def _processor_s() -> float:
    """Processor seconds of this process and of all its children that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=RUNS)
    given = parser.parse_args()
    json.dump(bench_train_panel(given.share, given.runs), sys.stdout, indent=2)
