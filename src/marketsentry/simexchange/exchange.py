"""A whole venue on loopback: REST and WebSocket in the words of Coinbase or Bitget, a moving market, faults."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from marketsentry.simexchange import admin
from marketsentry.simexchange.accounts import ApiKey, Bill, Permission
from marketsentry.simexchange.bitget_stream import BitgetVenue
from marketsentry.simexchange.candles import TIMEOUT_HOLD_S, Listing
from marketsentry.simexchange.coinbase_stream import CoinbaseVenue
from marketsentry.simexchange.faults import REQUEST_FAULTS, FaultPlan, FaultRule, VenueFault
from marketsentry.simexchange.floor import Floor, VenueProtocol
from marketsentry.simexchange.http import HttpServer, Request, Response
from marketsentry.simexchange.market_feed import BookShape, MarketFeed, random_walk
from marketsentry.simexchange.products import Product, bitget_perpetual, bitget_spot, coinbase_product
from marketsentry.simexchange.signatures import make_key_pair
from marketsentry.simexchange.streams import Streams
from marketsentry.simexchange.trade_candles import listings_of
from marketsentry.simexchange.truth import tell_truth
from marketsentry.simexchange.venue import Venue
from marketsentry.simexchange.websocket import WebSocket

_BEFORE = frozenset(
    {VenueFault.TIMEOUT_BEFORE, VenueFault.DROP_BEFORE, VenueFault.TOO_MANY, VenueFault.SERVER_ERROR}
)
_SILENT = frozenset({VenueFault.TIMEOUT_BEFORE, VenueFault.TIMEOUT_AFTER})
_CCXT_BITGET_APIS = (
    "spot",
    "mix",
    "user",
    "p2p",
    "broker",
    "margin",
    "common",
    "tax",
    "convert",
    "copy",
    "earn",
    "uta",
)


class VenueKind(StrEnum):
    """Whose words the venue speaks."""

    COINBASE = "coinbase"
    BITGET = "bitget"


@dataclass(frozen=True, slots=True)
class SimMarket:
    """One product with the path of its middle price."""

    product: Product
    path: Iterable[float]
    shape: BookShape = field(default_factory=BookShape)


USUAL_PRICES = {"BTC": 60_000.0, "ETH": 3_000.0}


def usual_markets(kind: VenueKind, *, seed: int = 0) -> list[SimMarket]:
    """BTC and ETH on a seeded random walk; for Bitget the perpetuals too."""
    make = (coinbase_product,) if kind is VenueKind.COINBASE else (bitget_spot, bitget_perpetual)
    return [
        SimMarket(build(base), random_walk(price, seed=seed + index))
        for build in make
        for index, (base, price) in enumerate(USUAL_PRICES.items())
    ]


class SimExchange:
    """A running venue, an async context manager.

    Parameters
    ----------
    kind : VenueKind
        Whose words it speaks.
    markets : sequence of SimMarket, optional
        What is traded, by default `usual_markets`.
    seed : int
        Of ids, books, crowds and faults.
    now_s : callable
        The venue's clock in seconds since the epoch; with `VirtualClock` nothing moves by itself.
    tick_s : float, optional
        How often the market moves by itself; None moves it only by `step`.
    balances : mapping, optional
        What the first client owns at the start, by coin; in the margin account too where there are perpetuals.
    listings : sequence of Listing
        Candles to serve; by default those of what trades here.
    past : sequence of Listing
        Candles of the time before, which the candles of what trades here go on from.
    fee_coin : str
        Coin in which fees of spot are paid by who has it, as Bitget takes BGB; it must be traded here.
    port : int
        Port on 127.0.0.1, 0 for a free one.
    """

    def __init__(
        self,
        kind: VenueKind,
        *,
        markets: Sequence[SimMarket] | None = None,
        seed: int = 0,
        now_s: Callable[[], float] = time.time,
        tick_s: float | None = None,
        balances: Mapping[str, Decimal] | None = None,
        listings: Sequence[Listing] = (),
        past: Sequence[Listing] = (),
        fee_coin: str = "",
        port: int = 0,
    ) -> None:
        markets = usual_markets(kind, seed=seed) if markets is None else markets
        self.kind = kind
        self.venue = Venue(
            [one.product for one in markets],
            now_s=now_s,
            seed=seed,
            post_only_rejects=kind is VenueKind.COINBASE,
            has_number_ids=kind is VenueKind.BITGET,
        )
        self.faults = FaultPlan(now_s=now_s, seed=seed)
        self._seed = seed
        self._tick_s = tick_s
        self._skew_s = 0.0
        traded = listings_of(
            self.venue,
            [one.product for one in markets],
            now_s=now_s,
            fills_gaps=kind is VenueKind.BITGET,
            past=past,
        )
        self._floor = Floor(
            self.venue, self.faults, clock_s=lambda: now_s() + self._skew_s, listings=listings or traded
        )
        for index, one in enumerate(markets):
            name = one.product.key
            feed = MarketFeed(self.venue, name, one.path, shape=one.shape, seed=seed * 1_000 + index)
            self._floor.feeds[name] = feed
            feed.step()
        self.venue.spot.fee_coin = fee_coin
        self.venue.spot.price_of = lambda quote: Decimal(str(self._floor.feeds[f"{fee_coin}-{quote}"].mid))
        self.key = self.add_key("demo", (Permission.VIEW, Permission.TRADE))
        for coin, amount in (balances or _usual_balances(kind)).items():
            self.deposit(coin, amount)
            if any(one.is_perpetual and one.quote == coin for one in self.venue.products.values()):
                self.deposit(coin, amount, is_margin=True)
        self._protocol: VenueProtocol = (
            CoinbaseVenue(self._floor) if kind is VenueKind.COINBASE else BitgetVenue(self._floor)
        )
        self._streams = Streams(self.faults)
        self.venue.listen(self._streams.on_event)
        self._server = HttpServer(
            self._handle, now_s=self._floor.clock_s, on_websocket=self._on_websocket, port=port
        )
        self._ticking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "SimExchange":
        await self._server.__aenter__()
        if self._tick_s is not None:
            self._ticking = asyncio.create_task(self._tick(self._tick_s))
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
        await self._server.__aexit__(*exc)

    @property
    def url(self) -> str:
        """Base address of REST, for instance http://127.0.0.1:4711."""
        return self._server.url

    @property
    def ws_url(self) -> str:
        """Base address of the streams."""
        return self.url.replace("http://", "ws://")

    @property
    def n_streams(self) -> int:
        """How many WebSockets are open."""
        return len(self._streams)

    @property
    def listings(self) -> Sequence[Listing]:
        """The candles that are served."""
        return self._floor.listings

    @property
    def subscriptions(self) -> list[str]:
        """What all clients are sent at present, as `channel product`; `*` or `default` is every product."""
        return self._streams.subscriptions()

    def ccxt_config(self, key: ApiKey | None = None) -> dict[str, Any]:
        """Settings with which an unmodified ccxt class of this venue talks to this server."""
        key = key or self.key
        apis: dict[str, Any]
        if self.kind is VenueKind.COINBASE:
            apis = {"rest": self.url, "ws": self.ws_url}
        else:
            public, private = f"{self.ws_url}/v2/ws/public", f"{self.ws_url}/v2/ws/private"
            streams = {"public": public, "private": private, "utaPublic": public, "utaPrivate": private}
            apis = {**dict.fromkeys(_CCXT_BITGET_APIS, self.url), "ws": streams}
        credentials = {"apiKey": key.key, "secret": key.secret}
        if key.passphrase:
            credentials["password"] = key.passphrase
        return {**credentials, "urls": {"api": apis}}

    def add_key(self, owner: str, permissions: Iterable[str]) -> ApiKey:
        """Give an owner a key. The same seed and order give the same keys."""
        number = len(self._floor.keys)
        granted = frozenset(Permission(one) for one in permissions)
        seed = self._seed * 1_000 + number
        name = uuid.uuid5(uuid.NAMESPACE_OID, f"{self.kind}/{seed}")
        if self.kind is VenueKind.COINBASE:
            key = ApiKey(f"organizations/{name}/apiKeys/{name}", make_key_pair(seed).pem, owner, granted)
        else:
            secret = uuid.uuid5(name, "secret").hex + uuid.uuid5(name, "more").hex
            key = ApiKey(f"bg_{name.hex}", secret, owner, granted, passphrase=f"demo{seed}")
        self._floor.keys[key.key] = key
        return key

    def end_key(self, key: ApiKey) -> None:
        """Know a key no longer, as when it has expired or was withdrawn."""
        del self._floor.keys[key.key]

    def describe_key(self, key: ApiKey) -> dict[str, Any]:
        """A key as a client has to know it."""
        return {
            "key": key.key,
            "secret": key.secret,
            "passphrase": key.passphrase,
            "owner": key.owner,
            "permissions": sorted(key.permissions),
        }

    def deposit(
        self, coin: str, amount: Decimal, *, owner: str | None = None, is_margin: bool = False
    ) -> None:
        """Bring money in from outside."""
        ledger = self.venue.margin.ledger if is_margin else self.venue.spot.ledger
        ledger.deposit(owner or self.key.owner, coin, amount)

    def set_halted(self, product: str, *, is_halted: bool = True) -> None:
        """Stop or resume taking orders for a product; cancelling always works."""
        (self.venue.halted.add if is_halted else self.venue.halted.discard)(product)

    def move_price(self, product: str, mid: float) -> None:
        """Jump to a middle price; orders that it crosses are filled."""
        self._floor.feeds[product].move_to(mid)

    def settle_funding(self, product: str, rate: Decimal) -> list[Bill]:
        """Let the positions in a perpetual pay each other, once."""
        return self.venue.margin.settle_funding(self.venue.products[product], rate, self.venue.now_s())

    def step(self) -> None:
        """Let every market move once, orders expire and heartbeats beat."""
        self.venue.expire()
        for feed in self._floor.feeds.values():
            feed.step()
        self._streams.on_second()

    def inject(self, fault: VenueFault, where: str = "*", **settings: Any) -> None:
        """Arm a fault; `settings` are the other fields of `FaultRule`."""
        self.faults.add(FaultRule(fault, where, **settings))

    def injected(self) -> dict[str, int]:
        """How often each fault has happened."""
        return dict(sorted(self.faults.injected.items()))

    def disconnect_all(self) -> int:
        """Cut all streams; return how many."""
        return self._streams.cut_all()

    def truth(self) -> dict[str, Any]:
        """Every order, fill, balance and position as the venue knows them."""
        return tell_truth(self.venue)

    async def _tick(self, tick_s: float) -> None:
        while True:
            await asyncio.sleep(tick_s)
            self.step()

    async def _on_websocket(self, request: Request, websocket: WebSocket) -> None:
        await self._streams.serve(websocket, lambda send: self._protocol.session(request, send))

    def _handle(self, request: Request) -> Response:
        if request.path.startswith(admin.PREFIX):
            return admin.answer_admin(self, request)
        where = f"{request.method} {request.path}"
        skew = self.faults.draw((VenueFault.CLOCK_SKEW,), where)
        self._skew_s = skew.value if skew else 0.0
        rule = self.faults.draw(REQUEST_FAULTS, where)
        if rule is not None and rule.fault in _BEFORE:
            return _failure(rule)
        status, body = self._protocol.answer(request)
        if rule is not None:
            return _failure(rule)
        latency = self.faults.draw((VenueFault.LATENCY,), where)
        return Response(status, body, hold_s=latency.value if latency else 0.0)


def _failure(rule: FaultRule) -> Response:
    if rule.fault in _SILENT:
        return Response(hold_s=TIMEOUT_HOLD_S, drop=True)
    match rule.fault:
        case VenueFault.TOO_MANY:
            retry_after = {"Retry-After": f"{rule.value or 1.0:g}"}
            return Response(429, {"code": "429", "msg": "Too Many Requests"}, retry_after)
        case VenueFault.SERVER_ERROR | VenueFault.ERROR_AFTER:
            return Response(502, "<html><body>Bad Gateway</body></html>")
        case _:
            return Response(drop=True)


def _usual_balances(kind: VenueKind) -> Mapping[str, Decimal]:
    quote = "USD" if kind is VenueKind.COINBASE else "USDT"
    return {quote: Decimal(100_000), "BTC": Decimal(2), "ETH": Decimal(20)}
