"""`OrderFeed` over ccxt: the user streams of Coinbase and Bitget. A message only names an order (ADR 0207)."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from marketsentry.adapters.venues.ccxt_listening import Patience, keep_listening, listening_client
from marketsentry.adapters.venues.ccxt_venue import CcxtVenue
from marketsentry.ports.order_feed import FeedBegun, FeedBroken, OrderMoved, OrderNews

_USER, _ORDERS = "user", "orders"


@dataclass(frozen=True, slots=True)
class CcxtOrderFeed:
    """Listens to the account of a live venue."""

    venue: CcxtVenue
    patience: Patience = field(default_factory=Patience)

    @property
    def name(self) -> str:
        """The adapter's name."""
        return self.venue.name

    async def run(self, hear: Callable[[OrderNews], None]) -> None:
        """Listen until cancelled; see `OrderFeed.run`."""
        access = self.venue.access
        client = await asyncio.to_thread(
            partial(
                listening_client,
                self.name.removesuffix("_live"),
                base_url=access.base_url,
                timeout_s=access.timeout_s,
                on_message=partial(_tell, hear),
                credentials={
                    "apiKey": access.api_key,
                    "secret": access.api_secret,
                    "password": access.passphrase,
                },
            )
        )
        watch = partial(client.watch_orders, None, None, None, dict(self.venue.watched_orders))
        await keep_listening(
            client, watch, on_broken=lambda reason: hear(FeedBroken(reason)), patience=self.patience
        )


def read_news(message: Any) -> Iterator[OrderNews]:
    """Tell what a message of either venue says of orders.

    Parameters
    ----------
    message
        JSON as it came; whatever is not about orders says nothing.

    Yields
    ------
    OrderNews
        `FeedBegun` when the subscription is in force.
    """
    if not isinstance(message, dict):
        return
    arg = message.get("arg")
    if isinstance(arg, dict):
        if arg.get("channel") != _ORDERS:
            return
        if message.get("event") == "subscribe":
            yield FeedBegun()
        yield from _moved(message.get("data"), "clientOid")
        return
    events = message.get("events")
    for event in events if isinstance(events, list) else ():
        if not isinstance(event, dict):
            continue
        if message.get("channel") == "subscriptions" and _USER in (event.get("subscriptions") or ()):
            yield FeedBegun()
        elif message.get("channel") == _USER:
            yield from _moved(event.get("orders"), "client_order_id")


def _moved(rows: Any, name: str) -> Iterator[OrderNews]:
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict):
            yield OrderMoved(str(row.get(name) or ""))


def _tell(hear: Callable[[OrderNews], None], connection: int, message: Any) -> None:
    for one in read_news(message):
        hear(one)
