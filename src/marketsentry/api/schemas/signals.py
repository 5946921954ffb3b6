"""JSON shapes of signals and decisions (contract section 1.4)."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from marketsentry.api.schemas.texts import stored_text
from marketsentry.api.schemas.times import UtcTime
from marketsentry.core.market.symbols import MAX_SYMBOL_LENGTH
from marketsentry.ports.decisions import DecisionSource

MAX_PAGE = 500

Track = Literal["vc", "liquid"]
Horizon = Literal["1h", "1d", "7d"]
Action = Literal["buy", "sell", "hold"]
Bucket = Literal["trend", "event", "mean_reversion"]
Name = Annotated[str, stored_text(64)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class SignalIn(BaseModel):
    """Of what to make a signal, and how."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"track": "liquid", "target": "BTC", "horizon": "1d"}]}
    )

    track: Track
    target: Annotated[str, stored_text(512)] = Field(description="a symbol, upper-cased, or a company")
    horizon: Horizon = "1d"
    policy: Literal["baseline-v2", "ensemble-v1"] = "baseline-v2"
    min_confidence: Share = 0.4
    strategy_id: Name = "default-liquid-v1"
    cost_profile: Name = Field(
        "standard", description="`low`, `standard` or `high`: its round trip is the dead band"
    )
    risk_profile: Name = Field(
        "balanced",
        description="`conservative`, `balanced` or `aggressive`: how many round trips a score must promise",
    )

    @model_validator(mode="after")
    def _has_a_symbol(self) -> Self:
        if self.track == "liquid":
            if len(self.target) > MAX_SYMBOL_LENGTH:
                raise ValueError(
                    f"a liquid target must have at most {MAX_SYMBOL_LENGTH} characters, had {len(self.target)}"
                )
            self.target = self.target.upper()
        return self


class SignalFacts(BaseModel):
    """What a signal says."""

    track: Track
    target: str
    horizon: str
    action: Action
    score: float | None = Field(description="null when nobody answered; then the action is `hold`")
    confidence: float | None
    reason: str = Field(description="`;`-joined pairs; `hold=` names why nothing is bought or sold")
    policy: str
    strategy_bucket: Bucket
    created_at: UtcTime
    decision_id: str
    prediction_id: int | None
    expires_at: UtcTime = Field(description="one horizon after the prediction was made")


class SignalOut(SignalFacts):
    """A signal as it was stored."""

    signal_id: int


class StoredSignalOut(SignalFacts):
    """A signal read back."""

    id: int
    strategy_id: str
    metadata: dict[str, Any]


class SignalPageOut(BaseModel):
    """One page, newest first."""

    items: list[StoredSignalOut]
    next_cursor: int | None = Field(description="give it as `cursor` for the next page; null on the last")


class DecisionOut(BaseModel):
    """A decision; its signals, orders, positions and risk events carry its id."""

    decision_id: str
    track: Track = Field(description="of the first thing decided on; `metadata` lists them all")
    strategy_id: str
    source: DecisionSource
    as_of: UtcTime
    is_approved: bool = Field(description="orders of a decision that is not approved are never run")
    capital: float | None
    violations: list[dict[str, Any]]
    metadata: dict[str, Any]
    created_at: UtcTime


class DecisionPageOut(BaseModel):
    """One page, newest first."""

    items: list[DecisionOut]
    next_cursor: str | None = Field(description="give it as `cursor` for the next page; null on the last")
