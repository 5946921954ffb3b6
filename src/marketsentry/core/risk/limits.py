"""The risk limits in force: one frozen object per process, named by the hash of what it holds (K-43)."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from marketsentry.core.lineage import hash_params
from marketsentry.core.risk.profiles import BucketCaps
from marketsentry.exceptions import InputError

MIN_BLOCK_MINUTES, MAX_BLOCK_MINUTES = 1, 1440
HOURS = 24


@dataclass(frozen=True, slots=True)
class HourRule:
    """Multiplies the volatility threshold in the UTC hours `first`..`last`, both included; 22..3 wraps midnight."""

    first: int
    last: int
    multiplier: float

    def __post_init__(self) -> None:
        if not (0 <= self.first < HOURS and 0 <= self.last < HOURS):
            raise InputError(f"hours of a rule must be 0..23, were {self.first}-{self.last}")
        if not 0.0 < self.multiplier < math.inf:
            raise InputError(
                f"multiplier of hours {self.first}-{self.last} must be > 0, was {self.multiplier}"
            )

    def covers(self, hour: int) -> bool:
        """Tell whether a UTC hour of the day lies in the rule."""
        if self.first <= self.last:
            return self.first <= hour <= self.last
        return hour >= self.first or hour <= self.last


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When the volatility breaker trips. Thresholds are simple returns between neighbouring prices.

    A threshold of 0 or less switches the check off for its symbol. A newest price older than `max_price_age_s` is no
    market data.
    """

    max_abs_return: float = 0.06
    by_symbol: tuple[tuple[str, float], ...] = ()
    by_hour: tuple[HourRule, ...] = ()
    max_price_age_s: float = 7200.0

    def __post_init__(self) -> None:
        for name, threshold in (("max_abs_return", self.max_abs_return), *self.by_symbol):
            if not math.isfinite(threshold):
                raise InputError(f"volatility threshold {name} must be finite, was {threshold}")
        _refuse_unless(self.max_price_age_s > 0.0, "max_price_age_s", "> 0", self.max_price_age_s)

    def threshold(self, symbol: str, hour: int) -> float:
        """Return the threshold of a symbol in a UTC hour: its own or the base, times the first rule that covers it."""
        base = dict(self.by_symbol).get(symbol.upper(), self.max_abs_return)
        multiplier = next((rule.multiplier for rule in self.by_hour if rule.covers(hour)), 1.0)
        return base * multiplier


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Every limit of the risk plane. Weights, drawdown and daily loss are fractions, all comparisons strict."""

    max_single_weight: float = 0.2
    max_gross_exposure: float = 1.0
    max_turnover: float = 0.35
    max_drawdown: float = 0.2
    max_sector_exposure: float = 0.45
    max_style_exposure: float = 0.55
    max_daily_loss: float = 0.03
    max_consecutive_losses: int = 5
    hard_block_minutes: int = 1
    bucket_caps: BucketCaps = field(default_factory=BucketCaps)
    breaker: BreakerLimits = field(default_factory=BreakerLimits)

    def __post_init__(self) -> None:
        for name in (
            *("max_single_weight", "max_gross_exposure", "max_turnover", "max_drawdown"),
            *("max_sector_exposure", "max_style_exposure", "max_daily_loss", "max_consecutive_losses"),
        ):
            value = getattr(self, name)
            _refuse_unless(0.0 <= value < math.inf, name, ">= 0 and finite", value)
        minutes = self.hard_block_minutes
        _refuse_unless(
            MIN_BLOCK_MINUTES <= minutes <= MAX_BLOCK_MINUTES,
            "hard_block_minutes",
            f"{MIN_BLOCK_MINUTES}..{MAX_BLOCK_MINUTES}",
            minutes,
        )

    def document(self) -> dict[str, Any]:
        """Give plain values for JSON, complete: equal documents are equal limits."""
        return asdict(self)

    @property
    def version(self) -> str:
        """SHA-256 of the document, in hex."""
        return hash_params(self.document())


def limits_changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Name each limit that two documents give a different value, with both values."""
    return {
        name: (before.get(name), after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    }


def _refuse_unless(holds: bool, name: str, wanted: str, value: float) -> None:
    if not holds:
        raise InputError(f"{name} must be {wanted}, was {value}")
