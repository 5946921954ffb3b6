"""From the options of `ms train` and the settings to the requests of the services."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psutil

from marketsentry.core.backtest.params import params_for
from marketsentry.core.dataset import horizon_bars
from marketsentry.core.gates.candidate import CandidateLimits
from marketsentry.core.market.interval import Interval, parse_interval
from marketsentry.core.market.timestamps import parse_time_ns
from marketsentry.core.splits.combinatorial import parse_groups
from marketsentry.exceptions import InputError
from marketsentry.ports.training import ModelSpec, ParamValue
from marketsentry.services.backtest import backtest_defaults
from marketsentry.services.candidate import CandidateRequest
from marketsentry.services.datasets import DatasetRequest
from marketsentry.services.train_stored import TrainingParts
from marketsentry.settings import Settings

if TYPE_CHECKING:
    from marketsentry.bootstrap import System

MIB = 1 << 20
SHARE_OF_FREE_MEMORY = 0.75


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """The options as they were typed; see `ms train --help`."""

    name: str
    version: str
    symbols: str
    interval: str
    horizon: str
    since: str
    until: str
    features: str
    model: str
    params: tuple[str, ...]
    folds: int
    kfold: int
    cpcv: str
    embargo: int
    seed: int | None
    threads: int
    memory_limit_mib: int


def make_requests(options: TrainOptions, settings: Settings) -> tuple[DatasetRequest, CandidateRequest]:
    """Make the requests, with the settings where nothing was typed."""
    interval = parse_interval(options.interval)
    wanted = DatasetRequest(
        symbols=_symbols(options.symbols) or settings.liquid_symbols,
        interval=interval,
        since_ns=parse_time_ns(options.since) if options.since else None,
        until_ns=parse_time_ns(options.until) if options.until else None,
        data_version=settings.data_version,
    )
    candidate = CandidateRequest(
        name=options.name,
        version=options.version,
        horizon=options.horizon,
        model=ModelSpec(options.model, parse_params(options.params)),
        features=options.features,
        n_folds=options.folds,
        embargo_bars=options.embargo,
        kfold_splits=options.kfold,
        combinatorial=parse_groups(options.cpcv) if options.cpcv else None,
        seed=settings.train_seed if options.seed is None else options.seed,
        n_threads=options.threads or os.cpu_count() or 1,
        memory_limit_bytes=options.memory_limit_mib * MIB or free_memory_share(),
        limits=CandidateLimits(
            min_ic=settings.gate_min_ic,
            min_pnl_after_cost_frac=settings.gate_min_pnl_after_cost,
            max_drawdown_frac=settings.gate_max_drawdown,
        ),
    )
    return wanted, _with_replay(candidate, interval, settings)


def training_parts(system: "System") -> TrainingParts:
    """Pick what a training needs of the system."""
    return TrainingParts(
        transactions=system.transactions,
        artifacts=system.artifacts,
        dataset_files=system.dataset_files,
        trainer=system.trainer,
        clock=system.clock,
        code_version=system.code_version,
        quality_limits=system.quality_limits,
    )


def parse_params(texts: Sequence[str]) -> dict[str, ParamValue]:
    """Read KEY=VALUE; a value that is a JSON number, boolean or null is one, else it is text."""
    params: dict[str, ParamValue] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise InputError(f"param must look like n_trees=200, was {text!r}")
        try:
            parsed = json.loads(value)
        except json.JSONDecodeError:
            parsed = value
        if isinstance(parsed, list | dict):
            raise InputError(f"param {key} must be a number, text, true, false or null, was {value}")
        params[key] = parsed
    return params


def free_memory_share() -> int:
    """Give three quarters of the memory that is free now."""
    return int(psutil.virtual_memory().available * SHARE_OF_FREE_MEMORY)


def _with_replay(candidate: CandidateRequest, interval: Interval, settings: Settings) -> CandidateRequest:
    """Judge with the risk limits that trading obeys; an unknown horizon is refused further down, by name."""
    bars = horizon_bars(interval).get(candidate.horizon)
    if bars is None:
        return candidate
    return replace(candidate, replay=params_for(interval, bars, **backtest_defaults(settings).replay))


def _symbols(text: str) -> tuple[str, ...]:
    return tuple(part.strip().upper() for part in text.split(",") if part.strip())
