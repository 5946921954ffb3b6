"""Search parameter settings of the replay for a registered model (`ms backtest sweep`).

The settings are replayed in chunks, and each chunk is committed as trials before the next begins: what was tried
is counted even if the sweep is interrupted, and the same sweep asked for again goes on where it stopped. A setting
that is already stored is neither replayed nor counted again.
"""

import asyncio
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.backtest.plateau import Plateau, measure_plateau
from marketsentry.core.backtest.request import BacktestRequest
from marketsentry.core.backtest.search import Method, Search, Value, places_of, settings_of, valid_sets
from marketsentry.core.backtest.sweep import METRICS, N_BLOCKS, blocks_document, metrics_document, sweep
from marketsentry.core.lineage import hash_params, hash_parts
from marketsentry.core.stats.pbo import BacktestOverfitting, BlockSums, backtest_overfitting, block_edges
from marketsentry.exceptions import ConflictError, InputError
from marketsentry.ports.artifacts import ArtifactRef
from marketsentry.ports.models import Trial
from marketsentry.services.backtest import (
    BacktestDefaults,
    Prepared,
    RunContext,
    Unprepared,
    prepare,
    resolve,
    usual_params,
)
from marketsentry.services.backtest_model import Refusal
from marketsentry.services.backtest_outcome import (
    first_traded,
    input_parts,
    policy_part,
    profiles_of,
    score_window,
)
from marketsentry.services.backtest_policy import ChosenPolicy, check_axes

ARTIFACT_KIND = "sweeps"
SWEEP_JSON = "sweep.json"
RANKS = ("sharpe", "sortino", "pnl_after_cost")
N_BEST = 20
_CELLS_PER_CHUNK = 100_000_000

OnProgress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """What is searched, over which window, and by what the settings are ranked."""

    backtest: BacktestRequest
    search: Search
    rank_by: str = "sharpe"

    def __post_init__(self) -> None:
        if self.rank_by not in RANKS:
            raise InputError(f"rank_by must be one of {', '.join(RANKS)}, was {self.rank_by!r}")


@dataclass(frozen=True, slots=True)
class SweepResult:
    """A finished sweep.

    `document` is `sweep.json` of the artifact: `columns` and one row per setting in `rows`, values of parameters
    first, then metrics; `best` rows by rank, `plateau`, `overfitting`. `n_resumed` settings were stored already,
    `n_impossible` make no parameters and were not tried. `n_trials` counts the trials of the track so far.
    """

    sweep_hash: str
    content_hash: str
    n_settings: int
    n_resumed: int
    n_impossible: int
    n_trials: int
    plateau: Plateau | None
    overfitting: BacktestOverfitting | None
    document: Mapping[str, Any]
    artifact: ArtifactRef


async def run_sweep(
    request: SweepRequest,
    *,
    context: RunContext,
    defaults: BacktestDefaults,
    n_threads: int,
    on_progress: OnProgress = lambda step, share: None,
    settings_per_chunk: int | None = None,
) -> SweepResult:
    """Replay every setting of a search, store each as a trial and the whole as an artifact.

    Parameters
    ----------
    request
        What to search.
    context
        Ports and versions.
    defaults
        Universe, model and limits where the request says nothing.
    n_threads
        At least 1.
    on_progress
        Told the step and its done share 0..1.
    settings_per_chunk
        Settings per commit; None takes about a second of work.

    Returns
    -------
    SweepResult

    Raises
    ------
    InputError
        If the request cannot be honoured or no setting makes parameters.
    ConflictError
        If the model or its inputs cannot be replayed; says why.
    DependencyError
        If the record or the disk cannot be reached.
    """
    check_axes(request.search, context.policy)
    prepared = await prepare(resolve(request.backtest, defaults), defaults, context)
    if isinstance(prepared, Unprepared):
        raise _refused(prepared.refusal)
    plan = await asyncio.to_thread(_plan, request, prepared, defaults, context)
    if isinstance(plan, Refusal):
        raise _refused(plan)
    done = await _stored(plan, context)
    n_resumed = len(done)
    missing = [index for index in range(len(plan.sets)) if index not in done]
    size = settings_per_chunk or max(4 * n_threads, _CELLS_PER_CHUNK // plan.predictions.size)
    for start in range(0, len(missing), size):
        chunk = missing[start : start + size]
        done.update(await asyncio.to_thread(_replay_chunk, plan, chunk, n_threads))
        async with context.transactions() as stores:
            await stores.sweeps.add([_trial(plan, index, done[index]) for index in chunk])
        on_progress("settings", len(done) / len(plan.sets))
    return await _store(plan, [done[index] for index in range(len(plan.sets))], n_resumed, context)


@dataclass(frozen=True, slots=True)
class _Plan:
    """All that a sweep needs, read and hashed; nothing is replayed yet."""

    request: SweepRequest
    prepared: Prepared
    predictions: NDArray[np.float64]
    settings: list[dict[str, Value]]
    sets: list[ReplayParams]
    base: ReplayParams
    sweep_hash: str
    policy: ChosenPolicy | None


def _plan(
    request: SweepRequest, prepared: Prepared, defaults: BacktestDefaults, context: RunContext
) -> _Plan | Refusal:
    scored = score_window(prepared.request, prepared.scoring, prepared.inputs)
    if isinstance(scored, Refusal):
        return scored
    chosen, predictions = scored
    base = usual_params(prepared.request, prepared.scoring, defaults, context.policy)
    settings, sets = valid_sets(base, settings_of(request.search))
    parts = {
        **input_parts(prepared.scoring, prepared.inputs, chosen),
        "request": hash_params(prepared.request.document()),
        "base": hash_params(base.document()),
        "search": hash_params(_search_document(request.search)),
        "blocks": hash_params({"n_blocks": N_BLOCKS}),
        "code": context.code_version,
        **policy_part(context.policy),
    }
    sweep_hash = hash_parts("sweep", parts)
    return _Plan(request, prepared, predictions, settings, sets, base, sweep_hash, context.policy)


def _replay_chunk(plan: _Plan, chunk: Sequence[int], n_threads: int) -> dict[int, dict[str, Any]]:
    inputs = plan.prepared.inputs
    rows = sweep(
        plan.predictions,
        inputs.panel,
        [plan.sets[index] for index in chunk],
        n_threads=n_threads,
        traded_from=first_traded(inputs),
        profiles=profiles_of(plan.prepared.request, inputs.panel),
        policy=None if plan.policy is None else plan.policy.compiled,
    )
    return {
        index: {**metrics_document(row), "blocks": blocks_document(row)}
        for index, row in zip(chunk, rows, strict=True)
    }


async def _stored(plan: _Plan, context: RunContext) -> dict[int, dict[str, Any]]:
    """Read what an earlier, interrupted call has stored of its settings: metrics and block sums."""
    model = plan.prepared.scoring.registered.model
    async with context.transactions() as stores:
        rows = await stores.sweeps.settings_of(plan.sweep_hash, track=model.track, model_name=model.name)
    return {int(row["setting"]): {name: row[name] for name in (*METRICS, "blocks")} for row in rows}


def _trial(plan: _Plan, index: int, metrics: Mapping[str, Any]) -> Trial:
    model = plan.prepared.scoring.registered.model
    return Trial(
        track=model.track,
        kind="sweep",
        model_name=model.name,
        params_hash=hash_params({**plan.sets[index].document(), **_code_of(plan.policy)}),
        metrics={
            "sweep": plan.sweep_hash,
            "setting": index,
            "model_version": model.version,
            **_code_of(plan.policy),
            "values": _plain(plan.settings[index]),
            "periods_per_year": plan.base.periods_per_year,
            **metrics,
        },
    )


def _code_of(policy: ChosenPolicy | None) -> dict[str, str]:
    """Tell policies apart whose parameters have the same names and values."""
    return {} if policy is None else {"policy_code": policy.part}


async def _store(
    plan: _Plan, metrics: Sequence[Mapping[str, Any]], n_resumed: int, context: RunContext
) -> SweepResult:
    overfitting = await asyncio.to_thread(_overfitting, plan, metrics)
    document, plateau = _document(plan, metrics, overfitting)
    files = {SWEEP_JSON: json.dumps(document, sort_keys=True, allow_nan=False).encode()}
    if plan.policy is not None:
        files |= plan.policy.files
    artifact = await asyncio.to_thread(context.artifacts.put, ARTIFACT_KIND, files)
    async with context.transactions() as stores:
        n_trials = await stores.models.count_trials(track=plan.prepared.scoring.registered.model.track)
    return SweepResult(
        sweep_hash=plan.sweep_hash,
        content_hash=document["content_hash"],
        n_settings=len(plan.sets),
        n_resumed=n_resumed,
        n_impossible=plan.request.search.n_settings - len(plan.sets),
        n_trials=n_trials,
        plateau=plateau,
        overfitting=overfitting,
        document=document,
        artifact=artifact,
    )


def _overfitting(plan: _Plan, settings: Sequence[Mapping[str, Any]]) -> BacktestOverfitting | None:
    """Measure it from the stored block sums; a setting without any was ruined."""
    inputs = plan.prepared.inputs
    n_returns = np.diff(block_edges(inputs.panel.n_bars - first_traded(inputs))).astype(np.float64)
    lost = [[math.nan, math.nan]] * N_BLOCKS
    blocks = np.array([one["blocks"] or lost for one in settings])
    sums = BlockSums(n_returns, blocks[:, :, 0], blocks[:, :, 1])
    return backtest_overfitting(sums, periods_per_year=plan.base.periods_per_year)


def _document(
    plan: _Plan, metrics: Sequence[Mapping[str, Any]], overfitting: BacktestOverfitting | None
) -> tuple[dict[str, Any], Plateau | None]:
    search, rank_by = plan.request.search, plan.request.rank_by
    found, plateau = describe_sweep(
        search, plan.settings, plan.base, metrics, rank_by=rank_by, overfitting=overfitting
    )
    policy = {} if plan.policy is None else {"policy": plan.policy.document()}
    request = plan.prepared.request.document()
    document = {"sweep_hash": plan.sweep_hash, "request": request, **policy, **found}
    return {**document, "content_hash": hash_params(document)}, plateau


def describe_sweep(
    search: Search,
    settings: Sequence[Mapping[str, Value]],
    base: ReplayParams,
    metrics: Sequence[Mapping[str, Any]],
    *,
    rank_by: str,
    overfitting: BacktestOverfitting | None,
) -> tuple[dict[str, Any], Plateau | None]:
    """Write down what was searched and found.

    Parameters
    ----------
    search
        What was searched.
    settings
        Those that were replayed.
    base
        The parameters they change.
    metrics
        Of each setting, as `metrics_document` gives them.
    rank_by
        One of `RANKS`.
    overfitting
        What choosing the best is worth; None where nothing could be chosen.

    Returns
    -------
    tuple of dict and Plateau or None
        JSON values (`columns`, `rows`, `best` and what they belong to), and what the best setting stands on.
    """
    names = [axis.name for axis in search.axes]
    ranked = np.array([math.nan if one[rank_by] is None else one[rank_by] for one in metrics])
    plateau = measure_plateau(ranked, places_of(search, settings), is_grid=search.method is Method.GRID)
    order = np.argsort(-ranked, kind="stable")[:N_BEST]
    rows = [
        [*_plain(setting).values(), *(one[name] for name in METRICS)]
        for setting, one in zip(settings, metrics, strict=True)
    ]
    document = {
        "search": _search_document(search),
        "base": base.document(),
        "rank_by": rank_by,
        "parameters": names,
        "columns": [*names, *METRICS],
        "rows": rows,
        "best": [
            {"setting": int(i), **_plain(settings[i]), **{name: metrics[i][name] for name in METRICS}}
            for i in order
        ],
        "plateau": None if plateau is None else plateau.document(),
        "overfitting": None if overfitting is None else asdict(overfitting),
    }
    return document, plateau


def _search_document(search: Search) -> dict[str, Any]:
    axes = [{"name": axis.name, "values": [_finite(one) for one in axis.values]} for axis in search.axes]
    return {"method": search.method.value, "axes": axes, "n_draws": search.n_draws, "seed": search.seed}


def _plain(setting: Mapping[str, Value]) -> dict[str, Value]:
    """Give a setting as JSON values; without a limit is None, as in `ReplayParams.document`."""
    return {name: _finite(value) for name, value in setting.items()}


def _finite(value: Value) -> Value:
    return None if value == math.inf else value


def _refused(refusal: Refusal) -> ConflictError:
    return ConflictError(f"the sweep cannot be made ({refusal.reason}): {refusal.detail}")
