"""USDT perpetuals at Bitget, on one margin account in one-way mode."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from marketsentry.adapters.venues.bitget_account import MAX_PAGES_OF_FILLS, OWN_MEETS_OWN, BitgetLive
from marketsentry.adapters.venues.bitget_wire import (
    read_contract,
    read_fill,
    read_funding,
    read_order,
)
from marketsentry.adapters.venues.order_checks import SeenOrder, in_force
from marketsentry.adapters.venues.venue_access import VenueAccess
from marketsentry.adapters.venues.wire import (
    decimal_of,
    ms_of,
    plain,
    rows_of,
    text_of,
)
from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.order import ZERO
from marketsentry.core.orders.product import Product
from marketsentry.core.orders.terms import MarginMode, PositionMode, ProductType, Terms
from marketsentry.ports.venue import (
    Balance,
    FundingPayment,
    LegRequest,
    OutcomeUnknownError,
    VenueFill,
    VenuePosition,
    VenueRefusedError,
)

PRODUCT_TYPE = ProductType.USDT_FUTURES.value
MARGIN_COIN = "USDT"
_MODES_FOR_S = 60.0  # somebody may change them by hand
_FUNDING = "contract_settle_fee"
_BILLS_FOR = timedelta(days=90)  # so long they are kept
_BILLS_SPAN = timedelta(days=30)  # of one request, at most


@dataclass(frozen=True, slots=True)
class Contracts:
    """How perpetuals are traded: the margin mode of every order, and the leverage that the account must have."""

    margin_mode: MarginMode = MarginMode.CROSSED
    leverage: Decimal = Decimal(1)


class BitgetPerpetual(BitgetLive):
    """Linear perpetuals against USDT on one margin account, in one-way mode."""

    market = Market.PERP
    watched_orders = MappingProxyType({"type": "swap", "productType": PRODUCT_TYPE})
    _ticker = "publicMixGetV2MixMarketTicker"
    _place_door = "privateMixPostV2MixOrderPlaceOrder"
    _order_door = "privateMixGetV2MixOrderDetail"
    _cancel_door = "privateMixPostV2MixOrderCancelOrder"
    _fills_door = "privateMixGetV2MixOrderFills"

    def __init__(
        self, access: VenueAccess, contracts: Contracts, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(access, now=now)
        self._contracts = contracts
        self._fit_modes: dict[tuple[str, Terms], float] = {}  # when they were

    async def balances(self) -> Sequence[Balance]:
        """Read the margin account: its cash without the result of open positions, and what is free of it."""
        data = await self._data("privateMixGetV2MixAccountAccounts", {"productType": PRODUCT_TYPE})
        found = []
        for row in rows_of(data, "accounts"):
            cash = decimal_of(row, "accountEquity") - decimal_of(row, "unrealizedPL", ZERO)
            free = decimal_of(row, "crossedMaxAvailable", decimal_of(row, "available"))
            found.append(Balance(text_of(row, "marginCoin").upper(), cash, min(max(free, ZERO), cash)))
        return found

    async def positions(self) -> Sequence[VenuePosition]:
        """Read open positions."""
        query = {"productType": PRODUCT_TYPE, "marginCoin": MARGIN_COIN}
        rows = rows_of(await self._data("privateMixGetV2MixPositionAllPosition", query), "positions")
        await self.products()
        return [
            VenuePosition(
                symbol=self._symbol(text_of(row, "symbol").upper()),
                qty=decimal_of(row, "total") * _sign_of(text_of(row, "holdSide")),
                average_price=decimal_of(row, "openPriceAvg"),
                leverage=decimal_of(row, "leverage") if row.get("leverage") else None,
            )
            for row in rows
            if decimal_of(row, "total", ZERO)
        ]

    async def funding_since(self, since: datetime) -> Sequence[FundingPayment]:
        """List payments for positions, as far back as the venue keeps bills; see `Venue.funding_since`."""
        await self.products()
        now = datetime.now(UTC)
        start = max(since, now - _BILLS_FOR + timedelta(hours=1))
        found: list[FundingPayment] = []
        while start < now:
            end = min(start + _BILLS_SPAN, now + timedelta(minutes=1))
            query = {"productType": PRODUCT_TYPE, "businessType": _FUNDING}
            span = {"startTime": str(ms_of(start)), "endTime": str(ms_of(end))}
            found += [
                read_funding(row, self._symbol(text_of(row, "symbol").upper()))
                async for row in self._pages("privateMixGetV2MixAccountBill", query | span, "billId")
                if row.get("businessType") == _FUNDING
            ]
            start = end
        by_id = {one.payment_id: one for one in found}
        return sorted(by_id.values(), key=lambda one: (one.at, one.payment_id))

    def order_body(self, request: LegRequest, product: Product) -> dict[str, object]:
        """Make the body of an order; every one has a limit, and no `tradeSide`: the account is in one-way mode."""
        body = {
            **self._of(product),
            "orderType": "limit",
            "price": plain(request.limit_price),
            "force": in_force(request).value,
            "marginCoin": MARGIN_COIN,
            "size": plain(request.qty),
            "clientOid": request.client_order_id,
            "stpMode": OWN_MEETS_OWN,
            "marginMode": (request.terms.margin_mode or self._contracts.margin_mode).value,
            "side": request.side.value,
        }
        reduces = request.is_reduce_only and not request.is_netted
        return {**body, "reduceOnly": "YES"} if reduces else body

    def _of(self, product: Product) -> dict[str, object]:
        return {"symbol": product.venue_symbol, "productType": PRODUCT_TYPE}

    async def _check_modes(self, request: LegRequest, product: Product) -> None:
        terms, now = request.terms, self._now()
        if now - self._fit_modes.get((product.symbol, terms), -_MODES_FOR_S) < _MODES_FOR_S:
            return
        if terms.position_mode is PositionMode.HEDGE:
            raise VenueRefusedError(
                "venue_error:position_mode",
                f"orders are of {PositionMode.ONE_WAY}, was {terms.position_mode}",
            )
        query = {**self._of(product), "marginCoin": MARGIN_COIN}
        account = await self._object("privateMixGetV2MixAccountAccount", query)
        mode = str(account.get("posMode") or "")
        if mode != PositionMode.ONE_WAY:
            raise VenueRefusedError(
                "venue_error:position_mode", f"the account must be in {PositionMode.ONE_WAY}, was {mode!r}"
            )
        wanted = Decimal(terms.leverage) if terms.leverage else self._contracts.leverage
        is_crossed = (terms.margin_mode or self._contracts.margin_mode) is MarginMode.CROSSED
        names = ("crossedMarginLeverage",) if is_crossed else ("isolatedLongLever", "isolatedShortLever")
        for name in names:
            leverage = decimal_of(account, name)
            if leverage != wanted:
                raise VenueRefusedError(
                    "venue_error:leverage",
                    f"{name} of {product.venue_symbol} must be {wanted}, was {leverage}",
                )
        self._fit_modes[product.symbol, terms] = now

    async def _open_orders(self) -> Sequence[SeenOrder]:
        pages = self._pages("privateMixGetV2MixOrderOrdersPending", {"productType": PRODUCT_TYPE}, "orderId")
        return [read_order(row, self._symbol(text_of(row, "symbol").upper())) async for row in pages]

    async def _fills_since(self, since: datetime) -> Sequence[VenueFill]:
        query = {"productType": PRODUCT_TYPE, "startTime": str(ms_of(since))}
        pages = self._pages(self._fills_door, query, "tradeId", most=MAX_PAGES_OF_FILLS)
        return [
            one
            async for row in pages
            if (one := read_fill(row, self._symbol(text_of(row, "symbol").upper()))) is not None
        ]

    async def _read_products(self) -> Sequence[Product]:
        query = {"productType": PRODUCT_TYPE}
        rows = rows_of(await self._data("publicMixGetV2MixMarketContracts", query), "contracts")
        return [read_contract(row) for row in rows if row.get("symbolType") == "perpetual"]


def _sign_of(side: str) -> int:
    """Read which way a position is held; a word that is not known is not guessed."""
    if side not in ("long", "short"):
        raise OutcomeUnknownError(f"holdSide must be long or short, was {side!r}")
    return 1 if side == "long" else -1
