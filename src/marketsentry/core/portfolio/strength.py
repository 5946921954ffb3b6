"""From signals to weights: strength, with the lines of one target netted first (contract 1.4, K-40)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from marketsentry.core.portfolio.terms import Action, Bucket
from marketsentry.core.risk.positions import LIQUID, Position
from marketsentry.exceptions import InputError

LEAST_CONFIDENCE = 0.1
MAX_ABS_SCORE = 1e12


@dataclass(frozen=True, slots=True)
class WeightedSignal:
    """One line of a rebalance. `signal_id` is the row that it comes from, None where the caller made it up.

    A liquid target is taken in upper case. `bucket` is that of the stored signal.
    """

    target: str
    track: str
    action: Action
    score: float
    confidence: float
    bucket: Bucket = Bucket.EVENT
    signal_id: int | None = None

    def __post_init__(self) -> None:
        if not abs(self.score) <= MAX_ABS_SCORE:
            raise InputError(
                f"score of {self.target} must be finite and within +-{MAX_ABS_SCORE:g}, was {self.score}"
            )
        if not 0.0 <= self.confidence <= 1.0:
            raise InputError(f"confidence of {self.target} must be 0..1, was {self.confidence}")
        if self.track == LIQUID:
            object.__setattr__(self, "target", self.target.upper())

    @property
    def strength(self) -> float:
        """Signed wish: sign of the action times score and confidence, which counts at least 0.1."""
        return self.action.sign * abs(self.score) * max(LEAST_CONFIDENCE, self.confidence)


@dataclass(frozen=True, slots=True)
class Netted:
    """All lines of one target: their strengths added, and the line that weighs most."""

    strength: float
    heaviest: WeightedSignal


def net_signals(signals: Sequence[WeightedSignal]) -> tuple[Netted, ...]:
    """Add up the lines of each target, in the order in which targets are first named.

    Parameters
    ----------
    signals : sequence of WeightedSignal
        A target may stand in several.

    Returns
    -------
    tuple of Netted
        One per (track, target). Strengths are added exactly and rounded once. Bucket and signal are those of the line
        that pulls most in the direction of the sum; the order of lines does not matter for any of it.
    """
    lines: dict[tuple[str, str], list[WeightedSignal]] = {}
    for one in signals:
        lines.setdefault((one.track, one.target), []).append(one)
    return tuple(_netted(of_target) for of_target in lines.values())


def weigh(netted: Sequence[Netted], risk_budget: float) -> tuple[Position, ...]:
    """Share the risk budget among targets by strength.

    Parameters
    ----------
    netted : sequence of Netted
        Of distinct targets.
    risk_budget : float
        Sum of absolute weights, greater than 0.

    Returns
    -------
    tuple of Position
        ``strength / sum(|strength|) * risk_budget`` each, in the order given; empty when the sum is zero: nothing is
        actionable.

    Raises
    ------
    InputError
        If the budget is not a positive number.
    """
    if not 0.0 < risk_budget < math.inf:
        raise InputError(f"risk_budget must be > 0 and finite, was {risk_budget}")
    total = math.fsum(abs(one.strength) for one in netted)
    if total == 0.0:
        return ()
    return tuple(
        Position(
            one.heaviest.target,
            one.strength / total * risk_budget + 0.0,  # no negative zero
            one.heaviest.track,
            bucket=one.heaviest.bucket,
        )
        for one in netted
    )


def _netted(lines: Sequence[WeightedSignal]) -> Netted:
    strength = math.fsum(one.strength for one in lines)
    toward = math.copysign(1.0, strength)

    def rank(one: WeightedSignal) -> tuple[float, str, int]:
        return one.strength * toward, one.bucket, -1 if one.signal_id is None else one.signal_id

    return Netted(strength, max(lines, key=rank))
