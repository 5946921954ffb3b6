"""The running venue as its wire formats see it, and what a wire format has to do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from marketsentry.simexchange.accounts import ApiKey
from marketsentry.simexchange.candles import Listing
from marketsentry.simexchange.faults import ORDER_FAULTS, FaultPlan, FaultRule, VenueFault
from marketsentry.simexchange.http import Request
from marketsentry.simexchange.market_feed import MarketFeed
from marketsentry.simexchange.orders import NewOrder, Order, Reject, Rejected
from marketsentry.simexchange.venue import Event, Venue


@dataclass(slots=True)
class Floor:
    """The running venue that a protocol speaks for.

    `clock_s` is the time that the venue tells and checks credentials with; faults may set it apart from the venue's.
    """

    venue: Venue
    faults: FaultPlan
    clock_s: Callable[[], float]
    keys: dict[str, ApiKey] = field(default_factory=dict)
    feeds: dict[str, MarketFeed] = field(default_factory=dict)
    listings: Sequence[Listing] = ()

    def place(self, asked: NewOrder, where: str) -> Order:
        """Place an order, unless a fault refuses it or leaves it less to trade with; raise `Rejected`."""
        rule = self.faults.draw(ORDER_FAULTS, where)
        if rule is not None:
            self._spoil(asked, rule)
        return self.venue.place(asked)

    def _spoil(self, asked: NewOrder, rule: FaultRule) -> None:
        match rule.fault:
            case VenueFault.INSUFFICIENT_FUNDS:
                raise Rejected(Reject.INSUFFICIENT_FUNDS, "injected")
            case VenueFault.HALTED:
                raise Rejected(Reject.HALTED, "injected")
            case _:
                product = self.venue.products.get(asked.product)
                feed = self.feeds.get(asked.product)
                if product is None or feed is None:
                    return
                budget = (asked.quote_budget or Decimal(0)) / self.venue.mark(asked.product)
                quantity = budget if asked.quantity is None else asked.quantity
                part = product.down_to_lot(quantity * Decimal(repr(rule.value or 0.5)))
                feed.thin_out(asked.side, part)


class StreamSession(Protocol):
    """One client's WebSocket."""

    def subscriptions(self) -> list[str]:
        """What the client gets at present, as `channel product`."""
        ...

    def on_text(self, text: str) -> None:
        """Take a message of the client."""
        ...

    def on_event(self, event: Event) -> None:
        """Take what happened at the venue."""
        ...

    def on_second(self) -> None:
        """Take the passing of about a second."""
        ...


class VenueProtocol(Protocol):
    """One venue's REST wire format."""

    def answer(self, request: Request) -> tuple[int, Any]:
        """Do what a request asks; return the status and the body."""
        ...

    def session(self, request: Request, send: Callable[[str, str], None]) -> StreamSession:
        """Open a stream; `send(channel, text)` sends one message."""
        ...
