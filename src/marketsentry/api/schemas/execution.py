"""JSON shapes of execution (contract section 1.6)."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from marketsentry.api.schemas.numbers import JsonNumber
from marketsentry.api.schemas.order_terms import Name, Strategy, TermsIn
from marketsentry.api.schemas.texts import JsonObject, stored_text
from marketsentry.api.schemas.times import UtcTime
from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.terms import MarginMode, PositionMode, ProductType

MAX_PAGE = 500
MAX_ORDERS = 1_000

Track = Literal["vc", "liquid"]
Side = Literal["buy", "sell"]
InForce = Literal["GTC", "IOC", "FOK"]
Status = Literal[
    "simulated",
    "submitted",
    "executing",
    "unknown",
    "blocked",
    "filled",
    "partially_filled",
    "rejected",
    "canceled",
    "expired",
]
Amount = Annotated[Decimal, Field(gt=0, lt=Decimal("1e18"), max_digits=60, allow_inf_nan=False), JsonNumber()]
Bps = Annotated[Decimal, Field(ge=0, max_digits=40, allow_inf_nan=False), JsonNumber()]


class OrderIn(BaseModel):
    """One order."""

    target: Annotated[str, stored_text(512)] = Field(description="a liquid symbol is upper-cased")
    track: Track = "liquid"
    side: Side
    quantity: Amount = Field(description="base units")
    est_price: Amount | None = Field(None, description="what it is decided on; a limit leg goes first then")
    strategy_id: Strategy = "default-liquid-v1"
    decision_id: Name | None = Field(
        None, description="joins this decision; all orders name the same or none"
    )
    reduce_only: bool = Field(
        False, description="refused as `reduce_only_opens` where it would not only close"
    )
    metadata: JsonObject = Field(default_factory=dict)


class OrdersIn(TermsIn):
    """Orders to store; `execution/run` executes them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "adapter": "paper",
                    "orders": [{"target": "BTC", "side": "buy", "quantity": 0.01, "est_price": 60000}],
                }
            ]
        }
    )

    time_in_force: InForce = "IOC"
    max_slippage_bps: Annotated[Bps, Field(le=2000)] = Decimal(20)
    orders: list[OrderIn] = Field(max_length=MAX_ORDERS)

    @field_validator("orders")
    @classmethod
    def _are_of_the_market(cls, orders: list[OrderIn], info: ValidationInfo) -> list[OrderIn]:
        market = info.data.get("market_type")
        for one in orders if market is not None else ():
            if one.target.upper().endswith("-PERP") != (market is Market.PERP):
                raise ValueError(f"market_type {market} does not trade {one.target}: perpetuals end in -PERP")
        return orders


class OrdersOut(BaseModel):
    """What was stored."""

    decision_id: str
    adapter: str
    venue: str
    accepted_orders: int
    order_ids: list[int]


class RunIn(TermsIn):
    """Which decision to execute, and how. Zeros mean zero."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"decision_id": "0" * 32}]})

    decision_id: Name
    time_in_force: InForce = Field("IOC", description="when it is not said, that of each order")
    reduce_only: bool = Field(False, description="for every order of the run")
    max_slippage_bps: Annotated[
        Bps, Field(le=2000, description="when it is not said, that of each order")
    ] = Decimal(20)
    max_orders: int = Field(100, ge=1, le=MAX_ORDERS)
    limit_timeout_sec: Annotated[
        Decimal, Field(ge=Decimal("0.1"), le=30, max_digits=40, allow_inf_nan=False), JsonNumber()
    ] = Decimal(2)
    max_retries: int = Field(1, ge=0, le=10)
    fee_bps: Annotated[Bps, Field(le=1000, description="what the paper venue takes")] = Decimal(5)


class LifecycleOut(BaseModel):
    """One step of an execution, with the time when it happened."""

    event: str
    status: str
    time: str
    metrics: dict[str, float]
    reason: str | None
    venue_order_id: str | None


class ExecutionOut(BaseModel):
    """What became of an order."""

    status: Status
    filled_qty: float = Field(description="base units")
    remaining_qty: float
    avg_fill_price: float | None = Field(description="null when nothing was filled")
    fees_paid: float
    reject_reason: str | None
    venue_order_id: str | None
    lifecycle: list[LifecycleOut]


class OrderOut(BaseModel):
    """An order."""

    order_id: int
    decision_id: str
    target: str
    side: Side
    quantity: float = Field(description="as it was asked for, in the unit of the endpoint that stored it")
    base_quantity: float | None = Field(description="what is executed, base units; null without a price")
    notional: float | None = Field(description="quote currency")
    est_price: float | None
    price_ts: UtcTime | None
    est_cost_bps: float
    expected_cost: dict[str, Any] | None = Field(
        description="parts of it in bps; `basis` says whether they come from own fills or from the prior"
    )
    reduce_only: bool
    market_type: Market | None = Field(description="terms that the client named; null: those of the account")
    product_type: ProductType | None
    leverage: int | None
    position_mode: PositionMode | None
    margin_mode: MarginMode | None
    status: Status
    track: Track
    venue: str
    adapter: str
    time_in_force: InForce
    max_slippage_bps: float
    strategy_id: str
    signal_id: int | None
    filled_qty: float
    reject_reason: str | None
    version: int
    created_at: UtcTime
    updated_at: UtcTime
    metadata: dict[str, Any] = Field(description="with `execution` once it runs")


class ExecutedOrderOut(OrderOut):
    """An order with its execution; null before it runs."""

    execution: ExecutionOut | None


class RunOut(BaseModel):
    """The orders of a decision after a run."""

    decision_id: str
    adapter: str
    total: int
    filled: int = Field(description="filled and partially filled")
    rejected: int
    orders: list[ExecutedOrderOut]


class OrderPageOut(BaseModel):
    """One page, newest first."""

    items: list[OrderOut]
    next_cursor: int | None = Field(description="give it as `cursor` for the next page; null on the last")


class DecisionAuditOut(BaseModel):
    """Everything that hangs on one decision; every list is oldest first."""

    decision_id: str
    signals: list[dict[str, Any]]
    orders: list[ExecutedOrderOut]
    positions: list[dict[str, Any]]
    fills: list[dict[str, Any]]
    predictions: list[dict[str, Any]]
    feature_snapshots: list[dict[str, Any]]
    models: list[dict[str, Any]]
    pnl: dict[str, Any] = Field(
        description="of this decision alone, at the newest prices; what only a window of decisions can tell is null"
    )
    generated_at: UtcTime
