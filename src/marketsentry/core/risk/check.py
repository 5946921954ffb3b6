"""The risk check of contract 1.5: steps 1 to 10 in order, as a pure function of numbers.

Weights are fractions of one capital, so caps on exposure and turnover count every track together; losses and switches
are judged for each track that is present (K-45). What can be cured by scaling is scaled and noted as `clipped`; what
cannot is a `breach`. Nothing that is not finite passes (K-05).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.risk.codes import GLOBAL, Rule
from marketsentry.core.risk.exposure import (
    cap_gross,
    cap_groups,
    cap_singles,
    gross,
    judge_turnover,
    only_reduces,
    turnover,
)
from marketsentry.core.risk.hard_rules import HardTrigger, LossFigures, judge_losses, triggers_of
from marketsentry.core.risk.kill_switch import EffectiveSwitch, SwitchState
from marketsentry.core.risk.limits import RiskLimits
from marketsentry.core.risk.positions import Position, net_positions, tracks_of
from marketsentry.core.risk.profiles import Labelled, Profile, label_positions
from marketsentry.core.risk.violations import Cure, Violation
from marketsentry.exceptions import InputError


@dataclass(frozen=True, slots=True)
class RiskRequest:
    """What is to be judged.

    Parameters
    ----------
    proposed, current
        Wanted and held positions; several lines of one target are netted.
    figures
        Losses by track; a track that is not named has none.
    strategy_id
        Who wants it; `global` is the track itself.
    max_sector_exposure, max_style_exposure
        Caps instead of those of the limits, in (0, 1].
    risk_budget
        Share of capital that the bucket caps refer to; None leaves buckets unjudged.
    """

    proposed: tuple[Position, ...]
    current: tuple[Position, ...] = ()
    figures: Mapping[str, LossFigures] = field(default_factory=dict)
    strategy_id: str = GLOBAL
    max_sector_exposure: float | None = None
    max_style_exposure: float | None = None
    risk_budget: float | None = None

    def __post_init__(self) -> None:
        for name in ("max_sector_exposure", "max_style_exposure"):
            cap = getattr(self, name)
            if cap is not None and not 0.0 < cap <= 1.0:
                raise InputError(f"{name} must be > 0 and <= 1, was {cap}")
        if self.risk_budget is not None and not 0.0 < self.risk_budget < float("inf"):
            raise InputError(f"risk_budget must be > 0 and finite, was {self.risk_budget}")

    @property
    def tracks(self) -> tuple[str, ...]:
        """Tracks to judge: those proposed, `liquid` where nothing is."""
        return tracks_of(self.proposed)


@dataclass(frozen=True, slots=True)
class Judgement:
    """Steps 1 to 9: what the limits say, before the switch is read.

    `turnover_feasible` is what may be held after one rebalance; it equals `adjusted` where the turnover is met.
    `reduces_only` says that `adjusted` opens nothing, and may be executed under any block.
    """

    tracks: tuple[str, ...]
    violations: tuple[Violation, ...]
    adjusted: tuple[Position, ...]
    turnover_feasible: tuple[Position, ...]
    gross_exposure: float
    expected_turnover: float
    feasible_turnover: float
    reduces_only: bool
    triggers: tuple[HardTrigger, ...]

    @property
    def hard_block(self) -> bool:
        """Whether a hard rule fired."""
        return bool(self.triggers)


@dataclass(frozen=True, slots=True)
class RiskVerdict:
    """The whole check. `switches` holds what is in force for each track after it."""

    judgement: Judgement
    violations: tuple[Violation, ...]
    switches: tuple[EffectiveSwitch, ...]

    @property
    def approved(self) -> bool:
        """Whether nothing was violated."""
        return not self.violations

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes in the order of the steps."""
        return tuple(one.code for one in self.violations)

    @property
    def breaches(self) -> tuple[Violation, ...]:
        """Violations that scaling did not cure."""
        return tuple(one for one in self.violations if one.cure is Cure.BREACH)

    @property
    def switch_state(self) -> SwitchState:
        """`triggered` when any track is blocked."""
        return SwitchState.TRIGGERED if any(one.triggered for one in self.switches) else SwitchState.ARMED


def judge(request: RiskRequest, limits: RiskLimits, registry: Mapping[tuple[str, str], Profile]) -> Judgement:
    """Run steps 1 to 9.

    Parameters
    ----------
    request
        What is to be judged.
    limits
        Limits in force.
    registry
        Labels of the entity registry, by track and target.

    Returns
    -------
    Judgement

    Raises
    ------
    InputError
        If a bucket has no cap.
    """
    labelled = label_positions(net_positions(request.proposed), registry)
    current = net_positions(request.current)
    weights = np.array([one.position.weight for one in labelled], dtype=np.float64)
    found: list[Violation] = []
    _cap_exposure(weights, labelled, request, limits, found)
    held, all_weights = _over_union(labelled, current, weights)
    blend = judge_turnover(all_weights, held, limits.max_turnover, found=found)
    figures = {track: request.figures.get(track, LossFigures()) for track in request.tracks}
    hard = judge_losses(figures, limits)
    return Judgement(
        tracks=request.tracks,
        violations=(*found, *hard),
        adjusted=_positions(labelled, weights),
        turnover_feasible=_positions(labelled, blend[: weights.size]),
        gross_exposure=gross(weights),
        expected_turnover=turnover(all_weights, held),
        feasible_turnover=turnover(blend, held),
        reduces_only=only_reduces(all_weights, held),
        triggers=triggers_of(hard, request.strategy_id),
    )


def conclude(judgement: Judgement, switches: Sequence[EffectiveSwitch]) -> RiskVerdict:
    """Run step 10: add the switches that block, read after the hard rules of this check have pulled theirs.

    Parameters
    ----------
    judgement
        Steps 1 to 9.
    switches
        What is in force for the strategy on each track of the judgement, and nothing else.

    Returns
    -------
    RiskVerdict

    Raises
    ------
    InputError
        If the switch of a track is missing: what was not read does not let trade.
    """
    by_track = {one.track: one for one in switches}
    missing = [track for track in judgement.tracks if track not in by_track]
    if missing:
        raise InputError(f"the kill switch of track {missing[0]} was not read")
    in_force = tuple(by_track[track] for track in judgement.tracks)
    blocked = tuple(
        Violation(
            Rule.KILL_SWITCH,
            switch.code,
            Cure.BREACH,
            float(len(switch.blocks)),
            0.0,
            switch.blocks[0].scope,
            tracks=(switch.track,),
        )
        for switch in in_force
        if switch.code is not None
    )
    return RiskVerdict(judgement, (*judgement.violations, *blocked), in_force)


def cap_buckets(
    positions: Sequence[Position], *, risk_budget: float, limits: RiskLimits
) -> tuple[tuple[Position, ...], tuple[Violation, ...]]:
    """Scale each strategy bucket to its share of the risk budget: what a rebalance does before the check.

    Parameters
    ----------
    positions
        Netted, with their `bucket`; None belongs to no bucket.
    risk_budget
        Share of capital, > 0.
    limits
        Limits in force.

    Returns
    -------
    tuple
        The positions scaled, and one violation per bucket that had to be.

    Raises
    ------
    InputError
        If a bucket has no cap.
    """
    weights = np.array([one.weight for one in positions], dtype=np.float64)
    found: list[Violation] = []
    _cap_buckets(weights, positions, risk_budget, limits, found)
    scaled = tuple(one.weighing(w) for one, w in zip(positions, weights.tolist(), strict=True))
    return scaled, tuple(found)


def _cap_exposure(
    weights: NDArray[np.float64],
    labelled: Sequence[Labelled],
    request: RiskRequest,
    limits: RiskLimits,
    found: list[Violation],
) -> None:
    """Scale the weights (N,) in place through steps 2 to 5, buckets first."""
    if request.risk_budget is not None:
        _cap_buckets(weights, [one.position for one in labelled], request.risk_budget, limits, found)
    cap_singles(weights, [one.position.target for one in labelled], limits.max_single_weight, found=found)
    cap_gross(weights, limits.max_gross_exposure, found=found)
    sector_cap = request.max_sector_exposure or limits.max_sector_exposure
    style_cap = request.max_style_exposure or limits.max_style_exposure
    sectors, styles = [one.sectors for one in labelled], [one.styles for one in labelled]
    cap_groups(weights, sectors, lambda _: sector_cap, rule=Rule.SECTOR_EXPOSURE, found=found)
    cap_groups(weights, styles, lambda _: style_cap, rule=Rule.STYLE_EXPOSURE, found=found)


def _cap_buckets(
    weights: NDArray[np.float64],
    positions: Sequence[Position],
    risk_budget: float,
    limits: RiskLimits,
    found: list[Violation],
) -> None:
    caps = limits.bucket_caps.cap_of
    unknown = [one.bucket for one in positions if one.bucket is not None and one.bucket not in caps]
    if unknown:
        raise InputError(f"bucket must be one of {sorted(caps)}, was {unknown[0]!r}")
    groups = [() if one.bucket is None else (one.bucket,) for one in positions]
    cap_groups(
        weights, groups, lambda bucket: caps[bucket] * risk_budget, rule=Rule.BUCKET_EXPOSURE, found=found
    )


def _over_union(
    labelled: Sequence[Labelled], current: Sequence[Position], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lay held and wanted weights over the targets of both, those proposed first."""
    wanted = [one.position.key for one in labelled]
    held_of = {one.key: one.weight for one in current}
    proposed = set(wanted)
    left = [weight for key, weight in held_of.items() if key not in proposed]
    held = np.array([*(held_of.get(key, 0.0) for key in wanted), *left], dtype=np.float64)
    return held, np.concatenate([weights, np.zeros(len(left))])


def _positions(labelled: Sequence[Labelled], weights: NDArray[np.float64]) -> tuple[Position, ...]:
    return tuple(
        one.position.weighing(weight) for one, weight in zip(labelled, weights.tolist(), strict=True)
    )
