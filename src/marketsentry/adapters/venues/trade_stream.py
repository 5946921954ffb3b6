"""`MarketStream` over ccxt: the public trades of some markets of Coinbase or Bitget."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from marketsentry.adapters.venues.ccxt_listening import listening_client, wait_s
from marketsentry.adapters.venues.trade_wire import BitgetTrades, CoinbaseTrades, TradeReader
from marketsentry.ports.market_stream import Hear, Interrupted
from marketsentry.ports.venue import OutcomeUnknownError

STREAMED = ("coinbase", "bitget")
_OFFICIAL_URLS = {"coinbase": "https://api.coinbase.com", "bitget": "https://api.bitget.com"}
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TradeStream:
    """Listens to one venue.

    `markets` are ccxt's names of the markets by ours, `base_url` is another server that speaks the venue's protocol;
    `rng` spreads reconnects.
    """

    venue: str
    markets: Mapping[str, str]
    base_url: str | None = None
    timeout_s: float = 10.0
    rng: random.Random = field(default_factory=random.Random)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self, hear: Hear) -> None:
        """Listen until cancelled; see `MarketStream.run`."""
        line = _Line(hear)
        client = await asyncio.to_thread(
            partial(
                listening_client,
                self.venue,
                base_url=self.base_url or _OFFICIAL_URLS[self.venue],
                timeout_s=self.timeout_s,
                on_message=line.take,
                credentials={},
            )
        )
        try:
            await self._keep_listening(client, line)
        finally:
            await client.close()

    async def _keep_listening(self, client: Any, line: "_Line") -> None:
        failures, beating = 0, None
        try:
            while True:
                try:
                    if line.reader is None:
                        await client.load_markets()
                        line.reader = self._reader(client)
                    if self.venue == "coinbase" and (beating is None or beating.done()):
                        beating = asyncio.ensure_future(_beat(client))
                    await client.watch_trades_for_symbols(list(self.markets.values()))
                    line.check()
                    failures = 0
                except Exception as error:  # noqa: BLE001 - ccxt raises what it likes; a stream is only made again
                    failures += 1
                    kind = type(error).__name__
                    log.warning("market_stream_broken", venue=self.venue, error=kind, failures=failures)
                    line.hear(Interrupted(f"the stream of {self.venue} broke: {kind}"))
                    await client.close()  # the next try makes a connection of its own
                    await self.sleep(wait_s(failures, self.rng.random()))
        finally:
            if beating is not None:
                beating.cancel()

    def _reader(self, client: Any) -> TradeReader:
        names = {client.market(unified)["id"]: symbol for symbol, unified in self.markets.items()}
        return CoinbaseTrades(names) if self.venue == "coinbase" else BitgetTrades(names)


@dataclass(slots=True)
class _Line:
    """Between ccxt's messages and who hears them. One that cannot be read spoils the connection."""

    hear: Hear
    reader: TradeReader | None = None
    unread: OutcomeUnknownError | None = None

    def take(self, connection: int, message: Any) -> None:
        if self.reader is None:
            return
        try:
            for event in self.reader.read(connection, message):
                self.hear(event)
        except OutcomeUnknownError as error:
            self.unread = error

    def check(self) -> None:
        unread, self.unread = self.unread, None
        if unread is not None:
            raise unread


async def _beat(client: Any) -> None:
    """Ask for a heartbeat each second: without one Coinbase closes a line on which nothing trades."""
    try:
        await client.subscribe("heartbeats", False)
    except Exception as error:  # noqa: BLE001 - the trades share its connection, and tell the failure
        log.debug("heartbeats_ended", error=type(error).__name__)
