"""Steps 7 to 9 of the risk check: losses that stop a track or a strategy, and which switch they pull (K-33, K-41)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from marketsentry.core.risk.codes import GLOBAL, Rule, exceeded
from marketsentry.core.risk.limits import RiskLimits
from marketsentry.core.risk.violations import Cure, Violation
from marketsentry.exceptions import InputError

TRACK_RULES = (Rule.DRAWDOWN, Rule.DAILY_LOSS)
HARD_RULES = (*TRACK_RULES, Rule.CONSECUTIVE_LOSS)


@dataclass(frozen=True, slots=True)
class LossFigures:
    """Losses as positive fractions of equity, and how many round trips in a row lost."""

    realized_drawdown: float = 0.0
    daily_loss: float = 0.0
    consecutive_losses: int = 0

    def __post_init__(self) -> None:
        for name in ("realized_drawdown", "daily_loss", "consecutive_losses"):
            value = getattr(self, name)
            if not 0.0 <= value < math.inf:
                raise InputError(f"{name} must be >= 0 and finite, was {value}")

    def of(self, rule: Rule) -> float:
        """Return the figure that a hard rule judges."""
        match rule:
            case Rule.DRAWDOWN:
                return self.realized_drawdown
            case Rule.DAILY_LOSS:
                return self.daily_loss
            case Rule.CONSECUTIVE_LOSS:
                return float(self.consecutive_losses)
            case _:
                raise InputError(f"rule must be one of {', '.join(HARD_RULES)}, was {rule}")


def worse_of(one: LossFigures, other: LossFigures) -> LossFigures:
    """Take the larger of each figure: a caller can neither hide a loss nor lower ours (K-35)."""
    return LossFigures(
        max(one.realized_drawdown, other.realized_drawdown),
        max(one.daily_loss, other.daily_loss),
        max(one.consecutive_losses, other.consecutive_losses),
    )


def limit_of(rule: Rule, limits: RiskLimits) -> float:
    """Return the limit of a hard rule."""
    match rule:
        case Rule.DRAWDOWN:
            return limits.max_drawdown
        case Rule.DAILY_LOSS:
            return limits.max_daily_loss
        case Rule.CONSECUTIVE_LOSS:
            return float(limits.max_consecutive_losses)
        case _:
            raise InputError(f"rule must be one of {', '.join(HARD_RULES)}, was {rule}")


def breaches(rule: Rule, figures: LossFigures, limits: RiskLimits) -> bool:
    """Tell whether a hard rule fires."""
    return figures.of(rule) > limit_of(rule, limits)


@dataclass(frozen=True, slots=True)
class HardTrigger:
    """A switch that a hard rule pulls. `rules` are those that fired for the scope, in step order."""

    track: str
    scope: str
    rules: tuple[Rule, ...]

    @property
    def reason(self) -> str:
        """Code of the first rule that fired."""
        return exceeded(self.rules[0])

    @property
    def until_cleared(self) -> tuple[Rule, ...]:
        """Rules whose breach has to end before the block does; a daily loss ends with its UTC day."""
        return tuple(rule for rule in self.rules if rule is not Rule.DAILY_LOSS)

    def expires_at(self, now: datetime, limits: RiskLimits) -> datetime:
        """Give the earliest end: the block time, and for a daily loss not before the next UTC day."""
        end = now + timedelta(minutes=limits.hard_block_minutes)
        return max(end, next_utc_day(now)) if Rule.DAILY_LOSS in self.rules else end


def next_utc_day(now: datetime) -> datetime:
    """Return 00:00 UTC of the day after `now`, which carries an offset."""
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)


def judge_losses(figures: Mapping[str, LossFigures], limits: RiskLimits) -> tuple[Violation, ...]:
    """Judge the figures of each track; one violation per rule, with the worst figure and the tracks that broke it."""
    found = []
    for rule in HARD_RULES:
        broken = tuple(track for track, known in figures.items() if breaches(rule, known, limits))
        if broken:
            worst = max(figures[track].of(rule) for track in broken)
            found.append(
                Violation(
                    rule,
                    exceeded(rule),
                    Cure.BREACH,
                    worst,
                    limit_of(rule, limits),
                    is_hard=True,
                    tracks=broken,
                )
            )
    return tuple(found)


def triggers_of(violations: tuple[Violation, ...], strategy_id: str) -> tuple[HardTrigger, ...]:
    """Name the switches to pull: the track for drawdown and daily loss, the strategy for a streak (K-33)."""
    pulled: dict[tuple[str, str], list[Rule]] = {}
    for one in violations:
        if one.is_hard:
            scope = strategy_id if one.rule is Rule.CONSECUTIVE_LOSS else GLOBAL
            for track in one.tracks:
                pulled.setdefault((track, scope), []).append(one.rule)
    return tuple(HardTrigger(track, scope, tuple(rules)) for (track, scope), rules in pulled.items())
