"""Run a stored backtest again and compare: same content hash, or the first difference by name (contract 5.8)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from marketsentry.core.backtest.params import params_from
from marketsentry.core.backtest.request import request_from
from marketsentry.core.backtest.stored import ARRAYS, RunFiles, read_run
from marketsentry.exceptions import InputError, MarketSentryError
from marketsentry.ports import Artifacts
from marketsentry.ports.runs import StoredRun
from marketsentry.services.backtest import BacktestDefaults, RunContext, execute
from marketsentry.services.backtest_inputs import Pin
from marketsentry.services.backtest_policy import recorded_policy

COMPARED = ("ic", "hit_rate", "turnover", "pnl_after_cost", "max_drawdown", "lineage_coverage")
_INPUTS = ("request", "code", "model", "params", "bars", "funding", "features", "scorers", "policy")


@dataclass(frozen=True, slots=True)
class Difference:
    """The first thing in which two runs differ, and its value in each; None where one has nothing there."""

    path: str
    source: Any  # a JSON value
    replay: Any


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What came of a replay.

    `diffs` are absolute differences of the metrics, None where a metric is undefined in both runs; `passed` says
    that each is within the tolerance and the outcome is the same. `same_content_hash` says that every input and
    output is equal bit for bit; if not, `first_difference` names where.
    """

    source_run_id: int
    replay_run_id: int
    tolerance: float
    diffs: Mapping[str, float | None]
    passed: bool
    status: str
    reason: str | None
    content_hash: str | None
    same_content_hash: bool
    first_difference: Difference | None


async def check_replay(
    run_id: int,
    *,
    tolerance: float,
    context: RunContext,
    defaults: BacktestDefaults,
    policy_file: str | None = None,
) -> ReplayReport:
    """Run a stored backtest again on the same window, snapshots and parameters, store that run and compare.

    Parameters
    ----------
    run_id
        Of the run to repeat; 0 takes the newest that is not itself a replay.
    tolerance
        Largest difference of a metric that still passes, >= 0.
    context
        Ports and versions of the new run.
    defaults
        Limits of the data gate.
    policy_file
        Where the policy of the run is now; None for where it was.

    Returns
    -------
    ReplayReport

    Raises
    ------
    NotFoundError
        If there is no such run.
    InputError
        If the tolerance is negative or not finite, the run id is negative, or a policy is given for a run without.
    ConflictError
        If the policy of the run is no longer there, or is not the one that was run.
    """
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise InputError(f"tolerance must be >= 0 and finite, was {tolerance}")
    if run_id < 0:
        raise InputError(f"run id must be >= 0, was {run_id}")
    async with context.transactions() as stores:
        source = await (stores.runs.get(run_id) if run_id else stores.runs.newest())
    policy = recorded_policy(source.run.config.get("policy"), policy_file)
    context = replace(context, policy=policy)
    request = request_from(dict(source.run.config))
    repeated = await execute(request, defaults, context, pin=_pin_of(source), replay_of=source.id)
    diffs = {name: _distance(source.run.metrics, repeated.run.metrics, name) for name in COMPARED}
    same_outcome = all(source.run.metrics[key] == repeated.run.metrics[key] for key in ("status", "reason"))
    difference = find_difference(source, repeated, context.artifacts)
    return ReplayReport(
        source_run_id=source.id,
        replay_run_id=repeated.id,
        tolerance=tolerance,
        diffs=diffs,
        passed=same_outcome and all(one is None or one <= tolerance for one in diffs.values()),
        status=repeated.run.status,
        reason=repeated.run.metrics["reason"],
        content_hash=repeated.run.content_hash,
        same_content_hash=same_outcome and source.run.content_hash == repeated.run.content_hash,
        first_difference=difference,
    )


def find_difference(source: StoredRun, repeated: StoredRun, artifacts: Artifacts) -> Difference | None:
    """Name the first difference of two stored runs: outcome, inputs by hash, then outputs by value.

    Parameters
    ----------
    source
        One run.
    repeated
        The other.
    artifacts
        Where their files are.

    Returns
    -------
    Difference or None
        None when they are equal.
    """
    for key in ("status", "reason"):
        before, after = source.run.metrics[key], repeated.run.metrics[key]
        if before != after:
            return Difference(f"metrics.{key}", before, after)
    if source.run.content_hash == repeated.run.content_hash:
        return None
    one, other = _files(source, artifacts), _files(repeated, artifacts)
    if isinstance(one, Difference):
        return one
    if isinstance(other, Difference):
        return other
    parts, again = one.document["parts"], other.document["parts"]
    for name in _INPUTS:
        if parts.get(name) != again.get(name):
            shown = first_difference_of(one.document["config"], other.document["config"], "config")
            hashes = Difference(f"parts.{name}", parts.get(name), again.get(name))
            return shown if shown and name in ("request", "params") else hashes
    for name in ARRAYS:
        found = _array_difference(name, getattr(one, name), getattr(other, name))
        if found:
            return found
    return first_difference_of(one.document["metrics"], other.document["metrics"], "metrics")


def first_difference_of(one: Any, other: Any, path: str) -> Difference | None:  # Any: JSON values
    """Walk two JSON values in the order of their keys to the first leaf that differs."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        steps: Sequence[tuple[str, Any, Any]] = [
            (f"{path}.{key}", one.get(key), other.get(key)) for key in sorted({*one, *other})
        ]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        steps = [(f"{path}[{i}]", a, b) for i, (a, b) in enumerate(zip(one, other, strict=True))]
    else:
        return None if one == other else Difference(path, one, other)
    return next((found for step in steps if (found := first_difference_of(step[1], step[2], step[0]))), None)


def _pin_of(source: StoredRun) -> Pin | None:
    config = source.run.config
    if "replay" not in config:
        return None
    return Pin(config["window"]["end_ns"], config["lineages"], params_from(config["replay"]))


def _distance(one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> float | None:
    """Absolute difference of a metric; infinite when only one run has it."""
    before, after = one[name], other[name]
    if before is None and after is None:
        return None
    return math.inf if before is None or after is None else abs(before - after)


def _files(stored: StoredRun, artifacts: Artifacts) -> RunFiles | Difference:
    run = stored.run
    if run.artifact_path is None or run.artifact_sha256 is None:
        return Difference(f"artifact of run {stored.id}", None, None)
    try:
        return read_run(artifacts.get(run.artifact_path, run.artifact_sha256))
    except MarketSentryError as error:
        return Difference(f"artifact of run {stored.id}", str(error), None)


def _array_difference(name: str, one: np.ndarray, other: np.ndarray) -> Difference | None:
    if one.shape != other.shape or one.dtype != other.dtype:
        return Difference(f"{name}.shape", list(one.shape), list(other.shape))
    width = one.dtype.itemsize
    rows = [np.ascontiguousarray(a).view(np.uint8).reshape(-1, width) for a in (one, other)]
    differing = np.flatnonzero((rows[0] != rows[1]).any(axis=1)) if one.size else np.empty(0, np.intp)
    if differing.size == 0:
        return None
    where = np.unravel_index(int(differing[0]), one.shape)
    index = ", ".join(str(int(i)) for i in where)
    return Difference(f"{name}[{index}]", _plain(one[where]), _plain(other[where]))


def _plain(value: Any) -> Any:  # a numpy scalar in, a JSON value out
    item = value.item()
    if isinstance(item, tuple):
        return list(item)
    return None if isinstance(item, float) and math.isnan(item) else item
