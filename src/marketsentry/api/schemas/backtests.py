"""JSON shapes of the backtest endpoints (contract section 1.7)."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from marketsentry.api.schemas.times import UtcTime
from marketsentry.core.market.symbols import Market

Track = Literal["vc", "liquid"]
Horizon = Literal["1h", "1d", "7d"]
Target = Annotated[str, StringConstraints(min_length=1, max_length=64, strip_whitespace=True)]
Bps = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
MAX_TARGETS = 200


class BacktestIn(BaseModel):
    """What to replay. Nothing is accepted and ignored: a field is honoured or refused."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "examples": [
                {
                    "track": "liquid",
                    "targets": ["BTC", "ETH"],
                    "horizon": "1h",
                    "lookback_days": 90,
                    "fee_bps": 5,
                }
            ]
        },
    )

    track: Track
    targets: list[Target] = Field(
        default_factory=list, max_length=MAX_TARGETS, description="symbols; empty means the default universe"
    )
    horizon: Horizon = Field("1d", description="how far ahead the model predicts")
    model_name: str | None = Field(
        None, min_length=1, max_length=128, description="empty means the track default"
    )
    model_version: str | None = Field(None, min_length=1, max_length=64)
    data_version: str = Field("v1", min_length=1, max_length=64)
    lookback_days: int = Field(
        90, ge=14, le=730, description="length of the window that ends at the newest snapshot"
    )
    train_days: int = Field(
        35,
        ge=7,
        le=365,
        description="first part of the window, not traded: the history a model must have had",
    )
    test_days: int = Field(7, ge=1, le=90, description="length of each reported test window")
    fee_bps: Bps = Field(5, description="fee on traded notional")
    slippage_bps: Bps = Field(3, description="half-spread paid on traded notional; impact comes on top")
    market: Market = Field(Market.SPOT, description="`perp` trades perpetuals: `BTC` then means `BTC-PERP`")
    leverage: float = Field(
        1,
        ge=1,
        le=100,
        allow_inf_nan=False,
        description="gross that the venue of perpetuals lends for; 1 on spot",
    )


class BacktestOut(BaseModel):
    """The stored run. A run that could not be made has `status` `failed` and its reason in `metrics`."""

    run_id: int
    run_name: str = Field(description="`{track}-wf-{UTC yyyymmddHHMMSS}`")
    track: Track
    status: Literal["completed", "failed", "running"]
    metrics: dict[str, Any] = Field(description="every key of contract 1.7, also when the run failed")
    config: dict[str, Any] = Field(description="the request with resolved targets and model")


class StoredBacktestOut(BaseModel):
    """A run read back."""

    id: int
    run_name: str
    track: Track
    started_at: UtcTime
    ended_at: UtcTime | None
    metrics: dict[str, Any]
    config: dict[str, Any]
    created_at: UtcTime
