"""The cold-start rules of contract 1.3: what is said of a target that no trained model can serve.

They count events. That is no forecast of a trained model and is never presented as one: the answer says
`heuristic`, and it cannot open a position (K-62). The venture track has nothing else yet and is experimental (K-68).
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from marketsentry.core.market.timestamps import utc_text
from marketsentry.core.serving.answer import Answer, Source, Why
from marketsentry.core.serving.explain import ContextEvent, attribute, explain
from marketsentry.exceptions import InputError

LIQUID_VERSION = "liquid-tsfm-adapter-baseline-v2"
VC_VERSION = "vc-survival-baseline-v2"
VC_FEATURE_VERSION = "feature-store-v2.0"
LIQUID_SCALE = {"1h": 0.3, "1d": 1.0, "7d": 2.1}
VC_SHIFT = {6: 0.10, 12: 0.0, 24: -0.05}
_LIQUID_WEIGHTS = {"market": 0.002, "regulatory": -0.003}
_VC_WEIGHTS = {"funding": 0.9, "product": 0.4, "regulatory": -0.6}
_LOG_ODDS_OF_Z = 0.7


@dataclass(frozen=True, slots=True)
class Price:
    """The newest known price of a symbol in quote currency, when it was true (UTC epoch ns), and who said so."""

    value: float
    at_ns: int
    source: str

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value > 0):
            raise InputError(f"price must be finite and positive, was {self.value}")


def liquid_cold_start(
    events: Sequence[ContextEvent], horizon: str, *, as_of_ns: int, feature_version: str, why: Why
) -> Answer:
    """Estimate a return by the counts of market and regulatory events.

    Parameters
    ----------
    events : sequence of ContextEvent
        The context of the target.
    horizon : str
        `1h`, `1d` or `7d`.
    as_of_ns : int
        When the estimate is made, UTC epoch ns.
    feature_version : str
        Told in the explanation.
    why : Why
        Why no model serves.

    Returns
    -------
    Answer
        Its score is the expected return; the terms of the rule are its contributions.

    Raises
    ------
    InputError
        If the horizon is none of the three.
    """
    if horizon not in LIQUID_SCALE:
        raise InputError(f"horizon must be one of {', '.join(LIQUID_SCALE)}, was {horizon}")
    count = Counter(event.event_type for event in events)
    scale = LIQUID_SCALE[horizon]
    terms = np.array([weight * count[kind] * scale for kind, weight in _LIQUID_WEIGHTS.items()] + [0.0])
    expected = float(terms.sum())
    confidence = _clamp(0.55 + 0.03 * len(events), 0.30, 0.95)
    names = [f"{kind}_events" for kind in _LIQUID_WEIGHTS]
    values = np.array([float(count[kind]) for kind in _LIQUID_WEIGHTS])
    return Answer(
        source=Source.HEURISTIC,
        score=expected,
        confidence=confidence,
        outputs={
            "expected_return": expected,
            "vol_forecast": max(0.01, 0.02 + 0.0025 * (count["market"] + count["regulatory"])),
            "signal_confidence": confidence,
        },
        explanation=explain(
            events,
            attribute(names, values, terms, score=expected, scale="return"),
            as_of_ns=as_of_ns,
            model_version=LIQUID_VERSION,
            feature_version=feature_version,
        ),
        why=why,
    )


def vc_cold_start(events: Sequence[ContextEvent], horizon_months: int, *, as_of_ns: int, why: Why) -> Answer:
    """Estimate the next round and the exit of a company by the counts of its events.

    Parameters
    ----------
    events : sequence of ContextEvent
        The context of the company.
    horizon_months : int
        6, 12 or 24.
    as_of_ns : int
        When the estimate is made, UTC epoch ns.
    why : Why
        Why no model serves.

    Returns
    -------
    Answer
        Its score is the probability of a next round; the contributions are terms of its log odds before clipping.

    Raises
    ------
    InputError
        If the horizon is none of the three.
    """
    if horizon_months not in VC_SHIFT:
        raise InputError(f"horizon_months must be one of 6, 12, 24, was {horizon_months}")
    count = Counter(event.event_type for event in events)
    weighted = {kind: weight * count[kind] for kind, weight in _VC_WEIGHTS.items()}
    z, shift = math.fsum(weighted.values()), VC_SHIFT[horizon_months]
    log_odds = _LOG_ODDS_OF_Z * z + shift
    p = _clamp(_sigmoid(log_odds), 0.01, 0.99)
    p_exit = _clamp(_sigmoid(0.3 * z - 0.4), 0.01, 0.95)
    terms = np.array([_LOG_ODDS_OF_Z * term for term in weighted.values()] + [shift])
    names = [f"{kind}_events" for kind in _VC_WEIGHTS]
    values = np.array([float(count[kind]) for kind in _VC_WEIGHTS])
    return Answer(
        source=Source.HEURISTIC,
        score=p,
        confidence=min(0.95, 0.55 + 0.04 * len(events)),
        outputs={
            "p_next_round": {
                "6m": _clamp(p + 0.05, 0.01, 0.99),
                "12m": p,
                "24m": _clamp(p - 0.08, 0.01, 0.99),
            },
            "p_exit_24m": p_exit,
            "expected_moic_distribution": {
                "p10": 0.6 + 0.8 * p,
                "p50": 1.0 + 1.6 * p,
                "p90": 1.2 + 3.5 * p + 2.0 * p_exit,
            },
            "experimental": True,
        },
        explanation=explain(
            events,
            attribute(names, values, terms, score=log_odds, scale="log_odds"),
            as_of_ns=as_of_ns,
            model_version=VC_VERSION,
            feature_version=VC_FEATURE_VERSION,
        ),
        why=why,
    )


def price_outputs(price: Price) -> dict[str, Any]:
    """Say what the price is and where it comes from."""
    return {"current_price": price.value, "price_source": price.source, "price_at": utc_text(price.at_ns)}


def _sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def _clamp(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
