"""How good a book looks at a glance (contract 1.4, `portfolio/score`)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from marketsentry.exceptions import InputError

LEAST_RISK = 0.01
RETURN_SHARE = 0.8
MOST_VOLATILITY = 2.5


@dataclass(frozen=True, slots=True)
class ScoredPosition:
    """A position with its score and its risk, which is >= 0 and in the unit of the risk budget."""

    target: str
    track: str
    score: float
    risk: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.score):
            raise InputError(f"score of {self.target} must be finite, was {self.score}")
        if not 0.0 <= self.risk < math.inf:
            raise InputError(f"risk of {self.target} must be >= 0 and finite, was {self.risk}")


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to do with a position: `increase`, `reduce` or `hold`."""

    target: str
    action: str
    track: str


@dataclass(frozen=True, slots=True)
class PortfolioScore:
    """Scores are dimensionless; `expected_volatility` is at most 2.5."""

    alpha_score: float
    expected_return: float
    expected_volatility: float
    recommendations: tuple[Recommendation, ...]


def score_portfolio(positions: Sequence[ScoredPosition], risk_budget: float) -> PortfolioScore:
    """Score a book.

    Parameters
    ----------
    positions : sequence of ScoredPosition
        At least one.
    risk_budget : float
        Greater than 0.

    Returns
    -------
    PortfolioScore
        `alpha_score` is the mean of ``score / max(risk, 0.01)``, `expected_return` 0.8 of it, `expected_volatility`
        ``min(2.5, mean(risk) / risk_budget)``.

    Raises
    ------
    InputError
        If there is no position, or the budget is not a positive number.
    """
    if not positions:
        raise InputError("positions cannot be empty")
    if not 0.0 < risk_budget < math.inf:
        raise InputError(f"risk_budget must be > 0 and finite, was {risk_budget}")
    n = len(positions)
    alpha = math.fsum(one.score / max(one.risk, LEAST_RISK) / n for one in positions)
    risk = math.fsum(one.risk / n for one in positions)
    return PortfolioScore(
        alpha_score=alpha,
        expected_return=RETURN_SHARE * alpha,
        expected_volatility=min(MOST_VOLATILITY, risk / risk_budget),
        recommendations=tuple(
            Recommendation(one.target, _recommended(one, risk_budget), one.track) for one in positions
        ),
    )


def _recommended(position: ScoredPosition, risk_budget: float) -> str:
    if position.score < 0.0:
        return "reduce"
    return "increase" if position.score > 0.0 and position.risk < risk_budget else "hold"
