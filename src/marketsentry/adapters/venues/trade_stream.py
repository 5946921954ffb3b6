"""`MarketStream` over ccxt: the public trades of some markets of Coinbase or Bitget."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from marketsentry.adapters.venues.ccxt_listening import Patience, keep_listening, listening_client
from marketsentry.adapters.venues.trade_wire import BitgetTrades, CoinbaseTrades, TradeReader
from marketsentry.ports.market_stream import Hear, Interrupted
from marketsentry.ports.venue import OutcomeUnknownError

STREAMED = ("coinbase", "bitget")
_OFFICIAL_URLS = {"coinbase": "https://api.coinbase.com", "bitget": "https://api.bitget.com"}


@dataclass(frozen=True, slots=True)
class TradeStream:
    """Listens to one venue.

    `markets` are ccxt's names of the markets by ours, `base_url` is another server that speaks the venue's protocol.
    """

    venue: str
    markets: Mapping[str, str]
    base_url: str | None = None
    timeout_s: float = 10.0
    patience: Patience = field(default_factory=Patience)

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

        async def watch() -> None:
            if line.reader is None:
                await client.load_markets()
                line.reader = self._reader(client)
            await client.watch_trades_for_symbols(list(self.markets.values()))
            line.check()

        await keep_listening(
            client,
            watch,
            on_broken=lambda reason: hear(Interrupted(reason)),
            patience=self.patience,
        )

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
