"""A live venue: what the adapters of Coinbase and Bitget have in common.

An order goes out only when everything that could be checked before has been: the locks, the product and its steps,
the rights of the key, the clock, the mode of the account. Whatever fails there is a refusal, because nothing was
sent. Every order carries a limit price, market legs too (K-17), and the caller's client order id. After the venue
has taken it the order is read back and compared with what was asked: an id that another installation used before
brings *its* order back, and that one is not ours.

Nothing here repeats a request that may have been done.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from marketsentry.adapters.venues.ccxt_client import CcxtClient
from marketsentry.adapters.venues.order_checks import (
    SAME_ORDER_WINDOW,
    SeenOrder,
    accepted,
    check_request,
    fits,
    in_order,
)
from marketsentry.adapters.venues.venue_access import VenueAccess
from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.order import Fill
from marketsentry.core.orders.product import Product
from marketsentry.ports.venue import (
    Balance,
    FundingPayment,
    LegRef,
    LegRequest,
    LegView,
    OutcomeUnknownError,
    Quote,
    VenueFill,
    VenuePosition,
    VenueRefusedError,
)

_PRODUCTS_FOR_S = 600.0
_PRODUCTS_AGAIN_S = 10.0  # after an answer that did not come
_CLOCK_FOR_S = 300.0
_N_READ_BACKS = 2
_MAX_CLIENT_IDS = 10_000


class DuplicateIdError(Exception):
    """The venue has an order with this client id and took no second one."""


class CcxtVenue(ABC):
    """`Venue` over a ccxt client; `now` counts seconds."""

    name: str
    market: Market = Market.SPOT
    watched_orders: Mapping[str, object] = MappingProxyType({})  # parameters of ccxt's `watch_orders`

    def __init__(
        self, access: VenueAccess, client: CcxtClient, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._access = access
        self._now = now
        self._client = client
        self._products: dict[str, Product] = {}
        self._products_at = self._products_due = 0.0
        self._key_is_fit = False
        self._clock_at = -_CLOCK_FOR_S
        self._skew_s = 0.0
        self._client_ids: dict[str, str] = {}

    @property
    def access(self) -> VenueAccess:
        """Where the venue is, with which key."""
        return self._access

    @property
    def trading_refusal(self) -> str | None:
        """Code that every order is refused with while a lock is closed; None when all are open."""
        return self._access.trading_refusal

    @property
    def last_http_status(self) -> int | None:
        """Status of the last answer; None when the last request had none."""
        return self._client.last_status

    # What the callers use.

    async def submit(self, request: LegRequest) -> LegView:
        """Hand in an order; see `Venue.submit`."""
        if self._access.trading_refusal is not None:
            raise VenueRefusedError(self._access.trading_refusal, f"{self.name} may not be sent orders")
        started_at = datetime.now(UTC)
        self._check_market(request)
        with _nothing_sent():
            product = await self.product(request.symbol)
            check_request(request, product)
            if not request.is_reduce_only:
                self._check_product(product)
                await self._check_account(request, product)
        try:
            venue_order_id = await self._place(request, product)
        except DuplicateIdError:
            venue_order_id = None
        seen = await self._read_back(request, product, venue_order_id, started_at)
        if not fits(request, seen, sent_at=started_at):
            raise VenueRefusedError(
                "venue_error:client_id_collision",
                f"{self.name} has an order with id {request.client_order_id} that is not ours: {seen.view.side} "
                f"{seen.view.qty} of {seen.created_at.isoformat()}",
            )
        return replace(seen.view, symbol=request.symbol)

    async def cancel(self, leg: LegRef) -> None:
        """Ask to cancel; see `Venue.cancel`."""
        product = await self._known(leg.symbol)
        venue_order_id = leg.venue_order_id
        if venue_order_id is None:
            seen = await self._ours(product, leg)
            if seen is None or seen.view.status.is_over:
                return
            venue_order_id = seen.view.venue_order_id
        try:
            await self._cancel(product, venue_order_id)
        except VenueRefusedError as refused:
            if not refused.code.startswith("venue_rejected"):
                raise
            seen = await self._look_up(product, replace(leg, venue_order_id=venue_order_id))
            if seen is not None and not seen.view.status.is_over:
                raise

    async def order(self, leg: LegRef) -> LegView | None:
        """Look an order up; see `Venue.order`. One with our id that is older than our sending is not ours."""
        seen = await self._ours(await self._known(leg.symbol), leg)
        return None if seen is None else replace(seen.view, symbol=leg.symbol)

    async def open_orders(self) -> Sequence[LegView]:
        """List the orders that may still fill."""
        await self.products()
        return [seen.view for seen in await self._open_orders()]

    async def fills(self, leg: LegRef) -> Sequence[Fill]:
        """List all fills of one order."""
        product = await self._known(leg.symbol)
        venue_order_id = leg.venue_order_id
        if venue_order_id is None:
            seen = await self._ours(product, leg)
            if seen is None:
                return ()
            venue_order_id = seen.view.venue_order_id
        found = await self._fills(product, venue_order_id)
        return [one.fill for one in in_order(found) if one.venue_order_id == venue_order_id]

    async def fills_since(self, since: datetime) -> Sequence[VenueFill]:
        """List the fills of the account from `since` on, oldest first."""
        await self.products()
        found = [one for one in in_order(await self._fills_since(since)) if one.fill.at >= since]
        return [replace(one, client_order_id=await self._client_id_of(one)) for one in found]

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        """List payments for perpetual positions; spot has none."""
        return ()

    async def products(self) -> Sequence[Product]:
        """Read what can be traded, and its rules.

        An answer is kept for ten minutes, and longer while no newer one comes: exits need rules, if old ones. What the
        venue lists no more stays known, for orders in it must be seen and cancelled, and is not traded.
        """
        now = self._now()
        if not self._products or now >= self._products_due:
            self._products_due = now + _PRODUCTS_AGAIN_S
            try:
                read = await self._read_products()
            except (OutcomeUnknownError, VenueRefusedError):
                if not self._products:
                    raise
            else:
                listed = {one.symbol: one for one in read} | {one.venue_symbol: one for one in read}
                gone = {
                    name: replace(one, is_tradeable=False, is_closable=False)
                    for name, one in self._products.items()
                    if name not in listed
                }
                self._products, self._products_at = gone | listed, now
                self._products_due = now + _PRODUCTS_FOR_S
        return list({one.venue_symbol: one for one in self._products.values()}.values())

    async def product(self, symbol: str) -> Product:
        """Find a product by our name or the venue's.

        Parameters
        ----------
        symbol
            Such as `BTC` or `BTC-USD`.

        Returns
        -------
        Product
            Its rules.

        Raises
        ------
        VenueRefusedError
            `venue_error:unknown_product`, if the venue has none of that name.
        """
        await self.products()
        found = self._products.get(symbol)
        if found is None:
            raise VenueRefusedError("venue_error:unknown_product", f"{self.name} has no product {symbol}")
        return found

    async def _known(self, symbol: str) -> Product:
        """Find a product to ask for an order in it: of that no rule matters, and so none need be read."""
        return self._products.get(symbol) or await self.product(symbol)

    async def clock_skew_s(self) -> float:
        """Measure how far the venue's clock is ahead of ours, beyond what the round trip leaves open.

        Returns
        -------
        float
            Seconds; zero while the venue's time lies within the round trip and its resolution of one second.
        """
        before = datetime.now(UTC)
        told = await self.server_time()
        after = datetime.now(UTC)
        if told > after:
            return (told - after).total_seconds()
        latest = told + timedelta(seconds=1)
        return min(0.0, (latest - before).total_seconds())

    async def prepare(self) -> None:
        """Load what the first request needs, so that its time-out is that of the venue alone; nothing is sent."""
        await self._client.prepare()

    async def close(self) -> None:
        """Let go of connections; nothing is cancelled."""
        await self._client.close()

    # What the adapters add.

    @abstractmethod
    async def balances(self) -> Sequence[Balance]:
        """Read what the account holds."""

    @abstractmethod
    async def positions(self) -> Sequence[VenuePosition]:
        """Read open perpetual positions; none on spot."""

    @abstractmethod
    async def quote(self, symbol: str) -> Quote:
        """Read the best prices of a product by our name."""

    @abstractmethod
    async def server_time(self) -> datetime:
        """Read the venue's clock."""

    @abstractmethod
    async def check_key(self) -> None:
        """Refuse a key that may withdraw, or may not trade: `VenueRefusedError` `venue_error:key_...`."""

    @abstractmethod
    async def _place(self, request: LegRequest, product: Product) -> str:
        """Send an order; give the venue's id. `DuplicateIdError` when the venue says that the id is taken."""

    @abstractmethod
    async def _look_up(self, product: Product, leg: LegRef) -> SeenOrder | None: ...

    @abstractmethod
    async def _cancel(self, product: Product, venue_order_id: str) -> None: ...

    @abstractmethod
    async def _open_orders(self) -> Sequence[SeenOrder]: ...

    @abstractmethod
    async def _fills(self, product: Product, venue_order_id: str) -> Sequence[VenueFill]: ...

    @abstractmethod
    async def _fills_since(self, since: datetime) -> Sequence[VenueFill]: ...

    @abstractmethod
    async def _read_products(self) -> Sequence[Product]: ...

    @abstractmethod
    async def _check_modes(self, request: LegRequest, product: Product) -> None:
        """Refuse when the account is not set up as the orders assume."""

    async def _ours(self, product: Product, leg: LegRef) -> SeenOrder | None:
        """Look an order up; one that another installation made under our id is passed over."""
        seen = await self._look_up(product, leg)
        if (
            leg.venue_order_id is None
            and seen is not None
            and seen.created_at < leg.sent_at - SAME_ORDER_WINDOW
        ):
            return None
        return seen

    def _symbol(self, venue_symbol: str) -> str:
        product = self._products.get(venue_symbol)
        return venue_symbol if product is None else product.symbol

    async def _client_id_of(self, fill: VenueFill) -> str | None:
        """Find the client id of the order that a fill belongs to: the venues tell it with the order alone."""
        known = self._client_ids.get(fill.venue_order_id)
        if known is None:
            leg = LegRef(fill.symbol, "", fill.venue_order_id, fill.fill.at)
            seen = await self._look_up(await self._known(fill.symbol), leg)
            known = "" if seen is None else seen.view.client_order_id
            if len(self._client_ids) >= _MAX_CLIENT_IDS:
                self._client_ids.clear()
            self._client_ids[fill.venue_order_id] = known
        return known or None

    # Steps of submit.

    def _check_market(self, request: LegRequest) -> None:
        wanted = request.terms.market_type
        if wanted not in (None, self.market):
            raise VenueRefusedError(
                "venue_error:market_type",
                f"{self.name} trades {self.market} here, and {wanted} was asked for",
            )

    def _check_product(self, product: Product) -> None:
        """Refuse to open what the account cannot reckon with, or by rules that are old."""
        if product.quote != self._access.quote_currency:
            raise VenueRefusedError(
                "venue_error:quote_currency",
                f"the account counts in {self._access.quote_currency}, and {product.venue_symbol} in {product.quote}",
            )
        if self._now() - self._products_at >= 2 * _PRODUCTS_FOR_S:
            raise VenueRefusedError(
                "venue_error:not_ready", f"{self.name} has not told its rules for {2 * _PRODUCTS_FOR_S:g} s"
            )

    async def _check_account(self, request: LegRequest, product: Product) -> None:
        """Check what stands against opening; what only closes is let through, the venue will judge it."""
        if not self._key_is_fit:
            await self.check_key()
            self._key_is_fit = True
        await self._check_modes(request, product)
        if self._now() - self._clock_at >= _CLOCK_FOR_S:
            self._skew_s = await self.clock_skew_s()
            self._clock_at = self._now()
        if not abs(self._skew_s) <= self._access.max_skew_s:
            self._clock_at = -_CLOCK_FOR_S
            raise VenueRefusedError(
                "venue_error:clock_skew",
                f"the clock of {self.name} must be within {self._access.max_skew_s:g} s of ours, "
                f"was {self._skew_s:+.1f} s",
            )

    async def _read_back(
        self, request: LegRequest, product: Product, venue_order_id: str | None, started_at: datetime
    ) -> SeenOrder:
        leg = LegRef(request.symbol, request.client_order_id, venue_order_id, started_at)
        error: Exception | None = None
        for _ in range(_N_READ_BACKS):
            try:
                seen = await self._look_up(product, leg)
            except (OutcomeUnknownError, VenueRefusedError) as raised:
                error = raised
                continue
            if seen is not None:
                return seen
            if venue_order_id is not None:  # taken a moment ago and not listed yet: so it is new, and ours
                return SeenOrder(accepted(request, venue_order_id), request.limit_price, started_at)
        raise OutcomeUnknownError(
            f"{self.name} has taken {request.client_order_id}, and it could not be read back"
        ) from error


@contextmanager
def _nothing_sent() -> Iterator[None]:
    """What is unknown before an order goes out is unknown of something else: the order was not sent."""
    try:
        yield
    except OutcomeUnknownError as error:
        raise VenueRefusedError("venue_error:not_ready", f"nothing was sent: {error}") from error
