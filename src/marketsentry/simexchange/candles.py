"""A venue that serves candles in the words of Coinbase Advanced Trade, Bitget v2 or Binance, with faults.

Coinbase: `/api/v3/brokerage/market/products` and `.../{product}/candles` (newest first, both ends included, at
most 350 a page). Bitget: `/api/v2/{spot,mix}/market/candles` and `history-candles` (oldest first, the page ends before
`endTime`, at most 1000 or 200). Binance: `/api/v3/klines` and `/fapi/v1/klines` (oldest first, both ends included,
at most 1000). The candles are served as they were given: a bar that is absent is absent.
"""

import bisect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from marketsentry.simexchange.faults import PAGE_FAULTS, Fault, FaultSchedule
from marketsentry.simexchange.http import HttpServer, Request, Response

TIMEOUT_HOLD_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Candle:
    """One candle: open time in ms since the epoch, prices, volume in base units."""

    start_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True)
class Listing:
    """One market. `candles` holds them by length in seconds, oldest first; `is_perpetual` is the futures side."""

    base: str
    quote: str
    candles: Mapping[int, Sequence[Candle]]
    is_perpetual: bool = False

    def between(self, seconds: int, start_ms: int, stop_ms: int) -> list[Candle]:
        """Candles of one length that open in [start_ms, stop_ms)."""
        candles = self.candles[seconds]
        first = bisect.bisect_left(candles, start_ms, key=lambda candle: candle.start_ms)
        last = bisect.bisect_left(candles, stop_ms, key=lambda candle: candle.start_ms)
        return list(candles[first:last])


@dataclass(frozen=True, slots=True)
class Refusal(Exception):  # noqa: N818 - an answer of the protocol, not a failure of this program
    """The venue answers with an error."""

    status: int
    body: Any


class CandleProtocol(Protocol):
    """One venue's wire format."""

    def is_page(self, request: Request) -> bool:
        """Tell whether the request is for candles."""
        ...

    def page(self, request: Request, listings: Sequence[Listing]) -> list[Candle]:
        """Find the candles asked for, oldest first; raise `Refusal` where the venue would refuse."""
        ...

    def wire(self, request: Request, candles: Sequence[Candle]) -> Any:
        """Write a page as the venue does, in the order given."""
        ...

    def other(self, request: Request, listings: Sequence[Listing]) -> Any:
        """Answer a request that is not for candles; raise `Refusal` where there is no such path."""
        ...


class CandleExchange:
    """A running venue. `requests` lists (path, query, status or fault) of everything that was asked."""

    def __init__(
        self,
        protocol: CandleProtocol,
        listings: Sequence[Listing],
        *,
        faults: FaultSchedule | None = None,
        now_s: Callable[[], float] = time.time,
        on_request: Callable[[int], None] | None = None,
    ) -> None:
        self.requests: list[tuple[str, Mapping[str, str], str]] = []
        self._protocol = protocol
        self._listings = listings
        self.faults = faults or FaultSchedule()
        self._on_request = on_request
        self._server = HttpServer(self._handle, now_s=now_s)

    async def __aenter__(self) -> "CandleExchange":
        await self._server.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._server.__aexit__(*exc)

    @property
    def url(self) -> str:
        """Base address, for instance http://127.0.0.1:4711."""
        return self._server.url

    @property
    def n_pages(self) -> int:
        """How many requests for candles have come."""
        return sum("candles" in path or "klines" in path for path, _, _ in self.requests)

    def _handle(self, request: Request) -> Response:
        is_page = self._protocol.is_page(request)
        fault = self.faults.draw(is_page=is_page)
        if self._on_request is not None:
            self._on_request(len(self.requests))
        if fault is not None and fault not in PAGE_FAULTS and fault is not Fault.CUT:
            self.requests.append((request.path, request.query, fault.value))
            return self._failure(fault)
        try:
            if is_page:
                candles = self._spoil(self._protocol.page(request, self._listings), fault)
                body = self._protocol.wire(request, candles)
            else:
                body = self._protocol.other(request, self._listings)
        except Refusal as refusal:
            self.requests.append((request.path, request.query, str(refusal.status)))
            return Response(refusal.status, refusal.body)
        self.requests.append((request.path, request.query, fault.value if fault else "200"))
        return Response(body=body, cut=fault is Fault.CUT)

    def _failure(self, fault: Fault) -> Response:
        match fault:
            case Fault.TOO_MANY:
                retry_after = {"Retry-After": f"{self.faults.retry_after_s:g}"}
                return Response(429, {"code": "429", "msg": "Too Many Requests"}, retry_after)
            case Fault.SERVER_ERROR:
                return Response(502, "<html><body>Bad Gateway</body></html>")
            case Fault.BLOCKED:
                return Response(451, {"msg": "Service unavailable from a restricted location"})
            case Fault.TIMEOUT:
                return Response(hold_s=TIMEOUT_HOLD_S, drop=True)
            case _:
                return Response(drop=True)

    def _spoil(self, candles: list[Candle], fault: Fault | None) -> list[Candle]:
        rng = self.faults.rng
        match fault:
            case Fault.SHORT if len(candles) > 1:
                keep = rng.randrange(1, len(candles))
                return candles[:keep] if rng.random() < 0.5 else candles[-keep:]
            case Fault.DUPLICATE:
                return sorted(
                    candles + rng.sample(candles, len(candles) // 2), key=lambda candle: candle.start_ms
                )
            case Fault.UNORDERED:
                return rng.sample(candles, len(candles))
            case _:
                return candles
