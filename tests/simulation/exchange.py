"""The venue's side: a book of one with exact balances. It knows the truth, and shows it late or in pieces."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from enum import Enum

from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.order import ZERO, Fill, LegKind, Side, TimeInForce
from marketsentry.core.orders.product import Product
from marketsentry.ports import Clock
from marketsentry.ports.venue import LegRequest, LegStatus, LegView, VenueFill
from simulation.chance import Chance
from simulation.loop import VirtualLoop

QUOTE = "USD"
LOT, TICK = Decimal("0.0001"), Decimal("0.01")
FEE = Decimal("0.001")
FEE_COIN, COIN_MID = "BGB", Decimal(4)
_MIDS = {"BTC": 100.0, "ETH": 20.0}
_PARTS = (Decimal(0), Decimal("0.25"), Decimal("0.6"), Decimal(1), Decimal(1), Decimal(1))


class _Coin(Enum):
    """How fees are taken: as ever, or in a coin of the venue that has a price, or has one at some looks."""

    NONE, PRICED, SOMETIMES_PRICED = range(3)


class RefusedError(Exception):
    """The venue does not take the order; the message is its reason."""


@dataclass
class Booked:
    """An order at the venue. `told` are its states with the time from which they can be seen."""

    request: LegRequest
    venue_order_id: str
    status: LegStatus = LegStatus.OPEN
    fills: tuple[Fill, ...] = ()
    told: list[tuple[float, LegView]] = field(default_factory=list)
    fills_told: list[tuple[float, Fill]] = field(default_factory=list)

    @property
    def filled_qty(self) -> Decimal:
        """Sum of the fills."""
        return sum((fill.qty for fill in self.fills), ZERO)

    @property
    def left(self) -> Decimal:
        """What is not filled."""
        return self.request.qty - self.filled_qty

    def view(self, fills: tuple[Fill, ...] = ()) -> LegView:
        """As it is now."""
        return LegView(
            self.request.client_order_id,
            self.venue_order_id,
            self.request.symbol,
            self.request.side,
            self.status,
            self.request.qty,
            self.filled_qty,
            str(self.status).upper(),
            fills,
        )


class Exchange:
    """One account at one venue.

    Parameters
    ----------
    loop
        Virtual time.
    clock
        The same as a clock.
    chance
        Draws how much of an order is filled, when the rest is, and how late it is told.
    cash
        What was paid in.
    """

    def __init__(self, loop: VirtualLoop, clock: Clock, chance: Chance, cash: Decimal) -> None:
        self._loop, self._clock, self._chance = loop, clock, chance
        self._draw = chance.of("exchange")
        self.orders: dict[str, Booked] = {}
        self.handed_in: Counter[str] = Counter()
        self.balances: dict[str, Decimal] = {QUOTE: cash}
        self.fees_in_kind = self._draw.random() < 0.3
        self._coin_draw = chance.of("fee coin")
        self._coin = self._coin_draw.choice((_Coin.NONE, _Coin.NONE, _Coin.PRICED, _Coin.SOMETIMES_PRICED))
        self._mids = dict(_MIDS)
        self._n_trades = 0
        self._moved_at = 0.0
        self._largest_lag_s = self._draw.choice((0.0, 0.2, 3.0))

    def products(self) -> list[Product]:
        """What can be traded."""
        return [Product(name, f"{name}-{QUOTE}", name, QUOTE, Market.SPOT, TICK, LOT, LOT) for name in _MIDS]

    def quote(self, symbol: str) -> tuple[Decimal, Decimal]:
        """Best prices now."""
        for _ in range(int(self._loop.time() - self._moved_at)):
            self._moved_at += 1.0
            for name in self._mids:
                self._mids[name] *= 1 + self._draw.gauss(0, 0.0002)
        mid = Decimal(str(round(self._mids[symbol], 2)))
        return mid - TICK, mid + TICK

    def submit(self, request: LegRequest) -> LegView:
        """Take an order; the same client order id twice is the order of before."""
        self.handed_in[request.client_order_id] += 1
        if (known := self.orders.get(request.client_order_id)) is not None:
            return known.view(known.fills)
        if request.qty % LOT or request.limit_price % TICK:
            raise RefusedError("invalid_increment")
        self._refuse_unpaid(request)
        order = Booked(request, f"v-{len(self.orders) + 1}")
        self.orders[request.client_order_id] = order
        self._take(order)
        if order.status is LegStatus.OPEN and (
            request.kind is LegKind.MARKET or request.time_in_force is not TimeInForce.GTC
        ):
            order.status = LegStatus.CANCELED
        self._tell(order)
        if order.status is LegStatus.OPEN:
            self._fill_later(order)
        fills = order.fills if self._draw.random() < 0.5 else order.fills[:1]
        return order.view(tuple(map(self._worth, fills)))

    def cancel(self, client_order_id: str) -> None:
        """Cancel what is still open."""
        order = self.orders.get(client_order_id)
        if order is not None and order.status is LegStatus.OPEN:
            order.status = LegStatus.CANCELED
            self._tell(order)

    def seen(self, client_order_id: str) -> LegView | None:
        """The order as it can be seen now, which may be as it was a while ago."""
        order = self.orders.get(client_order_id)
        if order is None:
            return None
        now = self._loop.time()
        views = [view for at, view in order.told if at <= now]
        if not views:
            return None
        fills = self.seen_fills(client_order_id)
        return replace(views[-1], fills=fills if self._draw.random() < 0.5 else fills[:1])

    def seen_fills(self, client_order_id: str) -> tuple[Fill, ...]:
        """Its fills that can be seen now, in any order, some of them twice."""
        order = self.orders.get(client_order_id)
        now = self._loop.time()
        seen = [] if order is None else [fill for at, fill in order.fills_told if at <= now]
        if seen and not self._chance.is_calm and self._draw.random() < 0.3:
            seen.append(self._draw.choice(seen))
            self._chance.faults["venue: a fill told twice"] += 1
        self._draw.shuffle(seen)
        return tuple(map(self._worth, seen))

    def _worth(self, fill: Fill) -> Fill:
        """Tell a fill with what its fee is worth at this look, where that can be told."""
        if fill.fee_currency != FEE_COIN:
            return fill
        if self._coin is _Coin.SOMETIMES_PRICED and self._coin_draw.random() < 0.2:
            return fill
        price = COIN_MID + Decimal(self._coin_draw.randrange(-9, 10)) / 100
        return replace(fill, fee_quote=fill.fee * price)

    def open_orders(self) -> list[LegView]:
        """What may still fill."""
        return [one.view(one.fills) for one in self.orders.values() if not one.status.is_over]

    def fills_since(self, since: datetime) -> list[VenueFill]:
        """All fills of a time, oldest first."""
        told = [
            VenueFill(
                one.request.symbol, one.venue_order_id, one.request.client_order_id, one.request.side, fill
            )
            for one in self.orders.values()
            for fill in one.fills
            if fill.at >= since
        ]
        return sorted(told, key=lambda one: (one.fill.at, one.fill.trade_id))

    def _refuse_unpaid(self, request: LegRequest) -> None:
        is_buy = request.side is Side.BUY
        asset = QUOTE if is_buy else request.symbol
        need = request.qty * request.limit_price * (1 + FEE) if is_buy else request.qty
        held = sum(
            (
                one.left * (one.request.limit_price * (1 + FEE) if is_buy else 1)
                for one in self.orders.values()
                if one.status is LegStatus.OPEN
                and one.request.side is request.side
                and (is_buy or one.request.symbol == request.symbol)
            ),
            ZERO,
        )
        if self.balances.get(asset, ZERO) - held < need:
            raise RefusedError("insufficient_funds")

    def _take(self, order: Booked) -> None:
        """What it finds in the book at once."""
        request = order.request
        bid, ask = self.quote(request.symbol)
        price = ask if request.side is Side.BUY else bid
        if request.side.sign * (request.limit_price - price) < 0:
            return
        qty = (request.qty * self._draw.choice(_PARTS) / LOT).to_integral_value(ROUND_FLOOR) * LOT
        if request.time_in_force is TimeInForce.FOK and qty < request.qty:
            return
        first = (qty / 2 / LOT).to_integral_value(ROUND_FLOOR) * LOT
        for part in (first, qty - first) if self._draw.random() < 0.5 else (qty,):
            self._fill(order, part, price)

    def _fill_later(self, order: Booked) -> None:
        for _ in range(self._draw.randrange(4)):
            self._loop.call_later(self._draw.choice((0.3, 1.0, 2.0, 2.0, 2.05, 4.0)), self._fill_rest, order)
        if self._draw.random() < 0.1:
            self._loop.call_later(self._draw.uniform(0.1, 4.0), self._end, order)

    def _fill_rest(self, order: Booked) -> None:
        if order.status is LegStatus.OPEN:
            part = (order.left * self._draw.choice((Decimal("0.3"), Decimal(1))) / LOT).to_integral_value(
                ROUND_FLOOR
            )
            self._fill(order, part * LOT, order.request.limit_price)
            self._tell(order)

    def _end(self, order: Booked) -> None:
        """The venue ends it by itself."""
        if order.status is LegStatus.OPEN:
            is_rejected = not order.fills and self._draw.random() < 0.5
            order.status = LegStatus.REJECTED if is_rejected else LegStatus.EXPIRED
            self._tell(order)

    def _fill(self, order: Booked, qty: Decimal, price: Decimal) -> None:
        if not qty:
            return
        request, sign = order.request, order.request.side.sign
        self._n_trades += 1
        in_kind = self.fees_in_kind and request.side is Side.BUY
        fee, currency = (qty if in_kind else qty * price) * FEE, request.symbol if in_kind else QUOTE
        if self._coin is not _Coin.NONE:
            fee, currency = qty * price * FEE / COIN_MID, FEE_COIN
        fill = Fill(f"t-{self._n_trades}", qty, price, fee, currency, self._clock.now())
        order.fills = (*order.fills, fill)
        if not order.left:
            order.status = LegStatus.FILLED
        self._move(request.symbol, sign * qty)
        self._move(QUOTE, -sign * qty * price)
        self._move(fill.fee_currency, -fee)
        order.fills_told.append((self._loop.time() + self._lag_s(), fill))

    def _move(self, asset: str, amount: Decimal) -> None:
        self.balances[asset] = self.balances.get(asset, ZERO) + amount

    def _tell(self, order: Booked) -> None:
        before = order.told[-1][0] if order.told else 0.0
        order.told.append((max(before, self._loop.time() + self._lag_s()), order.view()))

    def _lag_s(self) -> float:
        return self._draw.uniform(0, self._largest_lag_s) if self._draw.random() < 0.3 else 0.0
