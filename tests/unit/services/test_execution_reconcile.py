"""An order that ends while the record is read is no difference to the venue."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from marketsentry.core.orders.order import Fill, Side
from marketsentry.ports.accounts import Account
from marketsentry.ports.venue import LegView, VenueFill
from marketsentry.services.execution_reconcile import ReconcileParts, reconcile_all

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
FILL = Fill("t-1", Decimal(1), Decimal(100), Decimal(0), "USD", AT)


@dataclass
class _Clock:
    at: datetime = AT

    def now(self) -> datetime:
        return self.at


class _Venue:
    """Has filled the one order; notes since when it was asked for fills."""

    def __init__(self) -> None:
        self.asked: list[datetime] = []

    async def open_orders(self) -> Sequence[LegView]:
        return ()

    async def fills_since(self, since: datetime) -> Sequence[VenueFill]:
        self.asked.append(since)
        return [VenueFill("BTC", "v-1", "ms-7-l", Side.BUY, FILL)]


@dataclass
class _Venues:
    venue: _Venue = field(default_factory=_Venue)

    async def open(self, adapter: str, venue: str, *, fee_bps: Decimal) -> Any:
        return self.venue


@dataclass
class _Orders:
    """Order 7 books its fill and ends as soon as anything was read of it: each statement sees the newest state."""

    is_over: bool = False

    async def known_legs(self, ids: Sequence[str]) -> Mapping[str, int]:
        return dict.fromkeys(ids, 7)

    async def known_trades(self, account_id: int, trade_ids: Sequence[str]) -> frozenset[str]:
        found = frozenset(trade_ids) if self.is_over else frozenset[str]()
        self.is_over = True
        return found

    async def open(self, *, account_id: int | None = None) -> Sequence[Any]:
        found = [] if self.is_over else [SimpleNamespace(id=7)]
        self.is_over = True
        return found


class _Accounts:
    async def list(self) -> Sequence[Account]:
        return [Account(1, "sim", "sim", "main", "USD")]


async def test_an_order_that_ends_between_two_looks_is_no_difference() -> None:
    stores = SimpleNamespace(orders=_Orders(), accounts=_Accounts())

    @asynccontextmanager
    async def transactions() -> AsyncIterator[Any]:
        yield stores

    assert await reconcile_all(ReconcileParts(transactions, _Venues(), _Clock())) == []


async def test_all_fills_are_read_once_an_hour_and_after_an_outage_those_of_it() -> None:
    stores = SimpleNamespace(orders=_Orders(is_over=True), accounts=_Accounts())

    @asynccontextmanager
    async def transactions() -> AsyncIterator[Any]:
        yield stores

    venue, clock, hour = _Venue(), _Clock(), timedelta(hours=1)
    parts = ReconcileParts(transactions, _Venues(venue), clock)
    for hours in (0.0, 0.5, 0.9, 1.0, 1.5, 40.0, -5.0):  # the last: the clock was set back
        clock.at = AT + hours * hour
        assert await reconcile_all(parts) == []
    assert [(AT - one) / hour for one in venue.asked] == [24.0, 1.0, 1.0, 23.0, 0.0, 0.0, 29.0]
