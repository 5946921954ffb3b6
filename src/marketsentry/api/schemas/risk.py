"""JSON shapes of the risk plane (contract section 1.5)."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from marketsentry.api.schemas.texts import BLANK_IS_ABSENT, stored_text
from marketsentry.api.schemas.times import UtcTime
from marketsentry.core.risk.codes import GLOBAL
from marketsentry.services.risk_switch import MAX_MINUTES, MAX_REASON_LENGTH, MAX_STRATEGY_LENGTH

MAX_PAGE = 500
MAX_POSITIONS = 2_000
MAX_ABS_WEIGHT = 1e6

Track = Literal["vc", "liquid"]
State = Literal["armed", "triggered"]
Mode = Literal["no_new", "reduce_only", "flatten"]
Severity = Literal["info", "warning", "critical"]
StrategyId = Annotated[str, stored_text(MAX_STRATEGY_LENGTH)]
Reason = Annotated[str, stored_text(MAX_REASON_LENGTH)]
Label = Annotated[Annotated[str, stored_text(256, min_length=0)] | None, BLANK_IS_ABSENT]
Loss = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class PositionIn(BaseModel):
    """A weight of one target; several lines of a target are netted."""

    target: Annotated[str, stored_text(512)] = Field(description="a liquid symbol is upper-cased")
    weight: float = Field(
        ge=-MAX_ABS_WEIGHT,
        le=MAX_ABS_WEIGHT,
        allow_inf_nan=False,
        description="signed fraction of capital; positive is long",
    )
    track: Track
    sector: Label = Field(None, description="a label of the entity registry rules over it")
    style_bucket: Label = Field(None, description="a label of the entity registry rules over it")


class PositionOut(BaseModel):
    """A weight of one target, with its labels."""

    target: str
    weight: float
    track: Track
    sector: str
    style_bucket: str


class RiskCheckIn(BaseModel):
    """What to judge."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "proposed_positions": [
                        {"target": "BTC", "weight": 0.35, "track": "liquid"},
                        {"target": "ETH", "weight": 0.28, "track": "liquid"},
                    ],
                    "current_positions": [{"target": "BTC", "weight": 0.1, "track": "liquid"}],
                }
            ]
        }
    )

    proposed_positions: list[PositionIn] = Field(max_length=MAX_POSITIONS)
    current_positions: list[PositionIn] = Field(
        default_factory=list, max_length=MAX_POSITIONS, description="what the ledger holds when omitted"
    )
    realized_drawdown: Loss = 0.0
    daily_loss: Loss = 0.0
    consecutive_losses: int = Field(0, ge=0, le=2**31 - 1)
    strategy_id: StrategyId = GLOBAL
    max_sector_exposure_override: Share | None = None
    max_style_exposure_override: Share | None = None
    evaluate_only: bool = Field(
        False, description="pull no switch and store no event: the answer is what an enforced check would say"
    )


class ViolationOut(BaseModel):
    """One limit that was exceeded."""

    code: str
    rule: str
    cure: Literal["clipped", "breach"] = Field(
        description="`clipped`: the adjusted positions meet the limit; `breach`: they do not"
    )
    figure: float = Field(description="what stood against the limit")
    limit: float
    hard: bool = Field(description="a hard rule: it pulls the kill switch")


class RiskCheckOut(BaseModel):
    """The verdict."""

    approved: bool = Field(description="true only when nothing was violated")
    violations: list[str] = Field(description="codes, in the order of the steps")
    adjusted_positions: list[PositionOut] = Field(description="after every scaling step")
    gross_exposure: float
    expected_turnover: float
    hard_block: bool
    kill_switch_state: State = Field(description="after this call; of any track that is proposed")
    risk_budget_used: float
    turnover_feasible_positions: list[PositionOut] = Field(
        description="what one rebalance may reach: reductions in full, openings shared"
    )
    feasible_turnover: float
    reduces_only: bool = Field(description="the adjusted positions open nothing: allowed under any block")
    violation_details: list[ViolationOut]
    limits_version: str
    decision_id: str | None = Field(description="of the stored risk events; null when none were stored")


class HourRuleOut(BaseModel):
    """A multiplier of the volatility threshold in UTC hours."""

    first: int
    last: int
    multiplier: float


class LimitSourceOut(BaseModel):
    """Where a limit comes from."""

    variable: str
    set_by: Literal["environment", "default"]


class RiskLimitsOut(BaseModel):
    """The limits in force; they change only with a new start."""

    max_single_weight: float
    max_gross_exposure: float
    max_turnover_per_rebalance: float
    max_realized_drawdown: float
    max_sector_exposure: float
    max_style_exposure: float
    updated_at: UtcTime = Field(description="when this version of the limits was first in force")
    max_daily_loss: float
    max_consecutive_losses: int
    hard_block_minutes: int
    max_abs_return: float
    max_abs_return_by_symbol: dict[str, float]
    max_abs_return_by_hour: list[HourRuleOut]
    max_price_age_s: float
    bucket_caps: dict[str, float]
    version: str = Field(description="hash of all limits")
    sources: dict[str, LimitSourceOut]


class BlockOut(BaseModel):
    """One scope that blocks."""

    scope: str
    reason: str
    source: Literal["manual", "automatic"]
    mode: Mode
    expires_at: UtcTime | None
    remaining_seconds: int
    until_cleared: list[str] = Field(description="rules whose breach has to end first")


class SwitchOut(BaseModel):
    """The kill switch of a strategy: the row that blocks, its own first."""

    track: Track
    strategy_id: str
    state: State
    reason: str
    triggered: bool
    updated_at: UtcTime | None
    expires_at: UtcTime | None = Field(description="null when it is off, or nothing but a reset ends it")
    remaining_seconds: int = Field(description="0 when it is off or open-ended")
    metadata: dict[str, Any]
    mode: Mode | None = Field(description="strictest of what blocks; null when nothing does")
    blocks: list[BlockOut] = Field(description="every scope that blocks, the strategy's own first")


class OpeningStatusOut(BaseModel):
    """Whether new positions may be opened."""

    track: Track
    strategy_id: str
    can_open_new_positions: bool
    state: State
    block_reason: str = Field(description="`none`, or the code of the switch")
    updated_at: UtcTime | None
    expires_at: UtcTime | None
    remaining_seconds: int


class TriggerIn(BaseModel):
    """What to block, and for how long."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"track": "liquid", "reason": "venue outage", "duration_minutes": 60}]
        }
    )

    track: Track
    strategy_id: StrategyId = GLOBAL
    reason: Reason = "manual_trigger"
    duration_minutes: Annotated[int, Field(ge=1, le=MAX_MINUTES)] | None = Field(
        None, description="null holds until a reset"
    )
    mode: Mode = Field("reduce_only", description="no mode lets open; `flatten` demands closing too")


class ResetIn(BaseModel):
    """What to arm again."""

    track: Track
    strategy_id: StrategyId = GLOBAL
    reason: Reason = "manual_reset"


class RiskEventOut(BaseModel):
    """One entry of the audit stream."""

    id: int
    decision_id: str | None
    severity: Severity
    code: str
    message: str
    payload: dict[str, Any]
    created_at: UtcTime


class RiskEventPageOut(BaseModel):
    """One page, newest first."""

    items: list[RiskEventOut]
    next_cursor: int | None = Field(description="give it as `cursor` for the next page; null on the last")
