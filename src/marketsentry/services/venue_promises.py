"""What a venue promises, one function each: it gives what it saw, or raises `BrokenPromiseError`."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from marketsentry.core.conformance import require
from marketsentry.core.orders.order import ZERO, Fill, LegKind, Side, TimeInForce
from marketsentry.ports.venue import LegRequest, LegStatus, LegView
from marketsentry.services.venue_trial import FAR, NEAR, Kit, refused, require_exact, require_now

_HUNDRED = 100


async def _exact(kit: Kit) -> str:
    balances = await kit.venue.balances()
    products = await kit.venue.products()
    seen = {
        "products": products,
        "quote": await kit.venue.quote(kit.trial.symbol),
        "balances": balances,
        "positions": await kit.venue.positions(),
        "server_time": await kit.venue.server_time(),
    }
    for name, value in seen.items():
        require_exact(value, name)
    for one in balances:
        require(one.total >= one.available >= 0, f"{one.asset} must have total >= available >= 0: {one}")
    return f"{len(products)} products, {len(balances)} assets"


async def _prices(kit: Kit) -> str:
    quote, now = await kit.venue.quote(kit.trial.symbol), await kit.venue.server_time()
    require(
        0 < quote.bid <= quote.ask, f"a bid must be > 0 and at most the ask, was {quote.bid} and {quote.ask}"
    )
    require_now(quote.at, now, "the time of a quote")
    return f"{quote.bid} / {quote.ask}"


async def rest_and_cancel(kit: Kit) -> str:
    """Place an order that rests, see it, cancel it."""
    request = kit.request(Side.BUY, kit.bid * (1 - FAR))
    placed = await kit.venue.submit(request)
    require_exact(placed, "an order")
    require(
        (placed.client_order_id, placed.side, placed.qty)
        == (request.client_order_id, request.side, request.qty),
        f"an order must come back as it was sent, was {placed}",
    )
    resting = await kit.until(request, lambda one: one.status is LegStatus.OPEN, "open")
    require(
        resting.filled_qty == 0, f"a limit far from the market must not fill, filled {resting.filled_qty}"
    )
    by_id = await kit.venue.order(kit.ref(request, resting))
    require(by_id == resting, f"both ids must show the same order, were {resting} and {by_id}")
    mine = [one for one in await kit.venue.open_orders() if one.client_order_id == request.client_order_id]
    require(len(mine) == 1, f"it must be listed once among the open orders, was {len(mine)} times")
    await kit.venue.cancel(kit.ref(request, resting))
    ended = await kit.until(request, lambda one: one.status.is_over, "over")
    require(
        ended.status is LegStatus.CANCELED and ended.filled_qty == 0,
        f"a cancelled order must end as canceled with nothing filled, was {ended}",
    )
    await kit.venue.cancel(kit.ref(request, ended))
    require(
        not await kit.venue.fills(kit.ref(request, ended)), "an order that did not fill must have no fills"
    )
    return f"{ended.venue_status} after {resting.venue_status}"


async def _idempotent(kit: Kit) -> str:
    request = kit.request(Side.BUY, kit.bid * (1 - FAR))
    first = await kit.venue.submit(request)
    again = await kit.venue.submit(request)
    await kit.venue.cancel(kit.ref(request, first))
    require(
        first.venue_order_id == again.venue_order_id,
        f"the same client order id twice must give one order, gave {first.venue_order_id} and {again.venue_order_id}",
    )
    ended = await kit.until(request, lambda one: one.status.is_over, "over")
    other = replace(request, qty=request.qty * 2)
    code = await refused(kit.venue.submit(other), "another order with an id that is taken")
    return f"one order {ended.venue_order_id}; another quantity is refused as {code}"


async def _immediate(kit: Kit) -> str:
    before = {one.asset: one.total for one in await kit.venue.balances()}
    request = kit.request(Side.BUY, kit.ask * (1 + NEAR), TimeInForce.IOC)
    done = await _over(kit, request)
    require(done.filled_qty > 0, f"an immediate order beyond the market must fill, was {done}")
    fills = await kit.venue.fills(kit.ref(request, done))
    require_exact(list(fills), "fills")
    total = sum((one.qty for one in fills), ZERO)
    require(total == done.filled_qty, f"fills must add up to {done.filled_qty}, add up to {total}")
    require(len({one.trade_id for one in fills}) == len(fills), "trade ids must differ")
    now = await kit.venue.server_time()
    for one in fills:
        require(
            one.price <= request.limit_price,
            f"no fill may cost more than {request.limit_price}, was {one.price}",
        )
        require(bool(one.fee_currency) or not one.fee, f"a fee must name its currency, was {one}")
        require_now(one.at, now, "the time of a fill")
    told = [
        one
        for one in await kit.venue.fills_since(kit.started_at)
        if one.venue_order_id == done.venue_order_id
    ]
    require(
        sorted(one.fill.trade_id for one in told) == sorted(one.trade_id for one in fills),
        f"fills_since must tell the same fills, told {len(told)} of {len(fills)}",
    )
    for said in told:
        require(
            said.client_order_id == request.client_order_id and said.side is Side.BUY,
            f"a fill must belong to its order, was {said}",
        )
    await _books_agree(kit, before, fills)
    return (
        f"{total} in {len(fills)} fills, fees {sum((one.fee for one in fills), ZERO)} {fills[0].fee_currency}"
    )


async def _books_agree(kit: Kit, before: dict[str, Decimal], fills: Sequence[Fill]) -> None:
    if kit.product.base not in before:
        return  # a perpetual, or an account that had none of it
    after = {one.asset: one.total for one in await kit.venue.balances()}
    bought = sum((_received(kit, one) for one in fills), ZERO)
    gained = after[kit.product.base] - before[kit.product.base]
    require(gained == bought, f"the account must hold {bought} {kit.product.base} more, holds {gained} more")


async def _no_rest(kit: Kit) -> str:
    seen = []
    for force in (TimeInForce.IOC, TimeInForce.FOK):
        done = await _over(kit, kit.request(Side.BUY, kit.bid * (1 - FAR), force))
        require(done.filled_qty == 0, f"{force} far from the market must not fill, filled {done.filled_qty}")
        seen.append(f"{force} {done.venue_status or done.status}")
    return ", ".join(seen)


async def _all_or_nothing(kit: Kit) -> str:
    done = await _over(kit, kit.request(Side.BUY, kit.ask * (1 + NEAR), TimeInForce.FOK))
    require(
        done.filled_qty in (0, done.qty),
        f"FOK must fill all or nothing, filled {done.filled_qty} of {done.qty}",
    )
    return f"{done.filled_qty} of {done.qty}"


async def _bounded(kit: Kit) -> str:
    request = kit.request(Side.BUY, kit.bid * (1 - FAR), TimeInForce.IOC, kind=LegKind.MARKET)
    done = await _over(kit, request)
    require(
        done.filled_qty == 0,
        f"a market leg bounded at {request.limit_price} must not fill at {kit.ask}, filled {done.filled_qty}",
    )
    return f"nothing beyond {request.limit_price}"


async def _absent(kit: Kit) -> str:
    never = kit.request(Side.BUY, kit.bid * (1 - FAR))
    found = await kit.venue.order(kit.ref(never))
    require(found is None, f"an order that never was must be None, was {found}")
    require(not await kit.venue.fills(kit.ref(never)), "an order that never was must have no fills")
    await kit.venue.cancel(kit.ref(never))
    return "None"


async def _limits(kit: Kit) -> str:
    price = kit.product.bound_price(kit.bid * (1 - FAR), Side.BUY)
    lot, tick = kit.product.lot_size, kit.product.tick_size
    base = kit.request(Side.BUY, price)
    wrong = {"nothing": replace(base, qty=ZERO), "an unknown product": replace(base, symbol="MS-NO-SUCH")}
    if kit.product.min_qty or kit.product.min_notional:
        smallest = min(one for one in (kit.product.min_qty, kit.product.min_notional / price) if one > 0)
        wrong["too small an order"] = replace(base, qty=kit.product.round_qty(smallest / _HUNDRED))
    if lot:
        wrong["a part of a lot"] = replace(base, qty=kit.qty + lot / 2)
    if tick:
        wrong["a part of a tick"] = replace(base, limit_price=price + tick / 2)
    codes = [await refused(kit.venue.submit(request), what) for what, request in wrong.items()]
    found = await kit.venue.order(kit.ref(base))
    require(found is None, f"a refused order must not exist, was {found}")
    return ", ".join(codes)


async def tidy_up(kit: Kit) -> str:
    """Cancel what rests and sell what was bought."""
    ids = {one.client_order_id: one for one in kit.sent}
    for view in await kit.venue.open_orders():
        if view.client_order_id in ids:
            await kit.venue.cancel(kit.ref(ids[view.client_order_id], view))
    held = ZERO
    for request in kit.sent:
        found = await kit.venue.order(kit.ref(request))
        if found is not None and found.filled_qty:
            held += sum((_received(kit, one) for one in await kit.venue.fills(kit.ref(request, found))), ZERO)
    qty = kit.product.round_qty(held)
    if kit.product.is_too_small(qty, kit.bid * (1 - NEAR)):
        return f"{held} {kit.product.base} is left, too little to sell"
    done = await _over(kit, kit.request(Side.SELL, kit.bid * (1 - NEAR), TimeInForce.IOC, qty=qty))
    require(done.filled_qty == qty, f"what was bought must be sold again: {done.filled_qty} of {qty}")
    return f"{qty} {kit.product.base} bought and sold"


async def _over(kit: Kit, request: LegRequest) -> LegView:
    await kit.venue.submit(request)
    return await kit.until(request, lambda one: one.status.is_over, "over")


def _received(kit: Kit, fill: Fill) -> Decimal:
    """What a purchase leaves in the account: where the fee is of the same asset, less than was bought."""
    return fill.qty - (fill.fee if fill.fee_currency == kit.product.base else ZERO)


PROMISES: tuple[tuple[str, Callable[[Kit], Awaitable[str]]], ...] = (
    ("values are exact, times have a zone", _exact),
    ("prices have two sides and a time", _prices),
    ("an order rests, is found by both ids, is cancelled", rest_and_cancel),
    ("one client order id, one order", _idempotent),
    ("an immediate order fills, fees and books agree", _immediate),
    ("what may not rest does not", _no_rest),
    ("fill or kill", _all_or_nothing),
    ("a market leg is bounded", _bounded),
    ("an order that never was", _absent),
    ("lots, ticks and smallest orders are kept", _limits),
)
