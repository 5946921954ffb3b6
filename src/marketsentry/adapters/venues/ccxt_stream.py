"""Evidence of orders soon after it happened: the user stream of a venue says where to look, REST what is there.

A message of the stream is taken as a hint that an order changed, and the order is then read over REST. So a
message that is lost, doubled, late or out of order costs time and nothing else. After every reconnect, and
whenever the stream was silent for a while, all that filled since the last look and all that is open is read: a
stream that never says a word makes this a poll.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Any, Self

import structlog

from marketsentry.adapters.venues.ccxt_listening import (
    FIRST_WAIT_S,
    LONGEST_WAIT_S,
    listening_client,
    subscribed,
)
from marketsentry.adapters.venues.ccxt_venue import CcxtVenue, VenueAccess
from marketsentry.ports.venue import LegRef, LegView, OutcomeUnknownError, VenueFill, VenueRefusedError

_OVERLAP = timedelta(seconds=60)  # a venue may tell a fill late
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StreamPace:
    """`silent_s` is how long the stream may say nothing before the account is read; `rng` spreads reconnects."""

    silent_s: float = 15.0
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class OrderStream:
    """An async context manager and iterator of evidence: orders as they are, and fills, each once.

    Parameters
    ----------
    venue
        Read over REST; it stays open.
    access
        Where the venue is, with which key.
    watch
        Parameters of ccxt's `watch_orders`, such as the kind of market.
    pace
        How patient it is.
    since
        Fills from here on are told.
    """

    def __init__(
        self,
        venue: CcxtVenue,
        access: VenueAccess,
        *,
        watch: dict[str, object] | None = None,
        pace: StreamPace | None = None,
        since: datetime | None = None,
    ) -> None:
        self._venue, self._access, self._watch = venue, access, watch or {}
        self._pace = pace or StreamPace()
        self._since = since or datetime.now(UTC)
        self._told: dict[tuple[str, str], datetime] = {}
        self._hints: dict[str, LegRef] = {}
        self._woken = asyncio.Event()
        self._is_behind = True
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening

    async def __aiter__(self) -> AsyncIterator[LegView | VenueFill]:
        while True:
            try:
                async for one in self._read():
                    yield one
            except (OutcomeUnknownError, VenueRefusedError) as error:
                log.warning("stream_read_failed", venue=self._venue.name, reason=str(error))
                self._is_behind = True
                await self._pace.sleep(FIRST_WAIT_S)
                continue
            try:
                async with asyncio.timeout(self._pace.silent_s):
                    await self._woken.wait()
            except TimeoutError:
                self._is_behind = True

    async def _read(self) -> AsyncIterator[LegView | VenueFill]:
        """Read what was hinted at, and everything when something may have been missed."""
        self._woken.clear()
        if self._is_behind:
            self._is_behind = False
            looked_at = datetime.now(UTC)
            for fill in self._new(await self._venue.fills_since(self._since - _OVERLAP)):
                yield fill
            for view in await self._venue.open_orders():
                yield view
            self._since = max(self._since, looked_at)
        while self._hints:
            venue_id, leg = next(iter(self._hints.items()))
            found = await self._venue.order(leg)
            fills = await self._venue.fills(leg) if found is not None and found.filled_qty else ()
            if self._hints.get(venue_id) is leg:  # else it changed again meanwhile, and is read again
                del self._hints[venue_id]
            if found is None:
                continue
            yield found
            if fills:
                client_id = found.client_order_id or None
                told = [
                    VenueFill(leg.symbol, found.venue_order_id, client_id, found.side, one) for one in fills
                ]
                for fill in self._new(told):
                    yield fill

    def _new(self, fills: Any) -> list[VenueFill]:
        """Leave out what was told before."""
        oldest = self._since - 2 * _OVERLAP
        self._told = {name: at for name, at in self._told.items() if at >= oldest}
        found = []
        for one in fills:
            name = (one.symbol, one.fill.trade_id)
            if name not in self._told and one.fill.at >= oldest:
                self._told[name] = one.fill.at
                found.append(one)
        return found

    async def _listen(self) -> None:
        """Keep a connection and take its hints; a broken one is made again, after longer and longer waits."""
        client = await self._connect()
        failures = 0
        try:
            while True:
                try:
                    for order in await client.watch_orders(None, None, None, dict(self._watch)):
                        await self._take(order)
                    failures = 0
                except Exception as error:  # noqa: BLE001 - ccxt raises what it likes; a stream is only made again
                    failures += 1
                    wait_s = min(FIRST_WAIT_S * 2 ** (failures - 1), LONGEST_WAIT_S)
                    kind = type(error).__name__
                    log.warning("stream_broken", venue=self._venue.name, error=kind, failures=failures)
                    await self._pace.sleep(wait_s * self._pace.rng.uniform(0.5, 1.0))
                    self._is_behind = True
                    self._woken.set()
        finally:
            await client.close()

    async def _take(self, order: Any) -> None:  # Any: ccxt is not typed
        """Note that an order changed."""
        info = order.get("info") or {}
        venue_symbol = str(info.get("product_id") or info.get("instId") or "")
        venue_id = str(order.get("id") or "")
        try:
            product = await self._venue.product(venue_symbol)
        except (OutcomeUnknownError, VenueRefusedError):
            self._is_behind = True
        else:
            client_id = str(order.get("clientOrderId") or "")
            self._hints[venue_id] = LegRef(product.symbol, client_id, venue_id, datetime.now(UTC))
        self._woken.set()

    async def _connect(self) -> Any:
        access = self._access
        keys = {"apiKey": access.api_key, "secret": access.api_secret, "password": access.passphrase}
        return await asyncio.to_thread(
            partial(
                listening_client,
                self._venue.name.removesuffix("_live"),
                base_url=access.base_url,
                timeout_s=access.timeout_s,
                on_message=self._on_message,
                credentials=keys,
            )
        )

    def _on_message(self, connection: int, message: Any) -> None:
        """Once a subscription is in force nothing is missed any more; what was before is read then."""
        if subscribed(message):
            self._is_behind = True
            self._woken.set()
