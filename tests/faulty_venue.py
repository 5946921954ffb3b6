"""A venue and a record that fail where a test says: before or after the n-th call."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from marketsentry.adapters.venues.paper import PaperVenue
from marketsentry.adapters.venues.registry import VenueRegistry
from marketsentry.core.orders.order import Fill
from marketsentry.core.orders.product import Product
from marketsentry.ports import Stores, Transactions
from marketsentry.ports.record_venue import Note, Offer
from marketsentry.ports.venue import (
    Balance,
    FundingPayment,
    LegRef,
    LegRequest,
    LegView,
    Quote,
    Venue,
    VenueFill,
    VenuePosition,
)


class CrashError(Exception):
    """The process died here."""


@dataclass
class Faults:
    """Counts the steps of a run, and fails at one of them."""

    at: int | None = None
    error: Callable[[], Exception] = CrashError
    n: int = 0
    submitted: list[str] = field(default_factory=list)

    def step(self) -> None:
        """Take a step, or fail at it."""
        self.n += 1
        if self.n == self.at:
            raise self.error()


class FaultyVenue:
    """A venue that counts a step before and after each call."""

    def __init__(self, inner: Venue, faults: Faults) -> None:
        self._inner, self._faults = inner, faults
        self.name = inner.name

    async def submit(self, request: LegRequest) -> LegView:
        self._faults.step()
        self._faults.submitted.append(request.client_order_id)
        return await self._after(self._inner.submit(request))

    async def cancel(self, leg: LegRef) -> None:
        self._faults.step()
        await self._after(self._inner.cancel(leg))

    async def order(self, leg: LegRef) -> LegView | None:
        self._faults.step()
        return await self._after(self._inner.order(leg))

    async def fills(self, leg: LegRef) -> Sequence[Fill]:
        self._faults.step()
        return await self._after(self._inner.fills(leg))

    async def quote(self, symbol: str) -> Quote:
        return await self._inner.quote(symbol)

    async def products(self) -> Sequence[Product]:
        return await self._inner.products()

    async def open_orders(self) -> Sequence[LegView]:
        return await self._inner.open_orders()

    async def fills_since(self, since: datetime) -> Sequence[VenueFill]:
        return await self._inner.fills_since(since)

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        return await self._inner.funding_since(since)

    async def balances(self) -> Sequence[Balance]:
        return await self._inner.balances()

    async def positions(self) -> Sequence[VenuePosition]:
        return await self._inner.positions()

    async def server_time(self) -> datetime:
        return await self._inner.server_time()

    async def close(self) -> None:
        await self._inner.close()

    async def _after(self, call: Awaitable[Any]) -> Any:
        answer = await call
        self._faults.step()
        return answer


class FaultyRecordVenue(FaultyVenue):
    """A venue in the record that counts a step before and after each call, and around what is noted of its answer."""

    def __init__(self, inner: PaperVenue, faults: Faults) -> None:
        super().__init__(inner, faults)
        self._paper = inner

    async def offer(self, stores: Stores, symbol: str) -> Offer | None:
        self._faults.step()
        return cast("Offer | None", await self._after(self._paper.offer(stores, symbol)))

    async def submit_with(self, request: LegRequest, note: Note) -> None:
        async def counted(stores: Stores, view: LegView) -> None:
            self._faults.step()
            await self._after(note(stores, view))

        self._faults.step()
        self._faults.submitted.append(request.client_order_id)
        await self._after(self._paper.submit_with(request, counted))


class FaultyVenues:
    """Venues of which every call is a step; with `keeps_record` paper writes in our transactions, as it does."""

    def __init__(self, inner: VenueRegistry, faults: Faults, *, keeps_record: bool = False) -> None:
        self._inner, self._faults, self._keeps_record = inner, faults, keeps_record

    def in_record(self, adapter: str, venue: str, *, fee_bps: Decimal) -> FaultyRecordVenue | None:
        found = self._inner.in_record(adapter, venue, fee_bps=fee_bps) if self._keeps_record else None
        return None if found is None else FaultyRecordVenue(found, self._faults)

    def currency(self, adapter: str, venue: str) -> str:
        return self._inner.currency(adapter, venue)

    def refusal(self, adapter: str, venue: str) -> str | None:
        return self._inner.refusal(adapter, venue)

    async def open(self, adapter: str, venue: str, *, fee_bps: Decimal) -> Venue:
        return FaultyVenue(await self._inner.open(adapter, venue, fee_bps=fee_bps), self._faults)


def faulty_transactions(inner: Transactions, faults: Faults) -> Transactions:
    """Transactions of which every end is a step: before the commit, and after it."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Stores]:
        async with inner() as stores:
            yield stores
            faults.step()
        faults.step()

    return opened


@dataclass
class MovedClock:
    """A clock that waiting moves."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        """Return the present, a little later each time."""
        self.at += timedelta(microseconds=10)
        return self.at

    async def sleep(self, seconds: float) -> None:
        """Move on."""
        self.at += timedelta(seconds=seconds)
