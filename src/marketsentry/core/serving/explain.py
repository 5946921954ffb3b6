"""Why a prediction says what it says: events beside it, and the parts that its score is the sum of (K-67).

The parts are the answering model's own additive attributions, or the terms of the cold-start rule. A model that
gives none has none here: nothing is made up.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.events import DECAY_HOURS
from marketsentry.core.market.interval import NS_PER_S
from marketsentry.exceptions import InputError

MAX_EVENTS = 5
MAX_LINKS = 5
MAX_FEATURES = 10
SUM_TOLERANCE = 1e-9
"""By how much the parts may miss the score, relative to the larger of 1 and their absolute sum."""


@dataclass(frozen=True, slots=True)
class ContextEvent:
    """An event about the target, with its row id; times are UTC epoch ns."""

    id: int
    event_type: str
    title: str
    occurred_at_ns: int
    source_url: str | None


@dataclass(frozen=True, slots=True)
class EventContribution:
    """An event and its recency weight ``exp(-age / 12 h)``, the one the feature `event_decay` gives it."""

    event_id: int
    event_type: str
    title: str
    weight: float


@dataclass(frozen=True, slots=True)
class FeatureContribution:
    """The part of the score that one feature is answerable for; `value` is None where the feature is missing."""

    feature: str
    value: float | None
    contribution: float


@dataclass(frozen=True, slots=True)
class Attribution:
    """What the score is the sum of: `base_value`, the features that are listed, and `rest`, the sum of the others.

    `scale` is the unit of the sum: `return`, or `log_odds` for a probability before it is clipped.
    """

    scale: str
    base_value: float
    rest: float
    n_features: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is stored beside a prediction. `attribution` is None where the model tells no contributions."""

    top_event_contributors: tuple[EventContribution, ...]
    top_feature_contributors: tuple[FeatureContribution, ...]
    evidence_links: tuple[str, ...]
    attribution: Attribution | None
    model_version: str
    feature_version: str


def explain(
    events: Sequence[ContextEvent],
    parts: tuple[tuple[FeatureContribution, ...], Attribution | None],
    *,
    as_of_ns: int,
    model_version: str,
    feature_version: str,
) -> Explanation:
    """Put an explanation together.

    Parameters
    ----------
    events : sequence of ContextEvent
        About the target, in any order.
    parts : tuple of (contributions, attribution)
        What `attribute` gave; `((), None)` for a model that tells none.
    as_of_ns : int
        When the prediction is made, UTC epoch ns.
    model_version : str
        Who answered.
    feature_version : str
        Of the features it read.

    Returns
    -------
    Explanation
        The newest events, at most `MAX_EVENTS`, and the addresses of the newest that have one.
    """
    newest = sorted(events, key=lambda event: (event.occurred_at_ns, event.id), reverse=True)
    links = dict.fromkeys(event.source_url for event in newest if event.source_url)
    return Explanation(
        top_event_contributors=tuple(
            EventContribution(one.id, one.event_type, one.title, recency(one.occurred_at_ns, as_of_ns))
            for one in newest[:MAX_EVENTS]
        ),
        top_feature_contributors=parts[0],
        evidence_links=tuple(links)[:MAX_LINKS],
        attribution=parts[1],
        model_version=model_version,
        feature_version=feature_version,
    )


def recency(occurred_at_ns: int, as_of_ns: int) -> float:
    """Weigh an event by its age: 1 when it happens, halved about every 8 hours."""
    age_h = max(0, as_of_ns - occurred_at_ns) / (3_600 * NS_PER_S)
    return math.exp(-age_h / DECAY_HOURS)


def attribute(
    names: Sequence[str],
    values: NDArray[np.float64],
    contributions: NDArray[np.float64],
    *,
    score: float,
    scale: str,
) -> tuple[tuple[FeatureContribution, ...], Attribution]:
    """Order the parts of a score, and prove that they add up to it.

    Parameters
    ----------
    names : sequence of str
        The features, F of them.
    values : ndarray of shape (F,)
        What the model read, NaN = missing.
    contributions : ndarray of shape (F + 1,)
        Part of each feature; the last is the base value. In the unit of the score.
    score : float
        What the model predicted.
    scale : str
        Unit of the sum.

    Returns
    -------
    tuple of (contributions, Attribution)
        At most `MAX_FEATURES` parts, largest first by absolute value, without those that are zero.

    Raises
    ------
    InputError
        If shapes differ, a part is not finite, or the parts do not add up to `score` within `SUM_TOLERANCE`.
    """
    n_features = len(names)
    if values.shape != (n_features,) or contributions.shape != (n_features + 1,):
        raise InputError(
            f"contributions of {n_features} features must have shape ({n_features + 1},), "
            f"were {contributions.shape}"
        )
    parts = contributions.astype(np.float64).tolist()
    if not all(map(math.isfinite, parts)):
        raise InputError("contributions must be finite")
    total = math.fsum(parts)
    allowed = SUM_TOLERANCE * max(1.0, math.fsum(map(abs, parts)))
    if not abs(total - score) <= allowed:
        raise InputError(f"contributions must add up to the prediction {score}, add up to {total}")
    base = parts.pop()
    order = sorted(range(n_features), key=[-abs(part) for part in parts].__getitem__)
    listed = [i for i in order[:MAX_FEATURES] if parts[i] != 0.0]
    read = values.tolist()
    found = tuple(
        FeatureContribution(names[i], None if math.isnan(read[i]) else read[i], parts[i]) for i in listed
    )
    rest = math.fsum([parts[i] for i in order[len(listed) :]])
    return found, Attribution(scale, base, rest, n_features)
