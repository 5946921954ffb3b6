"""Candles of Coinbase, Bitget and Binance through ccxt, with its errors told apart by what helps against
them.
"""

import difflib
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
import numpy as np

from marketsentry.adapters.venues.ccxt_import import import_ccxt
from marketsentry.core.market.interval import Interval
from marketsentry.core.market.symbols import Market, canonical_symbol, source_name, split_symbol
from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.exceptions import DependencyError, InputError, NotFoundError
from marketsentry.ports.venues import CandlePage, VenueBusyError, VenueMarket, VenueUnavailableError

ccxt = import_ccxt("ccxt.async_support")
T = TypeVar("T")
NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class VenueTraits:
    """What ccxt does not tell of a venue.

    `omits_no_trade`: a bar in which nothing traded is left out, so a bar missing from an answered page is no
    loss. Where it is False the venue sends such bars with zero volume, and a missing bar is lost.
    """

    page_bars: int
    omits_no_trade: bool
    default_quote: str
    market_types: dict[Market, str]


VENUES = {
    "coinbase": VenueTraits(299, True, "USD", {Market.SPOT: "spot"}),
    "bitget": VenueTraits(200, False, "USDT", {Market.SPOT: "spot", Market.PERP: "swap"}),
    "binance": VenueTraits(1_000, False, "USDT", {Market.SPOT: "spot", Market.PERP: "linear"}),
}


@asynccontextmanager
async def open_candle_venue(
    venue: str, market: Market, *, base_url: str | None = None, timeout_s: float = 20.0
) -> AsyncIterator["CcxtCandleVenue"]:
    """Open a venue for candles; nothing is sent yet.

    Parameters
    ----------
    venue
        One of `VENUES`.
    market
        Spot or perpetual.
    base_url
        Address to use in place of the venue's own, for a server that speaks its protocol.
    timeout_s
        Limit of one request.

    Yields
    ------
    CcxtCandleVenue
        Closed when the block ends.

    Raises
    ------
    InputError
        If there is no such venue, it has no such market, or the address is none.
    """
    traits = VENUES.get(venue)
    if traits is None:
        raise InputError(f"venue must be one of {', '.join(VENUES)}, was {venue!r}")
    if market not in traits.market_types:
        raise InputError(f"{venue} serves {', '.join(traits.market_types)} candles only, was {market}")
    opened = CcxtCandleVenue(venue, market, traits, base_url=base_url, timeout_s=timeout_s)
    try:
        yield opened
    finally:
        await opened.close()


class CcxtCandleVenue:
    """`CandleVenue` over one ccxt client. ccxt's own throttle is off: the caller paces."""

    def __init__(
        self, name: str, market: Market, traits: VenueTraits, *, base_url: str | None, timeout_s: float
    ) -> None:
        self.name = name
        self.page_bars = traits.page_bars
        self.omits_no_trade = traits.omits_no_trade
        self._market = market
        self._traits = traits
        self._status: int | None = None
        self._headers: dict[str, str] = {}
        self._client = getattr(ccxt, name)(
            {
                "enableRateLimit": False,
                "timeout": round(timeout_s * 1_000),
                "options": {"fetchMarkets": {"types": [traits.market_types[market]]}},
            }
        )
        self._client.has["fetchCurrencies"] = False  # three requests that candles do not need
        self._client.on_rest_response = self._note_answer
        self.min_delay_s = float(self._client.rateLimit) / 1_000
        if base_url is not None:
            self._client.urls["api"] = _moved(self._client.urls["api"], base_url)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def market(self, symbol: str, interval: Interval) -> VenueMarket:
        """Find a market; see `CandleVenue.market`."""
        if interval.name not in self._client.timeframes:
            known = ", ".join(self._client.timeframes)
            raise InputError(f"{self.name} has no {interval} candles; it has {known}")
        markets = await self._asked(self._client.load_markets())
        unified = symbol if symbol in markets else self._unified(symbol)
        if unified not in markets:
            near = difflib.get_close_matches(unified, markets, n=3, cutoff=0.5)
            hint = f"; near names: {', '.join(near)}" if near else ""
            raise NotFoundError(f"{self.name} has no {self._market} market {symbol} ({unified}){hint}")
        return VenueMarket(
            symbol=canonical_symbol(unified, self._market),
            venue_symbol=unified,
            source=source_name(self.name, self._market),
        )

    async def candles(
        self, market: VenueMarket, interval: Interval, start_ns: int, stop_ns: int
    ) -> CandlePage:
        """Ask for one page; see `CandleVenue.candles`."""
        n_bars = (stop_ns - start_ns) // interval.ns
        rows = await self._asked(
            self._client.fetch_ohlcv(
                market.venue_symbol,
                interval.name,
                since=start_ns // NS_PER_MS,
                limit=n_bars,
                params={"until": stop_ns // NS_PER_MS},
            )
        )
        table = np.array([[np.nan if v is None else v for v in row] for row in rows], dtype=np.float64)
        table = table.reshape(-1, 6)
        ts_ns = np.array([row[0] for row in rows], dtype=np.int64) * NS_PER_MS
        return CandlePage(ts_ns, np.ascontiguousarray(table[:, 1:]), self._venue_now_ns())

    def _unified(self, symbol: str) -> str:
        pair = split_symbol(symbol, self._market)
        if pair.market is not self._market:
            raise InputError(f"{symbol} is a {pair.market} market, and {self._market} candles were asked for")
        quote = pair.quote or self._traits.default_quote
        return f"{pair.base}/{quote}" + (f":{quote}" if self._market is Market.PERP else "")

    def _note_answer(
        self, code: int, reason: str, url: str, method: str, headers: dict[str, str], body: str, *_: Any
    ) -> str:
        """Keep the status, which ccxt's errors do not carry; called by ccxt with every answer."""
        self._status = code
        self._headers = {name.lower(): value for name, value in headers.items()}
        return body.strip()

    def _venue_now_ns(self) -> int | None:
        date = self._headers.get("date")
        return None if date is None else datetime_to_ns(parsedate_to_datetime(date))

    async def _asked(self, request: Awaitable[T]) -> T:
        """Wait for an answer and tell failures apart: busy, unavailable, final."""
        self._status, self._headers = None, {}
        try:
            return await request
        except (ccxt.BaseError, TimeoutError) as error:
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> DependencyError:
        told = f"{self.name}: {' '.join(str(error).split())[:200] or type(error).__name__}"
        if self._status in (403, 451):
            others = ", ".join(other for other in VENUES if other != self.name)
            return DependencyError(
                f"{self.name} refuses this location (HTTP {self._status}); use another venue ({others}) "
                "or import the exchange's public archive files with `ms data import`"
            )
        if self._status in (418, 429) or isinstance(error, ccxt.RateLimitExceeded | ccxt.DDoSProtection):
            return VenueBusyError(told, _seconds(self._headers.get("retry-after")))
        no_answer = self._status in (None, 200) and isinstance(error, ccxt.NetworkError | TimeoutError)
        is_broken = isinstance(error.__cause__, aiohttp.ClientError)
        failed = self._status is not None and (self._status >= 500 or self._status == 408)
        return VenueUnavailableError(told) if no_answer or is_broken or failed else DependencyError(told)


def _moved(urls: dict[str, Any], base_url: str) -> dict[str, Any]:
    """Point every address to another scheme and host; paths stay."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InputError(f"base URL must look like http://127.0.0.1:8080, was {base_url!r}")
    base = base_url.rstrip("/")
    return {
        key: base + urlsplit(value).path if isinstance(value, str) else _moved(value, base_url)
        for key, value in urls.items()
    }


def _seconds(text: str | None) -> float | None:
    """Read `Retry-After` given in seconds; the form with a date is as good as none."""
    try:
        return None if text is None else max(float(text), 0.0)
    except ValueError:
        return None
