"""From the inputs of a backtest to its outcome, and from an outcome to the row and files that are stored."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.backtest.replay import ReplayResult, replay
from marketsentry.core.backtest.request import DAY_NS, BacktestRequest
from marketsentry.core.backtest.scorers import NO_SCORER, choose_scorers
from marketsentry.core.backtest.stored import output_parts
from marketsentry.core.backtest.summary import Window, empty_metrics, summarise
from marketsentry.core.dataset import has_bar
from marketsentry.core.evidence.sanity import measure_sanity
from marketsentry.core.gates.backtest import judge_windows
from marketsentry.core.gates.leak import MeasuredIc
from marketsentry.core.gates.sanity import SanityLimits, judge_sanity
from marketsentry.core.gates.verdict import GateVerdict
from marketsentry.core.lineage import hash_array, hash_params
from marketsentry.core.market.bars import BarPanel
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.core.risk.profiles import Profile, fallback_profile
from marketsentry.services.backtest_inputs import INSUFFICIENT_FEATURES, RunInputs
from marketsentry.services.backtest_model import Refusal, ScoringModel, score_rows
from marketsentry.services.backtest_policy import ChosenPolicy


@dataclass(frozen=True, slots=True)
class Outcome:
    """A replay that was made: arrays, metrics, and the hash of everything that went in and came out."""

    result: ReplayResult
    predictions: NDArray[np.float64]
    metrics: dict[str, Any]
    parts: dict[str, str]


def replay_inputs(
    request: BacktestRequest,
    scoring: ScoringModel,
    inputs: RunInputs,
    params: ReplayParams,
    code_version: str,
    policy: ChosenPolicy | None = None,
) -> Outcome | Refusal:
    """Score every bar with a model that had not seen it, and trade what lies in the traded part.

    Parameters
    ----------
    request
        Resolved.
    scoring
        The models.
    inputs
        Bars and features.
    params
        Of the replay.
    code_version
        Hash of the deciding code.
    policy
        Decides in the place of the built-in rule.

    Returns
    -------
    Outcome or Refusal
        Refused with `insufficient_features` when no traded bar is out of sample for any model.
    """
    panel = inputs.panel
    scored = score_window(request, scoring, inputs)
    if isinstance(scored, Refusal):
        return scored
    chosen, predictions = scored
    profiles = profiles_of(request, panel)
    result = replay(
        predictions,
        panel,
        params,
        profiles=profiles,
        policy=None if policy is None else policy.compiled,
    )
    first = first_traded(inputs)
    metrics = summarise(
        result,
        predictions,
        panel,
        windows=report_windows(request, panel, first),
        traded_from=first,
        lineage_coverage=_coverage(inputs, first),
    )
    metrics["gate"] = judge_windows(metrics["folds"]).document()
    metrics["sanity"] = _review(result, panel, metrics, first).document()
    parts = {
        **input_parts(scoring, inputs, chosen),
        "params": hash_params({"replay": params.document(), "profiles": [asdict(one) for one in profiles]}),
        "request": hash_params(request.document()),
        "code": code_version,
        **policy_part(policy),
        **output_parts(result, predictions, metrics),
    }
    return Outcome(result, predictions, metrics, parts)


def _review(result: ReplayResult, panel: BarPanel, metrics: Mapping[str, Any], first: int) -> GateVerdict:
    """Ask whether the traded part of a run can be believed."""
    n_independent = (panel.n_bars - first) // result.params.horizon_bars
    ics = (MeasuredIc(metrics["ic"], n_independent),)
    return judge_sanity(measure_sanity(result, panel, ics, traded_from=first), SanityLimits())


def score_window(
    request: BacktestRequest, scoring: ScoringModel, inputs: RunInputs
) -> tuple[NDArray[np.int16], NDArray[np.float64]] | Refusal:
    """Score every traded bar with a model that had not seen it.

    Parameters
    ----------
    request
        Resolved.
    scoring
        The models.
    inputs
        Bars and features.

    Returns
    -------
    tuple of two ndarrays, or Refusal
        The scorer of each bar (T,) and the predictions (T, N). Refused with `insufficient_features` when no traded
        bar is out of sample for any model.
    """
    panel = inputs.panel
    chosen = choose_scorers(scoring.scorers, panel.ts_ns, min_train_ns=request.train_days * DAY_NS)
    chosen[panel.ts_ns < inputs.span.traded_from_ns] = NO_SCORER
    if (chosen == NO_SCORER).all():
        return Refusal(
            INSUFFICIENT_FEATURES,
            "no bar of the traded window is out of sample for a model of this version that was trained on at least "
            f"{request.train_days} days",
        )
    return chosen, score_rows(scoring, inputs.features, inputs.covered, chosen)


def input_parts(scoring: ScoringModel, inputs: RunInputs, chosen: NDArray[np.int16]) -> dict[str, str]:
    """Hash what predictions are made from and traded on, part by part."""
    panel = inputs.panel
    rates = {} if panel.funding is None else {"funding": hash_array(panel.funding)}
    return rates | {
        "model": scoring.registered.model.artifact_sha256,
        "bars": bars_hash(panel),
        "features": hash_array(inputs.features),
        "scorers": hash_array(chosen),
    }


def bars_hash(panel: BarPanel) -> str:
    """Name the bars of a run by their content: times, values, what is known of each cell, and sources."""
    return hash_params(
        {"ts_ns": panel.ts_ns, "values": panel.values, "state": panel.state, "sources": panel.sources}
    )


def policy_part(policy: ChosenPolicy | None) -> dict[str, str]:
    """Name the policy among the parts of a run; a run without one has no such part."""
    return {} if policy is None else {"policy": policy.part}


def first_traded(inputs: RunInputs) -> int:
    """Row of the first bar that may be traded."""
    return int(np.searchsorted(inputs.panel.ts_ns, inputs.span.traded_from_ns))


def report_windows(request: BacktestRequest, panel: BarPanel, first: int) -> Sequence[Window]:
    """Cut the traded rows into windows of `test_days`; a shorter rest at the end is one of its own."""
    step = request.test_days * DAY_NS // panel.interval.ns
    starts = range(first, panel.n_bars, step)
    return [Window(index, start, min(start + step, panel.n_bars)) for index, start in enumerate(starts)]


def profiles_of(request: BacktestRequest, panel: BarPanel) -> list[Profile]:
    """Sector and style of each target of the panel."""
    return [fallback_profile(request.track, symbol) for symbol in panel.symbols]


def completed_config(
    request: BacktestRequest,
    scoring: ScoringModel,
    inputs: RunInputs,
    params: ReplayParams,
    code_version: str,
    policy: ChosenPolicy | None = None,
) -> dict[str, Any]:
    """Write down what a run used: the request with everything resolved, and what a replay must use again."""
    span = inputs.span
    return {
        **request.document(),
        "interval": scoring.interval.name,
        "window": {
            "start": _iso(span.start_ns),
            "traded_from": _iso(span.traded_from_ns),
            "end": _iso(span.end_ns),
            "end_ns": span.end_ns,
        },
        "lineages": inputs.lineages,
        "sources": dict(zip(inputs.panel.symbols, inputs.panel.sources, strict=True)),
        "model_sha256": scoring.registered.model.artifact_sha256,
        "code_version": code_version,
        **({} if policy is None else {"policy": policy.document()}),
        "replay": params.document(),
        "profiles": {
            symbol: asdict(one)
            for symbol, one in zip(inputs.panel.symbols, profiles_of(request, inputs.panel), strict=True)
        },
    }


def completed_metrics(
    request: BacktestRequest,
    measured: Mapping[str, Any],
    refused: Mapping[str, Refusal],
    *,
    content_hash: str,
    equity_curve_ref: str,
) -> dict[str, Any]:
    """Put the measured metrics under the contract's keys; refused targets stand beside the replayed ones."""
    per_target = {symbol: {"status": "completed", **one} for symbol, one in measured["per_target"].items()}
    return {
        "status": "completed",
        "reason": None,
        "detail": None,
        "targets": list(request.targets),
        "model_name": request.model_name,
        "model_version": request.model_version,
        **measured,
        "per_target": {**per_target, **_refused_targets(refused)},
        "equity_curve_ref": equity_curve_ref,
        "content_hash": content_hash,
    }


def failed_metrics(
    request: BacktestRequest, refusal: Refusal, refused: Mapping[str, Refusal]
) -> dict[str, Any]:
    """Give every metric of a run that could not be made: nothing was measured."""
    return {
        "status": "failed",
        "reason": refusal.reason,
        "detail": refusal.detail,
        "targets": list(request.targets),
        "model_name": request.model_name,
        "model_version": request.model_version,
        **empty_metrics(),
        "gate": judge_windows([]).document(),
        "sanity": None,
        "per_target": _refused_targets(refused),
        "equity_curve_ref": None,
        "content_hash": None,
    }


def worst_refusal(refused: Mapping[str, Refusal]) -> Refusal:
    """Give the reason of a run in which no target could be replayed: features first, as the contract says."""
    ranked = sorted(refused.values(), key=lambda one: one.reason != INSUFFICIENT_FEATURES)
    return Refusal(ranked[0].reason, "; ".join(one.detail for one in refused.values()))


def _refused_targets(refused: Mapping[str, Refusal]) -> dict[str, Any]:
    return {
        symbol: {"status": "failed", "reason": one.reason, "detail": one.detail}
        for symbol, one in refused.items()
    }


def _coverage(inputs: RunInputs, first: int) -> float | None:
    """Share of the traded cells with a bar that have a snapshot of the requested data version."""
    present = has_bar(inputs.panel)[first:]
    n_present = int(present.sum())
    return float((inputs.covered[first:] & present).sum() / n_present) if n_present else None


def _iso(ns: int) -> str:
    return ns_to_datetime(ns).strftime("%Y-%m-%dT%H:%M:%SZ")
