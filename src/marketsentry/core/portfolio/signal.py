"""From a prediction to a signal: action, bucket and reason (contract 1.4).

Whatever is missing, untrained or too weak to pay for its own trade gives `hold`, and the reason is named. The two rules
that the backtest loops, what may be used and which side is wanted, are called here as they are.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from marketsentry.core.portfolio.fast_score import LiveFeatures, fast_score
from marketsentry.core.portfolio.profiles import CostProfile, RiskProfile
from marketsentry.core.portfolio.terms import Action, Bucket, SignalPolicy
from marketsentry.exceptions import InputError
from marketsentry.kernels.signal import is_usable, score_to_side

SLOW_SHARE, FAST_SHARE = 0.7, 0.3
ENSEMBLE_CONFIDENCE_STEP, ENSEMBLE_CONFIDENCE_CAP = 0.03, 0.95
STRONG_TREND, STRONG_CONFIDENCE = 0.35, 0.55
WEAK_TREND, REVERSION_CONFIDENCE = 0.10, 0.60
_SHOWN_DIGITS = 6


class HoldReason(StrEnum):
    """Why nothing is bought or sold, in the order in which it is looked for."""

    ABSTAINED = "abstained"
    UNTRADEABLE = "untradeable"
    FAST_SCORE_MISSING = "fast_score_missing"
    LOW_CONFIDENCE = "low_confidence"
    INSIDE_DEAD_BAND = "inside_dead_band"


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a signal needs of a prediction.

    `score` is the expected return over the horizon for `liquid`, both numbers None when nobody answered. `why` names
    why no model did. `has_price` says whether the target has one.
    """

    track: str
    score: float | None
    confidence: float | None
    tradeable: bool
    model_version: str
    why: str | None = None
    has_price: bool = True

    def __post_init__(self) -> None:
        if (self.score is None) != (self.confidence is None):
            raise InputError("a forecast has a score and a confidence, or neither")
        if self.score is not None and not math.isfinite(self.score):
            raise InputError(f"score must be finite, was {self.score}")
        if self.confidence is not None and not 0.0 <= self.confidence <= 1.0:
            raise InputError(f"confidence must be 0..1, was {self.confidence}")


@dataclass(frozen=True, slots=True)
class SignalRules:
    """How a signal is made; `min_confidence` is 0..1."""

    policy: SignalPolicy
    min_confidence: float
    cost: CostProfile
    risk: RiskProfile

    def __post_init__(self) -> None:
        if not 0.0 <= self.min_confidence <= 1.0:
            raise InputError(f"min_confidence must be 0..1, was {self.min_confidence}")

    @property
    def dead_band(self) -> float:
        """Score within which nothing opens: the round trip of the cost profile, as often as the risk profile says."""
        return self.risk.cost_multiple * self.cost.round_trip_frac


@dataclass(frozen=True, slots=True)
class Signal:
    """What a forecast was taken to mean. `hold_reason` is None unless the action is `hold`."""

    action: Action
    score: float | None
    confidence: float | None
    bucket: Bucket
    hold_reason: HoldReason | None
    reason: str


def make_signal(forecast: Forecast, live: LiveFeatures, rules: SignalRules) -> Signal:
    """Decide what a forecast means.

    Parameters
    ----------
    forecast : Forecast
        The prediction.
    live : LiveFeatures
        Of the feature row that it stored; empty where it stored none.
    rules : SignalRules
        Policy, profiles and the least confidence.

    Returns
    -------
    Signal
        `hold` unless a model answered, it may trade, it is confident enough and beyond the dead band. Where the fast
        score is missing `ensemble-v1` shows the slow one and holds.
    """
    fast = fast_score(live) if rules.policy is SignalPolicy.ENSEMBLE else None
    score, confidence = _combined(forecast, fast)
    hold = _why_hold(forecast, score, confidence, fast, rules)
    if hold is not None or score is None:
        action = Action.HOLD
    else:
        action = Action.BUY if score > 0.0 else Action.SELL
    bucket = bucket_of(forecast, live.trend, confidence)
    return Signal(action, score, confidence, bucket, hold, _reason(forecast, score, fast, hold, rules))


def bucket_of(forecast: Forecast, trend: float | None, confidence: float | None) -> Bucket:
    """Sort a signal into a bucket by the strength of the trend, -1..1; what cannot be measured is an event."""
    if forecast.track == "vc" or not forecast.has_price or trend is None or confidence is None:
        return Bucket.EVENT
    if abs(trend) > STRONG_TREND and confidence > STRONG_CONFIDENCE:
        return Bucket.TREND
    if abs(trend) < WEAK_TREND and confidence > REVERSION_CONFIDENCE:
        return Bucket.MEAN_REVERSION
    return Bucket.EVENT


def _combined(forecast: Forecast, fast: float | None) -> tuple[float | None, float | None]:
    if forecast.score is None or forecast.confidence is None or fast is None:
        return forecast.score, forecast.confidence
    score = SLOW_SHARE * forecast.score + FAST_SHARE * fast
    return score, min(ENSEMBLE_CONFIDENCE_CAP, forecast.confidence + ENSEMBLE_CONFIDENCE_STEP)


def _why_hold(
    forecast: Forecast,
    score: float | None,
    confidence: float | None,
    fast: float | None,
    rules: SignalRules,
) -> HoldReason | None:
    if score is None or confidence is None:
        return HoldReason.ABSTAINED
    if not forecast.tradeable:
        return HoldReason.UNTRADEABLE
    if rules.policy is SignalPolicy.ENSEMBLE and fast is None:
        return HoldReason.FAST_SCORE_MISSING
    if not is_usable(score, confidence, rules.min_confidence):
        return HoldReason.LOW_CONFIDENCE
    if score_to_side(score, 0.0, rules.dead_band, rules.dead_band, True) == 0.0:
        return HoldReason.INSIDE_DEAD_BAND
    return None


def _reason(
    forecast: Forecast,
    score: float | None,
    fast: float | None,
    hold: HoldReason | None,
    rules: SignalRules,
) -> str:
    parts = [
        f"policy={rules.policy}",
        f"model={forecast.model_version}",
        f"score={_shown(score)}",
        f"dead_band={_shown(rules.dead_band)}",
    ]
    if rules.policy is SignalPolicy.ENSEMBLE:
        parts.append(f"fast={_shown(fast)}")
    if hold is not None:
        parts.append(f"hold={hold}")
    if forecast.why is not None:
        parts.append(f"why={forecast.why}")
    return ";".join(parts)


def _shown(number: float | None) -> str:
    return "none" if number is None else f"{number:.{_SHOWN_DIGITS}f}"
