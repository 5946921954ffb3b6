"""What a prediction says: numbers or an abstention, where they come from, whether they may trade, and why.

A trained model answers, or the cold-start rule does, or nobody: an answer without numbers is an abstention and
names its reason. Only what a model said may ever open a position (K-61, K-62, K-64).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from marketsentry.core.serving.explain import Explanation
from marketsentry.exceptions import InputError


class Source(StrEnum):
    """Who answers."""

    MODEL = "model"
    HEURISTIC = "heuristic"


class Reason(StrEnum):
    """Why a model did not answer: the first eight lead to the cold-start rule, the others to an abstention."""

    EXPERIMENTAL_TRACK = "experimental_track"
    MODEL_NOT_REGISTERED = "model_not_registered"
    MODEL_REFUSED = "model_refused"
    MODEL_ARTIFACT_MISSING = "model_artifact_missing"
    MODEL_LOAD_FAILED = "model_load_failed"
    HORIZON_NOT_SERVED = "horizon_not_served"
    NOT_IN_UNIVERSE = "not_in_universe"
    UNKNOWN_SCHEMA = "unknown_schema"
    NO_BARS = "no_bars"
    INSUFFICIENT_BARS = "insufficient_bars"
    STALE_INPUTS = "stale_inputs"
    UNIVERSE_LATE = "universe_late"
    MISSING_FEATURES = "missing_features"
    NOT_FINITE = "not_finite"


@dataclass(frozen=True, slots=True)
class Why:
    """A reason, and a sentence that names the thing, the limit and the value."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One prediction.

    `score` and `confidence` are None exactly when nobody answers; `outputs` are JSON values whose numbers are finite.
    `why` is None for the answer of a model. `tradeable` says whether it may open a position.
    """

    source: Source
    score: float | None
    confidence: float | None
    outputs: Mapping[str, Any]
    explanation: Explanation
    why: Why | None = None
    tradeable: bool = False

    def __post_init__(self) -> None:
        if (self.score is None) != (self.confidence is None):
            raise InputError("an answer has a score and a confidence, or neither")
        for number in (self.score, self.confidence):
            if number is not None and not math.isfinite(number):
                raise InputError(f"an answer must be finite, was {number}")
        if self.tradeable and (self.source is not Source.MODEL or self.abstained):
            raise InputError("only the answer of a model may trade")
        if self.why is None and (self.source is not Source.MODEL or self.abstained):
            raise InputError("an answer that is not a model's must say why")

    @property
    def abstained(self) -> bool:
        return self.score is None

    def with_outputs(self, outputs: Mapping[str, Any]) -> Self:
        """Give the same answer with other outputs."""
        return type(self)(
            self.source, self.score, self.confidence, outputs, self.explanation, self.why, self.tradeable
        )

    def document(self) -> dict[str, Any]:
        """Give the outputs as they are stored, with what the answer is worth."""
        return {
            **self.outputs,
            "source": str(self.source),
            "tradeable": self.tradeable,
            "abstained": self.abstained,
            "reason": None if self.why is None else str(self.why.reason),
            "reason_detail": None if self.why is None else self.why.detail,
        }
