"""JSON shapes of accounts, what they hold and what they gained (contract section 1.12)."""

from typing import Literal

from pydantic import BaseModel, Field

from marketsentry.api.schemas.times import UtcTime

MAX_PAGE = 500
MAX_LOOKBACK_HOURS = 8760


class PartsOut(BaseModel):
    """Quote currency; positive is gain. The five parts add up to `net_pnl`."""

    selection_pnl: float = Field(description="what the average exposure of each target earned")
    timing_pnl: float = Field(description="varying exposure against its own average")
    execution_pnl: float = Field(description="fill price against the price of the decision")
    cost_pnl: float = Field(description="minus fees and funding paid")
    risk_constraint_pnl: float = Field(description="weights after risk limits against those before them")
    net_pnl: float
    market_pnl: float = Field(
        description="of `selection_pnl`: what an equal-weight universe at the same average exposure earned"
    )


class ProfitTotalsOut(PartsOut):
    """All targets together."""

    residual: float = Field(description="the ledger's mark-to-market change less `net_pnl`")
    ledger_change: float = Field(description="change of equity by the ledger, less what was paid in")
    gross_notional_signed: float = Field(description="sales less purchases at fill prices")
    reject_rate: float


class TargetProfitOut(PartsOut):
    """One target."""

    target: str
    notional: float = Field(description="traded, at fill prices")
    orders: int
    rejected: int


class AttributionOut(BaseModel):
    """Where the profit of a track came from."""

    track: Literal["vc", "liquid"]
    lookback_hours: int
    totals: ProfitTotalsOut
    by_target: list[TargetProfitOut] = Field(description="at most 100, largest traded notional first")
    generated_at: UtcTime


class AccountOut(BaseModel):
    """One account at one venue."""

    id: int
    adapter: str
    venue: str
    name: str
    currency: str


class AccountListOut(BaseModel):
    """All accounts, oldest first."""

    items: list[AccountOut]


class PositionOut(BaseModel):
    """What a strategy holds of a target; quantities in base units, money in quote currency."""

    account_id: int
    strategy_id: str
    track: str
    target: str
    qty: float = Field(description="signed: positive is long")
    average_price: float
    mark_price: float | None
    marked_at: UtcTime | None
    notional: float | None = Field(description="signed, at the mark; null without a mark")
    unrealised_pnl: float | None
    realised_pnl: float = Field(description="before fees and funding")
    fees: float
    funding: float
    net_pnl: float = Field(description="realised, after fees and funding")
    round_trips: int
    losing_streak: int
    updated_at: UtcTime


class PositionPageOut(BaseModel):
    """Positions by account, strategy and target."""

    items: list[PositionOut]
    next_cursor: str | None = Field(description="asks for the next page; null on the last")


class EquityOut(BaseModel):
    """What a strategy, or a whole track, was worth at a time; money in quote currency."""

    id: int
    at: UtcTime
    equity: float
    cash: float
    gross: float = Field(description="sum of absolute notionals")
    peak: float
    day_start: float = Field(description="at the last mark before 00:00 UTC")
    drawdown: float = Field(description="positive fraction of the peak")
    daily_loss: float = Field(description="positive fraction of the start of the day")
    marks: dict[str, float]
    decision_id: str | None


class EquityPageOut(BaseModel):
    """Marks of equity, newest first."""

    items: list[EquityOut]
    next_cursor: int | None = Field(description="asks for the next page; null on the last")


class FillOut(BaseModel):
    """One execution."""

    id: int
    order_id: int
    decision_id: str
    account_id: int
    strategy_id: str
    track: str
    target: str
    side: Literal["buy", "sell"]
    qty: float
    price: float
    fee: float
    fee_currency: str
    fee_quote: float
    reference_price: float | None
    liquidity: str
    client_order_id: str
    venue_trade_id: str
    filled_at: UtcTime


class FillPageOut(BaseModel):
    """Fills, newest first."""

    items: list[FillOut]
    next_cursor: int | None = Field(description="asks for the next page; null on the last")


class EntryOut(BaseModel):
    """One movement of cash: positive comes in."""

    id: int
    account_id: int
    strategy_id: str
    track: str
    kind: str
    target: str | None
    currency: str
    amount: float
    reference: str
    fill_id: int | None
    at: UtcTime


class EntryPageOut(BaseModel):
    """Ledger entries, newest first."""

    items: list[EntryOut]
    next_cursor: int | None = Field(description="asks for the next page; null on the last")
