"""A small synthetic dataset and feature sets for tests of training, and a trainer that fits in this process."""

from collections.abc import Callable

import numba
import numpy as np

from marketsentry.core.dataset import Dataset, make_labels
from marketsentry.core.features.context import ContextInputs
from marketsentry.core.features.feature_set import FeatureSet, per_symbol_feature_set
from marketsentry.core.features.matrix import compute_features
from marketsentry.core.features.schema import FeatureDef, FeatureSchema
from marketsentry.core.market.bars import CLOSE, align_panel
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.synthetic import make_market
from marketsentry.core.training.rows import select_rows
from marketsentry.models.lightgbm_panel import LightGBMPanel
from marketsentry.models.protocol import ignore_progress
from marketsentry.ports.training import FitJob, FitProgress, FitResult, SpanFit

HORIZON = "4h"
SYMBOLS = ("BTC", "ETH", "SOL")


@numba.njit
def _step(state, bar, ts_ns, context, out):
    """Two moving averages of the return, of 6 and 36 bars; `state` is last close, averages and a count."""
    close = bar[3]
    if state[3] > 0:
        change = np.log(close / state[0])
        state[1] += (change - state[1]) / 6.0
        state[2] += (change - state[2]) / 36.0
    state[0] = close
    state[3] += 1.0
    if state[3] > 40:
        out[0], out[1] = state[1], state[2]
    else:
        out[0], out[1] = np.nan, np.nan


def _def(name: str) -> FeatureDef:
    return FeatureDef(name, name, "fraction", 40, "bars", "during warm-up")


SOUND = per_symbol_feature_set(FeatureSchema("test-1", (_def("fast"), _def("slow"))), _step, state_size=4)


def _peeking_batch(bars, ts_ns, context, out):
    """The sound features, and a third that is the return of the coming hours."""
    SOUND.batch(SOUND.new_state(bars.shape[1]), bars, ts_ns, context, sound := np.empty((*out.shape[:2], 2)))
    out[:, :, :2] = sound
    close = bars[:, :, CLOSE]
    out[:, :, 2] = np.nan
    out[40:-48, :, 2] = close[88:] / close[40:-48] - 1.0


@numba.njit
def _peeking_step(state, bar, ts_ns, context, out):
    _step(state, bar, ts_ns, context, out)
    out[2] = np.nan


PEEKING = per_symbol_feature_set(
    FeatureSchema("test-peek", (_def("fast"), _def("slow"), _def("soon"))),
    _peeking_step,
    state_size=4,
    batch=_peeking_batch,
)


def make_dataset(feature_set: FeatureSet = SOUND, *, n_bars: int = 6_000, strength: float = 3.0) -> Dataset:
    """Bars of a synthetic market with a strong signal, features and labels on them."""
    market = make_market(
        seed=5, symbols=SYMBOLS, interval=parse_interval("5m"), n_bars=n_bars, signal_strength=strength
    )
    panel = align_panel(market.series)
    features = compute_features(feature_set, panel, ContextInputs())
    parts = {"code": "c0de", "bars": "b", "feature_schema": feature_set.schema.hash}
    return Dataset(panel, features, make_labels(panel), ContextInputs(), parts, "d" * 64, "v1")


class InProcessTrainer:
    """`Trainer` without a process: for tests of what is done with its results."""

    def __init__(self) -> None:
        self.jobs: list[FitJob] = []

    async def fit_spans(self, job: FitJob, *, on_progress: Callable[[FitProgress], None]) -> FitResult:
        self.jobs.append(job)
        rows = select_rows(job.labels, job.present).labelled
        X, y = job.features[rows.bar, rows.symbol], job.labels[rows.bar, rows.symbol]
        spans = []
        for span in job.spans:
            model = LightGBMPanel(**job.model.params)
            train = np.concatenate([np.arange(r.start, r.stop) for r in map(rows.span, span.train)])
            model.fit(X[train], y[train], seed=job.seed, n_threads=1, on_progress=ignore_progress)
            predicted = np.full(job.labels[span.test].shape, np.nan)
            there = job.present[span.test]
            predicted[there] = model.predict(job.features[span.test][there])
            spans.append(SpanFit(model.dump(), predicted, train.size, 0.0, 0.0, 0.0))
        return FitResult("lightgbm_panel", tuple(spans), 0.0, 1, 1)
