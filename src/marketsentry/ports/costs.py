"""What own orders cost, and the fits made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from marketsentry.core.portfolio.own_costs import FittedCosts


@dataclass(frozen=True, slots=True)
class TradedMarket:
    """A symbol that was traded by an adapter; `last_fill_at` is the newest fill of it."""

    adapter: str
    symbol: str
    last_fill_at: datetime


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """An order that was filled: its notional in quote currency, and slippage and fee in bps of it.

    Slippage counts against the price that the venue names for it (the middle of its market), else against the estimate
    of the order; positive is worse for us. `filled_at` is its newest fill.
    """

    id: int
    notional_quote: float
    slippage_bps: float
    fee_bps: float
    filled_at: datetime


@dataclass(frozen=True, slots=True)
class PaidCost:
    """What an order cost in bps of its notional; the slippage is None where no price says against what it counts."""

    slippage_bps: float | None
    fee_bps: float


@dataclass(frozen=True, slots=True)
class CostFit:
    """A fit as it is stored. `prior` names the profile that it is drawn towards."""

    adapter: str
    symbol: str
    costs: FittedCosts
    prior: str
    first_fill_at: datetime
    last_fill_at: datetime
    fitted_at: datetime


class CostStore(Protocol):
    """Own orders and fits. Drills and replays of backtests are not own trading and never among them."""

    async def traded(self) -> Sequence[TradedMarket]:
        """List what was traded, by adapter and symbol."""
        ...

    async def own_orders(self, adapter: str, symbol: str, *, limit: int) -> Sequence[OwnOrder]:
        """Read filled orders that have a price to compare with, newest first."""
        ...

    async def of_order(self, order_id: int) -> PaidCost | None:
        """Tell what an order cost so far; None where nothing of it was filled."""
        ...

    async def add(self, fit: CostFit) -> None:
        """Keep a fit beside the older ones."""
        ...

    async def newest(self, adapter: str, symbols: Sequence[str]) -> Mapping[str, CostFit]:
        """Read the newest fit of each symbol that has one."""
        ...

    async def all_newest(self) -> Sequence[CostFit]:
        """Read the newest fit of every adapter and symbol."""
        ...
