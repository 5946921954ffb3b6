"""From bars to features to out-of-sample predictions with their verdict; nothing is stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.adapters.code_version import code_version
from marketsentry.adapters.machine import LocalMachine
from marketsentry.adapters.trainer_process import ProcessTrainer
from marketsentry.core.dataset import Dataset
from marketsentry.core.evidence.pack import EvidencePack
from marketsentry.core.evidence.trials import TrialHistory
from marketsentry.core.gates.candidate import CandidateLimits
from marketsentry.core.gates.data_quality import QualityLimits
from marketsentry.core.gates.verdict import GateVerdict
from marketsentry.core.lineage import code_version_with
from marketsentry.core.training.artifact import NO_FOLD
from marketsentry.exceptions import DataQualityError
from marketsentry.ports.training import ModelSpec, ParamValue
from marketsentry.research.loop import LoopThread
from marketsentry.services.candidate import CandidateRequest
from marketsentry.services.datasets import MarketHistory, compute_dataset
from marketsentry.services.plugins import BUILTIN_FEATURES, load_feature_set, plugin_code_hash
from marketsentry.services.training import walk_candidate

BUILTIN_MODEL = "lightgbm_panel"


@dataclass(frozen=True, slots=True)
class WalkForwardResult:
    """What a walk-forward showed.

    `predictions` (T, N): out of sample, NaN where no fold tested; the untouched last block is in them too. `fold`
    (T,) numbers the fold of each bar, -1 where there is none. `metrics` are those of the folds together, of the last
    block under `final`; `evidence` is the whole pack. The attempt was not counted as a trial, so the verdict is for
    your eyes: `Session.train` makes one that counts.
    """

    predictions: NDArray[np.float64]
    fold: NDArray[np.int16]
    verdict: GateVerdict
    metrics: Mapping[str, Any] = field(repr=False)
    evidence: EvidencePack = field(repr=False)

    @property
    def first_tested(self) -> int:
        """First row that a fold predicted."""
        return int(np.flatnonzero(self.fold != NO_FOLD)[0])


def build_features(bars: MarketHistory, *, features: str = BUILTIN_FEATURES) -> Dataset:
    """Pass bars through the data-quality gate, and compute features and labels.

    Parameters
    ----------
    bars
        What `load_bars`, `synthetic_bars` or `Session.bars` gave.
    features
        `builtin`, a file of your own, or an entry point.

    Returns
    -------
    Dataset
        `features.values` (T, N, F) with `features.names`, `labels` by horizon, `panel`; `blocked` are the symbols that
        the gate kept out.

    Raises
    ------
    DataQualityError
        If the gate leaves no symbol.
    NotFoundError
        If there is no such file or entry point.

    Examples
    --------
    >>> from marketsentry.research import build_features, synthetic_bars
    >>> dataset = build_features(synthetic_bars(symbols=("BTC",), days=40))
    >>> dataset.features.values.shape[:2], sorted(dataset.labels)
    ((960, 1), ['1d', '1h', '4h', '7d'])
    """
    return compute_dataset(
        bars,
        feature_set=load_feature_set(features),
        code_version=code_version_with(code_version(), plugin_code_hash(features)),
        limits=QualityLimits(),
    )


def walk_forward(
    dataset: Dataset,
    *,
    horizon: str,
    model: str = BUILTIN_MODEL,
    model_params: Mapping[str, ParamValue] | None = None,
    features: str = BUILTIN_FEATURES,
    n_folds: int = 5,
    embargo_bars: int = 12,
    seed: int = 42,
    limits: CandidateLimits | None = None,
) -> WalkForwardResult:
    """Fit a model fold by fold on the past alone, predict what follows, and judge it as `ms train` does.

    Parameters
    ----------
    dataset
        What `build_features` gave.
    horizon
        Which label: `1h`, `4h`, `1d` or `7d`.
    model
        `lightgbm_panel`, a file of your own, or an entry point.
    model_params
        Of the model, by name.
    features
        What the dataset was built with; the leak test runs it again.
    n_folds
        Walk-forward folds before the untouched last block.
    embargo_bars
        Bars left out between training and test beyond the horizon.
    seed
        Of the model, the leak test and all resamples.
    limits
        What a candidate must show.

    Returns
    -------
    WalkForwardResult
        Equal arguments give equal numbers.

    Raises
    ------
    InputError
        If the history cannot hold the folds, the horizon is not in the dataset, or the model fails.
    DataQualityError
        If the data gate kept a symbol out.
    """
    if dataset.blocked:
        why = "; ".join(f"{one.symbol}: {one.reason}" for one in dataset.blocked)
        raise DataQualityError(f"the data gate blocks {why}: leave the symbols out by name")
    request = CandidateRequest(
        name="research",
        version="unregistered",
        horizon=horizon,
        model=ModelSpec(model, dict(model_params or {})),
        features=features,
        n_folds=n_folds,
        embargo_bars=embargo_bars,
        seed=seed,
        n_threads=LocalMachine().cores(),
        limits=limits or CandidateLimits(),
    )
    with TemporaryDirectory(prefix="walk-") as scratch, LoopThread() as loop:
        judged = loop.run(
            walk_candidate(
                dataset,
                request,
                feature_set=load_feature_set(features),
                trainer=ProcessTrainer(Path(scratch)),
                history=TrialHistory(),
            )
        )
    return WalkForwardResult(
        judged.predictions.values, judged.predictions.fold, judged.verdict, judged.metrics, judged.pack
    )
