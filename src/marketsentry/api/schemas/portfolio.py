"""JSON shapes of the portfolio (contract section 1.4)."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from marketsentry.api.schemas.ids import MAX_ID
from marketsentry.api.schemas.order_terms import Strategy
from marketsentry.api.schemas.risk import PositionIn, ViolationOut
from marketsentry.api.schemas.signals import Action, Horizon, Name, Share, Track
from marketsentry.api.schemas.texts import stored_text
from marketsentry.api.schemas.times import UtcTime
from marketsentry.core.portfolio.strength import MAX_ABS_SCORE

MAX_LINES = 500
MAX_CAPITAL = 1e15

Score = Annotated[float, Field(ge=-MAX_ABS_SCORE, le=MAX_ABS_SCORE, allow_inf_nan=False)]
Budget = Annotated[float, Field(gt=0, le=1_000, allow_inf_nan=False)]
Target = Annotated[str, stored_text(512)]


class ScoredPositionIn(BaseModel):
    """A position with its score and risk."""

    target: Target
    track: Track
    score: Score
    risk: float = Field(ge=0, allow_inf_nan=False)


class ScoreIn(BaseModel):
    """A book to score."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "positions": [{"target": "BTC", "track": "liquid", "score": 0.02, "risk": 0.1}],
                    "risk_budget": 1.0,
                }
            ]
        }
    )

    positions: list[ScoredPositionIn] = Field(max_length=MAX_LINES)
    risk_budget: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0


class RecommendationOut(BaseModel):
    """What to do with a position."""

    target: str
    action: Literal["increase", "reduce", "hold"]
    track: Track


class ScoreOut(BaseModel):
    """How good a book looks at a glance."""

    alpha_score: float = Field(description="mean of score / max(risk, 0.01)")
    expected_return: float
    expected_volatility: float = Field(description="mean risk / budget, at most 2.5")
    recommendations: list[RecommendationOut]


class RebalanceSignalIn(BaseModel):
    """A signal to act on; several lines of one target are netted."""

    target: Target
    track: Track
    action: Action
    score: Score
    confidence: Share
    horizon: Horizon = "1d"
    signal_id: Annotated[int, Field(ge=1, le=MAX_ID)] | None = Field(
        None, description="the stored signal; it must agree and not have expired, and gives the bucket"
    )


class RebalanceIn(BaseModel):
    """Signals, what is held, and how much may be used."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "signals": [
                        {
                            "target": "BTC",
                            "track": "liquid",
                            "action": "buy",
                            "score": 0.08,
                            "confidence": 0.8,
                        },
                        {
                            "target": "ETH",
                            "track": "liquid",
                            "action": "sell",
                            "score": -0.03,
                            "confidence": 0.7,
                        },
                    ],
                    "current_positions": [{"target": "BTC", "weight": 0.05, "track": "liquid"}],
                    "risk_budget": 0.6,
                }
            ]
        }
    )

    signals: list[RebalanceSignalIn] = Field(max_length=MAX_LINES)
    current_positions: list[PositionIn] = Field(default_factory=list, max_length=MAX_LINES)
    capital: Annotated[float, Field(gt=0, le=MAX_CAPITAL, allow_inf_nan=False)] = Field(
        1.0, description="in quote currency"
    )
    risk_budget: Budget = Field(1.0, description="sum of absolute weights to use")
    strategy_id: Strategy = "default-liquid-v1"
    cost_profile: Name = Field(
        "standard", description="`low`, `standard` or `high`: what orders are expected to cost"
    )


class BookPositionOut(BaseModel):
    """A weight to hold, with its labels."""

    target: str
    weight: float
    track: Track
    sector: str | None
    style_bucket: str | None


class PlannedOrderOut(BaseModel):
    """An order as it was stored."""

    order_id: int
    target: str
    track: Track
    side: Literal["buy", "sell"]
    quantity: float = Field(description="change of weight times capital")
    notional: float = Field(description="in quote currency")
    base_quantity: float | None = Field(description="notional / est_price; null without a price")
    est_price: float | None
    price_ts: UtcTime | None
    est_cost_bps: float = Field(description="fee, half the spread, and impact of this size on this symbol")
    reduce_only: bool
    status: str
    signal_id: int | None
    metadata: dict[str, Any]


class RebalanceOut(BaseModel):
    """The stored decision: the book to hold and the orders that lead to it."""

    decision_id: str
    target_positions: list[BookPositionOut]
    expected_turnover: float
    orders: list[PlannedOrderOut]
    risk_ok: bool = Field(description="true only when nothing was violated")
    risk_violations: list[str] = Field(description="codes, in the order of the steps")
    violation_details: list[ViolationOut] = Field(
        description="`clipped`: cured by scaling; `breach`: not cured, and every order is `blocked`"
    )
    gross_exposure: float
    created_at: UtcTime
