"""What lies between a process and the venue: delay, loss of the question or of the answer, refusals, silence.

A question that has left arrives, whether or not its asker still lives.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from marketsentry.core.orders.order import Fill
from marketsentry.core.orders.product import Product
from marketsentry.ports import Clock
from marketsentry.ports.venue import (
    Balance,
    FundingPayment,
    LegRef,
    LegRequest,
    LegView,
    OutcomeUnknownError,
    Quote,
    Venue,
    VenueFill,
    VenuePosition,
    VenueRefusedError,
)
from simulation.chance import Chance, Rates
from simulation.exchange import QUOTE, Exchange, RefusedError
from simulation.process import Process

ADAPTER, VENUE = "sim", "sim"
_LONGEST_DELAY_S = 9.9  # what is on its way longer than a call may take never arrives


class VenueLine:
    """`Venue` of one process."""

    name = ADAPTER

    def __init__(
        self, exchange: Exchange, process: Process, chance: Chance, rates: Rates, clock: Clock
    ) -> None:
        self._exchange, self._process, self._chance = exchange, process, chance
        self._rates, self._clock = rates, clock
        self._draw = chance.of("network")

    async def submit(self, request: LegRequest) -> LegView:
        """Hand in an order; see `Venue.submit`."""
        if self._chance.happens("venue: order refused", self._rates.call / 3):
            raise VenueRefusedError("venue_rejected:maintenance", "try later")
        view: LegView = await self._call(
            f"submit {request.client_order_id}", lambda: self._exchange.submit(request)
        )
        return view

    async def cancel(self, leg: LegRef) -> None:
        """Ask to cancel; see `Venue.cancel`."""
        await self._call(f"cancel {leg.client_order_id}", lambda: self._exchange.cancel(leg.client_order_id))

    async def order(self, leg: LegRef) -> LegView | None:
        """Look an order up; see `Venue.order`."""
        found: LegView | None = await self._call(
            f"order {leg.client_order_id}", lambda: self._exchange.seen(leg.client_order_id)
        )
        return found

    async def fills(self, leg: LegRef) -> Sequence[Fill]:
        """List all fills of one order."""
        found: Sequence[Fill] = await self._call(
            f"fills {leg.client_order_id}", lambda: self._exchange.seen_fills(leg.client_order_id)
        )
        return found

    async def quote(self, symbol: str) -> Quote:
        """Read the best prices; see `Venue.quote`."""
        bid, ask = await self._call("quote", lambda: self._exchange.quote(symbol))
        return Quote(symbol, bid, ask, self._clock.now())

    async def products(self) -> Sequence[Product]:
        """Read what can be traded."""
        found: Sequence[Product] = await self._call("products", self._exchange.products)
        return found

    async def open_orders(self) -> Sequence[LegView]:
        """List the orders that may still fill."""
        found: Sequence[LegView] = await self._call("open orders", self._exchange.open_orders)
        return found

    async def fills_since(self, since: datetime) -> Sequence[VenueFill]:
        """List fills, oldest first; see `Venue.fills_since`."""
        found: Sequence[VenueFill] = await self._call("all fills", lambda: self._exchange.fills_since(since))
        return found

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        """There are no payments on spot."""
        return ()

    async def balances(self) -> Sequence[Balance]:
        """Read what the account holds."""
        return [Balance(asset, total, total) for asset, total in sorted(self._exchange.balances.items())]

    async def positions(self) -> Sequence[VenuePosition]:
        """There are none on spot."""
        return ()

    async def server_time(self) -> datetime:
        """Read the venue's clock."""
        return self._clock.now()

    async def close(self) -> None:
        """Let go of nothing."""

    async def _call(self, what: str, ask: Callable[[], Any]) -> Any:
        self._process.step(f"before {what}")
        rate = self._rates.call / 5
        if self._process.world.venue_is_away:
            self._chance.faults["venue: away"] += 1
            await asyncio.sleep(0.01)
            raise VenueRefusedError("venue_error:connect", "connection refused")
        if self._chance.happens("venue: too many requests", rate):
            raise VenueRefusedError("venue_http_429", "slow down", retry_after_s=1.0)
        if self._chance.happens("venue: question lost", rate):
            await self._silence()
        if self._chance.happens("venue: error before it was done", rate):
            await asyncio.sleep(0.05)
            raise OutcomeUnknownError("the venue answered 502")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        is_late = self._chance.happens("venue: question delayed", rate)
        delay_s = self._draw.uniform(1, _LONGEST_DELAY_S) if is_late else self._draw.uniform(0.001, 0.08)
        loop.call_later(delay_s, self._arrive, what, ask, answer)
        outcome = await answer
        if self._chance.happens("venue: answer lost", rate):
            await self._silence()
        if self._chance.happens("venue: error after it was done", rate):
            raise OutcomeUnknownError("the venue answered 502")
        await asyncio.sleep(self._draw.uniform(0.001, 0.05))
        self._process.step(f"after {what}")
        if isinstance(outcome, RefusedError):
            raise VenueRefusedError(f"venue_rejected:{outcome}", "refused")
        return outcome

    def _arrive(self, what: str, ask: Callable[[], Any], answer: asyncio.Future[Any]) -> None:
        self._process.world.note(f"venue: {what}")
        try:
            outcome = ask()
        except RefusedError as refused:
            outcome = refused
        if not answer.done():
            answer.set_result(outcome)

    async def _silence(self) -> None:
        """No answer: the client notices by itself after a while, or its caller ends the call."""
        await asyncio.sleep(self._draw.choice((1.0, 5.0, 60.0)))
        raise OutcomeUnknownError("no answer")


class Lines:
    """`Venues` of one process: there is one."""

    def __init__(self, line: Venue) -> None:
        self._line = line

    def currency(self, adapter: str, venue: str) -> str:
        """Name the currency of the account."""
        return QUOTE

    def refusal(self, adapter: str, venue: str) -> str | None:
        """Nothing is refused before it is tried."""
        return None

    def in_record(self, adapter: str, venue: str, *, fee_bps: Decimal) -> None:
        """Tell that every venue is asked outside of the record."""

    async def open(self, adapter: str, venue: str, *, fee_bps: Decimal) -> Venue:
        """Give the one account."""
        return self._line
