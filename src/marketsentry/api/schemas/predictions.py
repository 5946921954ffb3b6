"""JSON shapes of predictions and their explanations (contract section 1.3)."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from marketsentry.api.schemas.texts import BLANK_IS_ABSENT, stored_text
from marketsentry.api.schemas.times import UtcTime

MAX_PAGE = 500

Track = Literal["vc", "liquid"]
Source = Literal["model", "heuristic"]


def _upper(symbol: str) -> str:
    return symbol.upper()


Symbol = Annotated[Annotated[str, stored_text(20)], AfterValidator(_upper)]


class LiquidIn(BaseModel):
    """Which symbol, and how far ahead."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"symbol": "BTC", "horizon": "1d"}]})

    symbol: Symbol = Field(description="upper-cased")
    horizon: Literal["1h", "1d", "7d"] = "1d"


class VcIn(BaseModel):
    """Which company, and how far ahead."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"company_name": "Acme Robotics", "horizon_months": 12}]}
    )

    company_name: Annotated[str, stored_text(512)]
    horizon_months: Literal[6, 12, 24] = 12
    country: Annotated[Annotated[str, stored_text(8, min_length=0)] | None, BLANK_IS_ABSENT] = Field(
        None, description="events of an entity of which another country is known do not count"
    )
    sector: Annotated[Annotated[str, stored_text(256, min_length=0)] | None, BLANK_IS_ABSENT] = Field(
        None, description="events of an entity of which another sector is known do not count"
    )


class EventContributionOut(BaseModel):
    """An event about the target."""

    event_id: int
    event_type: str
    title: str
    weight: float = Field(description="exp(-age / 12 h), as in the feature `event_decay`")


class FeatureContributionOut(BaseModel):
    """What one feature adds to the score."""

    feature: str
    value: float | None = Field(description="null where the feature is missing")
    contribution: float


class AttributionOut(BaseModel):
    """`base_value` + the listed contributions + `rest` = the score, in the unit of `scale`."""

    scale: Literal["return", "log_odds"]
    base_value: float
    rest: float = Field(description="sum of the contributions that are not listed")
    n_features: int


class ExplanationOut(BaseModel):
    """Why the prediction says what it says."""

    model_config = ConfigDict(protected_namespaces=())

    top_event_contributors: list[EventContributionOut] = Field(description="at most 5, newest first")
    top_feature_contributors: list[FeatureContributionOut] = Field(
        description="the model's own attributions, largest first, at most 10; empty where it tells none"
    )
    evidence_links: list[str] = Field(description="addresses of the newest events, at most 5")
    attribution: AttributionOut | None = Field(description="null where the model tells no attributions")
    model_version: str
    feature_version: str


class Worth(BaseModel):
    """What the answer is worth."""

    source: Source = Field(description="`heuristic` is the cold-start rule: no trained model answered")
    tradeable: bool = Field(
        description="whether it may open a position; never for a heuristic or an abstention"
    )
    abstained: bool = Field(description="nobody answered: every number of the forecast is null")
    reason: str | None = Field(description="why no model answered; null for the answer of a model")


class PredictionOut(Worth):
    """A stored prediction."""

    prediction_id: int
    track: Track
    target: str
    outputs: dict[str, Any] = Field(
        description="liquid: `expected_return`, `vol_forecast`, `signal_confidence`, `current_price`, `horizon`, "
        "`as_of`; vc: `p_next_round`, `p_exit_24m`, `expected_moic_distribution`, `as_of`; and what they rest on"
    )
    explanation: ExplanationOut


class StoredPredictionOut(Worth):
    """A prediction read back."""

    model_config = ConfigDict(protected_namespaces=())

    id: int
    track: Track
    target: str
    score: float | None = Field(description="null when it abstained")
    confidence: float | None
    outputs: dict[str, Any]
    created_at: UtcTime
    horizon: str | None
    model_id: int | None
    feature_set_id: str | None
    decision_id: str | None
    feature_snapshot_id: int | None
    lineage_id: str | None


class ExplainedPredictionOut(StoredPredictionOut):
    """A prediction with its explanation."""

    explanation: ExplanationOut


class PredictionPageOut(BaseModel):
    """One page, newest first."""

    items: list[StoredPredictionOut]
    next_cursor: int | None = Field(description="give it as `cursor` for the next page; null on the last")
