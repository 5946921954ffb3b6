"""Run a registered model over history (contract 1.7): read, replay, store. Nothing here changes what serves.

A run that cannot be made is a value: it has `status` `failed`, a reason code and every metric, and is stored too.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from marketsentry.core.backtest.params import ReplayParams, params_for
from marketsentry.core.backtest.request import BacktestRequest
from marketsentry.core.backtest.stored import pack_run, run_hash
from marketsentry.core.gates.data_quality import QualityLimits
from marketsentry.exceptions import InputError, NotFoundError
from marketsentry.ports import Artifacts, Clock, Transactions
from marketsentry.ports.models import RegisteredModel
from marketsentry.ports.runs import RunRecord, StoredRun
from marketsentry.services.backtest_inputs import Pin, RunInputs, read_inputs
from marketsentry.services.backtest_model import (
    MODEL_ARTIFACT_MISSING,
    Refusal,
    ScoringModel,
    load_scoring_model,
)
from marketsentry.services.backtest_outcome import (
    Outcome,
    completed_config,
    completed_metrics,
    failed_metrics,
    replay_inputs,
    worst_refusal,
)
from marketsentry.services.backtest_policy import ChosenPolicy

ARTIFACT_KIND = "backtests"


class BacktestSettings(Protocol):
    """The settings that decide what a backtest assumes where the request says nothing."""

    @property
    def liquid_symbols(self) -> tuple[str, ...]: ...
    @property
    def model_name_liquid(self) -> str: ...
    @property
    def model_version_liquid(self) -> str: ...
    @property
    def risk_max_single_weight(self) -> float: ...
    @property
    def risk_max_gross_exposure(self) -> float: ...
    @property
    def risk_max_turnover(self) -> float: ...
    @property
    def risk_max_sector_exposure(self) -> float: ...
    @property
    def risk_max_style_exposure(self) -> float: ...
    @property
    def dq_max_missing_rate(self) -> float: ...
    @property
    def dq_max_invalid_price_rate(self) -> float: ...
    @property
    def dq_max_duplicate_rate(self) -> float: ...
    @property
    def dq_max_stale_ratio(self) -> float: ...
    @property
    def dq_min_rows(self) -> int: ...


@dataclass(frozen=True, slots=True)
class BacktestDefaults:
    """What a backtest assumes: universe and model per track, limits, and changes of replay parameters by name."""

    universe: Mapping[str, tuple[str, ...]]
    models: Mapping[str, tuple[str, str]]
    quality: QualityLimits = field(default_factory=QualityLimits)
    replay: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunContext:
    """The ports of a run and the versions that decide its outcome."""

    transactions: Transactions
    artifacts: Artifacts
    clock: Clock
    code_version: str
    model_file: str | None = None
    policy: ChosenPolicy | None = None


def backtest_defaults(settings: BacktestSettings) -> BacktestDefaults:
    """Take the defaults from the settings: risk limits are those that trading obeys."""
    return BacktestDefaults(
        universe={"liquid": settings.liquid_symbols, "vc": ("OpenAI", "Anthropic", "Scale AI")},
        models={
            "liquid": (settings.model_name_liquid, settings.model_version_liquid),
            "vc": ("vc_survival_model", "v2.1"),
        },
        quality=QualityLimits(
            max_missing_rate=settings.dq_max_missing_rate,
            max_invalid_price_rate=settings.dq_max_invalid_price_rate,
            max_duplicate_rate=settings.dq_max_duplicate_rate,
            max_stale_ratio=settings.dq_max_stale_ratio,
            min_rows=settings.dq_min_rows,
        ),
        replay={
            "max_single_weight": settings.risk_max_single_weight,
            "max_gross_exposure": settings.risk_max_gross_exposure,
            "max_turnover": settings.risk_max_turnover,
            "max_sector_exposure": settings.risk_max_sector_exposure,
            "max_style_exposure": settings.risk_max_style_exposure,
        },
    )


async def run_backtest(
    request: BacktestRequest,
    *,
    transactions: Transactions,
    artifacts: Artifacts,
    clock: Clock,
    defaults: BacktestDefaults,
    code_version: str,
    model_file: str | None = None,
    policy: ChosenPolicy | None = None,
) -> StoredRun:
    """Replay a registered model over the window of a request, and store the run.

    Parameters
    ----------
    request
        What to replay.
    transactions
        The record.
    artifacts
        Where models are, and where the run goes.
    clock
        Names the run.
    defaults
        Universe, model and limits where the request says nothing.
    code_version
        Hash of the deciding code, part of the run's content hash.
    model_file
        Source of a model of the user's own, if the version was trained with one.
    policy
        Decides in the place of the built-in rule.

    Returns
    -------
    StoredRun
        `completed`, or `failed` with the reason in its metrics.

    Raises
    ------
    InputError
        If the request cannot be honoured: another horizon than the model's, a bar length that does not divide
        a day.
    DependencyError
        If the record or the disk cannot be reached.
    """
    context = RunContext(transactions, artifacts, clock, code_version, model_file, policy)
    return await execute(resolve(request, defaults), defaults, context)


async def read_stored_run(run_id: int, *, transactions: Transactions) -> StoredRun:
    """Read a stored run; raises `NotFoundError` (`backtest run not found`)."""
    async with transactions() as stores:
        return await stores.runs.get(run_id)


async def execute(
    request: BacktestRequest,
    defaults: BacktestDefaults,
    context: RunContext,
    *,
    pin: Pin | None = None,
    replay_of: int | None = None,
) -> StoredRun:
    """Make and store one run of a resolved request.

    Parameters
    ----------
    request
        With targets and model.
    defaults
        Limits.
    context
        Ports and versions.
    pin
        Window, lineages and parameters of an earlier run that this one repeats.
    replay_of
        Id of that run.

    Returns
    -------
    StoredRun
    """
    policy = context.policy
    note: dict[str, Any] = {} if policy is None else {"policy": policy.document()}
    if replay_of is not None:
        note["replay_of"] = replay_of
    begun = _Begun(context, context.clock.now(), note)
    prepared = await prepare(request, defaults, context, pin=pin)
    if isinstance(prepared, Unprepared):
        return await begun.store_failed(
            prepared.request, prepared.refusal, prepared.registered, prepared.refused
        )
    request, scoring, inputs = prepared.request, prepared.scoring, prepared.inputs
    registered = scoring.registered
    params = pin.params if pin else usual_params(request, scoring, defaults, policy)
    outcome = await asyncio.to_thread(
        replay_inputs, request, scoring, inputs, params, context.code_version, policy
    )
    if isinstance(outcome, Refusal):
        return await begun.store_failed(request, outcome, registered, inputs.refused)
    config = completed_config(request, scoring, inputs, params, context.code_version, policy)
    return await begun.store_completed(request, config, outcome, inputs.refused, registered)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A resolved request with the models and inputs it runs on."""

    request: BacktestRequest
    scoring: ScoringModel
    inputs: RunInputs


@dataclass(frozen=True, slots=True)
class Unprepared:
    """A request that cannot be run: why, and why each target was refused."""

    request: BacktestRequest
    refusal: Refusal
    registered: RegisteredModel | None = None
    refused: Mapping[str, Refusal] = field(default_factory=dict)


async def prepare(
    request: BacktestRequest, defaults: BacktestDefaults, context: RunContext, *, pin: Pin | None = None
) -> Prepared | Unprepared:
    """Find the model of a request and read its window; nothing is stored.

    Parameters
    ----------
    request
        With targets and model; see `resolve`.
    defaults
        Limits of the data gate.
    context
        Ports.
    pin
        Window and lineages of an earlier run.

    Returns
    -------
    Prepared or Unprepared

    Raises
    ------
    InputError
        If the request names another horizon than the model's, or a bar length does not divide a day.
    """
    registered = await _find_model(request, context.transactions)
    if isinstance(registered, Refusal):
        return Unprepared(request, registered)
    request = replace(request, model_version=registered.model.version)
    scoring = await asyncio.to_thread(
        load_scoring_model, registered, context.artifacts, model_file=context.model_file
    )
    if isinstance(scoring, Refusal):
        return Unprepared(request, scoring, registered)
    request = _with_horizon(request, scoring)
    async with context.transactions() as stores:
        inputs = await read_inputs(stores, request, scoring, quality=defaults.quality, pin=pin)
    if not isinstance(inputs, RunInputs):
        return Unprepared(request, worst_refusal(inputs), registered, inputs)
    return Prepared(request, scoring, inputs)


def usual_params(
    request: BacktestRequest,
    scoring: ScoringModel,
    defaults: BacktestDefaults,
    policy: ChosenPolicy | None = None,
) -> ReplayParams:
    """Give the parameters of a run that pins none: the defaults with costs and market of the request and the policy's.

    What a venue lends for the sizing may ask for; the limits of the risk check hold as ever.
    """
    asked = {
        "fee_bps": request.fee_bps,
        "half_spread_bps": request.slippage_bps,
        "market": request.market,
        "max_leverage": request.leverage,
        "risk_budget": request.leverage,
        "policy": None if policy is None else dict(policy.values),
    }
    return params_for(scoring.interval, scoring.horizon_bars, **{**defaults.replay, **asked})


@dataclass(frozen=True, slots=True)
class _Begun:
    """A run that has begun: when, with what, and what is noted beside its configuration."""

    context: RunContext
    started_at: datetime
    note: Mapping[str, Any]

    async def store_failed(
        self,
        request: BacktestRequest,
        refusal: Refusal,
        registered: RegisteredModel | None = None,
        refused: Mapping[str, Refusal] | None = None,
    ) -> StoredRun:
        metrics = failed_metrics(request, refusal, refused or {})
        return await self._add(self._record(request, registered, "failed", metrics, request.document()))

    async def store_completed(
        self,
        request: BacktestRequest,
        config: Mapping[str, Any],
        outcome: Outcome,
        refused: Mapping[str, Refusal],
        registered: RegisteredModel,
    ) -> StoredRun:
        content_hash = run_hash(outcome.parts)
        document = {
            "content_hash": content_hash,
            "parts": outcome.parts,
            "config": config,
            "metrics": outcome.metrics,
            "symbols": list(outcome.result.symbols),
        }
        files = await asyncio.to_thread(pack_run, document, outcome.result, outcome.predictions)
        if self.context.policy is not None:
            files |= self.context.policy.files
        artifact = await asyncio.to_thread(self.context.artifacts.put, ARTIFACT_KIND, files)
        metrics = completed_metrics(
            request,
            outcome.metrics,
            refused,
            content_hash=content_hash,
            equity_curve_ref=f"{ARTIFACT_KIND}/{artifact.sha256}/equity.npy",
        )
        record = self._record(request, registered, "completed", metrics, config)
        return await self._add(
            replace(
                record,
                content_hash=content_hash,
                artifact_path=str(artifact.path),
                artifact_sha256=artifact.sha256,
            )
        )

    def _record(
        self,
        request: BacktestRequest,
        registered: RegisteredModel | None,
        status: str,
        metrics: Mapping[str, Any],
        config: Mapping[str, Any],
    ) -> RunRecord:
        return RunRecord(
            run_name=f"{request.track}-wf-{self.started_at:%Y%m%d%H%M%S}",
            track=request.track,
            model_id=registered.id if registered else None,
            status=status,
            started_at=self.started_at,
            ended_at=self.context.clock.now(),
            metrics=metrics,
            config={**config, **self.note},
        )

    async def _add(self, record: RunRecord) -> StoredRun:
        async with self.context.transactions() as stores:
            return await stores.runs.add(record)


def resolve(request: BacktestRequest, defaults: BacktestDefaults) -> BacktestRequest:
    """Fill in the universe and the model that the request leaves open."""
    resolved = request.with_targets(request.targets or defaults.universe[request.track])
    if request.model_name is not None:
        return resolved
    name, version = defaults.models[request.track]
    return replace(resolved, model_name=name, model_version=request.model_version or version)


async def _find_model(request: BacktestRequest, transactions: Transactions) -> RegisteredModel | Refusal:
    assert request.model_name is not None
    try:
        async with transactions() as stores:
            return await stores.models.get(request.model_name, request.model_version, track=request.track)
    except NotFoundError as error:
        return Refusal(MODEL_ARTIFACT_MISSING, str(error))


def _with_horizon(request: BacktestRequest, scoring: ScoringModel) -> BacktestRequest:
    if request.horizon not in (None, scoring.horizon):
        raise InputError(
            f"horizon must be {scoring.horizon} for model {request.model_name}:{request.model_version}, "
            f"was {request.horizon}"
        )
    return replace(request, horizon=scoring.horizon)
