"""How Bitget writes orders, fills, products and errors."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from marketsentry.adapters.venues.order_checks import SeenOrder, side_of
from marketsentry.adapters.venues.wire import decimal_of, instant_of_ms, rows_of, step_of, text_of
from marketsentry.core.market.symbols import Market, canonical_symbol
from marketsentry.core.orders.order import ZERO, Fill
from marketsentry.core.orders.product import Product
from marketsentry.exceptions import InputError
from marketsentry.ports.venue import FundingPayment, LegStatus, LegView, VenueFill, VenueRefusedError

_OK = "00000"
_OWN_COIN = "BGB"  # fees can be paid with it
_DUPLICATE = frozenset({"40708", "40786", "43118", "45034", "50060"})
_NOT_FOUND = frozenset({"40109", "40768", "43001", "43025"})
_UNCERTAIN = frozenset(  # timed out, busy, abnormal, being upgraded, unknown
    {"40010", "40015", "40200", "40604", "40725", "45001", "50008", "500", "UNKNOWN"}
)
_STATUSES = {
    "filled": LegStatus.FILLED,
    "full_fill": LegStatus.FILLED,
    "cancelled": LegStatus.CANCELED,
    "canceled": LegStatus.CANCELED,
    "expired": LegStatus.EXPIRED,
    "rejected": LegStatus.REJECTED,
}


class BitgetDialect:
    """`code` other than `00000`."""

    def error_code(self, body: Any) -> str | None:  # Any: JSON as it came
        """Find the error code of a body; one without any code says nothing that can be relied on."""
        code = str(body.get("code") or "UNKNOWN") if isinstance(body, dict) else "UNKNOWN"
        return None if code == _OK else code

    def is_uncertain(self, code: str) -> bool:
        """Whether the code leaves open what was done."""
        return code in _UNCERTAIN


def is_duplicate(refused: VenueRefusedError) -> bool:
    """Whether an order was not taken because its client id is."""
    return refused.code.removeprefix("venue_rejected:") in _DUPLICATE


def is_not_found(refused: VenueRefusedError) -> bool:
    """Whether the venue says that there is no such order."""
    return refused.code.removeprefix("venue_rejected:") in _NOT_FOUND


def read_order(row: Mapping[str, Any], symbol: str) -> SeenOrder:
    """Read an order of either market; a status that is not known counts as open until all is filled."""
    qty, filled = decimal_of(row, "size"), decimal_of(row, "baseVolume", ZERO)
    word = str(row.get("status") or row.get("state") or "")
    status = _STATUSES.get(word.lower(), LegStatus.FILLED if filled >= qty else LegStatus.OPEN)
    price = decimal_of(row, "price", ZERO)
    view = LegView(
        client_order_id=str(row.get("clientOid") or ""),
        venue_order_id=text_of(row, "orderId"),
        symbol=symbol,
        side=side_of(text_of(row, "side")),
        status=status,
        qty=qty,
        filled_qty=filled,
        venue_status=word,
    )
    return SeenOrder(view, price or None, instant_of_ms(row, "cTime"))


def read_fill(row: Mapping[str, Any], symbol: str) -> VenueFill | None:
    """Read a fill of either market: spot says `priceAvg` and `size`, perpetuals `price` and `baseVolume`.

    None for one of no quantity, which moves nothing.
    """
    is_spot = "size" in row
    qty = decimal_of(row, "size" if is_spot else "baseVolume")
    if not qty:
        return None
    fee, fee_currency = _fee_of(row)
    scope = str(row.get("tradeScope") or "").lower()
    fill = Fill(
        trade_id=text_of(row, "tradeId"),
        qty=qty,
        price=decimal_of(row, "priceAvg" if is_spot else "price"),
        fee=fee,
        fee_currency=fee_currency,
        at=instant_of_ms(row, "cTime"),
        liquidity=scope if scope in ("maker", "taker") else "",
    )
    client_id = str(row.get("clientOid") or "") or None
    return VenueFill(symbol, text_of(row, "orderId"), client_id, side_of(text_of(row, "side")), fill)


def read_funding(row: Mapping[str, Any], symbol: str) -> FundingPayment:
    """Read a bill of what a position paid, negative, or got for being held."""
    return FundingPayment(
        symbol=symbol,
        payment_id=text_of(row, "billId"),
        amount=decimal_of(row, "amount"),
        currency=text_of(row, "coin").upper(),
        at=instant_of_ms(row, "cTime"),
    )


def read_spot_product(row: Mapping[str, Any]) -> Product:
    """Read a spot product."""
    venue_symbol = text_of(row, "symbol")
    return Product(
        symbol=_named(venue_symbol, f"{row.get('baseCoin')}/{row.get('quoteCoin')}", Market.SPOT),
        venue_symbol=venue_symbol,
        base=text_of(row, "baseCoin"),
        quote=text_of(row, "quoteCoin"),
        market=Market.SPOT,
        tick_size=step_of(text_of(row, "pricePrecision")),
        lot_size=step_of(text_of(row, "quantityPrecision")),
        min_qty=decimal_of(row, "minTradeAmount", ZERO),
        min_notional=decimal_of(row, "minTradeUSDT", ZERO),
        is_tradeable=row.get("status") == "online",
        reach_frac=_reach_of(row),
    )


def read_contract(row: Mapping[str, Any]) -> Product:
    """Read a perpetual; its tick is so many units of the last digit of a price."""
    venue_symbol = text_of(row, "symbol")
    return Product(
        symbol=_named(venue_symbol, f"{row.get('baseCoin')}/{row.get('quoteCoin')}:USDT", Market.PERP),
        venue_symbol=venue_symbol,
        base=text_of(row, "baseCoin"),
        quote=text_of(row, "quoteCoin"),
        market=Market.PERP,
        tick_size=decimal_of(row, "priceEndStep") * step_of(text_of(row, "pricePlace")),
        lot_size=decimal_of(row, "sizeMultiplier"),
        min_qty=decimal_of(row, "minTradeNum", ZERO),
        min_notional=decimal_of(row, "minTradeUSDT", ZERO),
        is_tradeable=row.get("symbolStatus") == "normal",
        reach_frac=_reach_of(row),
        is_closable=row.get("symbolStatus") == "limit_open",
    )


def _fee_of(row: Mapping[str, Any]) -> tuple[Decimal, str]:
    """Read what a fill cost, positive when paid, and in which coin.

    Where the venue took its own coin instead, what it took is the deduction. When that coin ran out a part is paid in
    each: the one that also moves what is traded counts, and the rest shows as a difference of that coin.
    """
    told = row.get("feeDetail") or []
    paid: dict[str, Decimal] = {}
    for one in rows_of(told if isinstance(told, list) else [told], "feeDetail"):
        whole = decimal_of(one, "totalFee", ZERO)
        is_deducted = str(one.get("deduction")).lower() in ("yes", "true")
        taken = (decimal_of(one, "totalDeductionFee", ZERO) or whole) if is_deducted else whole
        coin = str(one.get("feeCoin") or "").upper()
        paid[coin] = paid.get(coin, ZERO) - taken
    own_last = sorted(paid, key=lambda coin: (not paid[coin], coin == _OWN_COIN))
    return (paid[own_last[0]], own_last[0]) if own_last else (ZERO, "")


def _reach_of(row: Mapping[str, Any]) -> Decimal | None:
    """Read how far from the market a limit may lie, either way."""
    names = ("buyLimitPriceRatio", "sellLimitPriceRatio")
    told = [reach for name in names if (reach := decimal_of(row, name, ZERO)) > 0]
    return min(told, default=None)


def _named(venue_symbol: str, pair: str, market: Market) -> str:
    try:
        return canonical_symbol(pair, market)
    except InputError:  # a name that ours cannot hold; it can still be traded by the venue's
        return venue_symbol
