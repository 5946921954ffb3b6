"""The venue itself: takes orders, matches them, keeps the books. It speaks no protocol and owns no clock."""

import random
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from marketsentry.simexchange.accounts import Accounts, MarginAccounts, SpotAccounts
from marketsentry.simexchange.ledger import HOUSE, MARKET
from marketsentry.simexchange.matching import Book, Execution, Resting
from marketsentry.simexchange.orders import (
    Fill,
    HoldSide,
    NewOrder,
    Order,
    OrderStatus,
    OrderType,
    Reject,
    Rejected,
    SelfTrade,
    Side,
    TimeInForce,
    Trade,
)
from marketsentry.simexchange.products import Product

MAX_TRADES_KEPT = 1_000
_MET_ITSELF = "self trade prevented"


@dataclass(frozen=True, slots=True)
class BookChange:
    """Levels of one product that changed: (side, price, quantity now)."""

    product: str
    levels: tuple[tuple[Side, Decimal, Decimal], ...]


@dataclass(frozen=True, slots=True)
class OrderChange:
    """An order changed, by this fill where there is one."""

    order: Order
    fill: Fill | None = None


Event = BookChange | OrderChange | Trade


class Venue:
    """Products, books, money, orders and fills. Everything follows from its calls, its seed and its clock.

    A post-only order that would take is refused, or with `post_only_rejects` off taken and cancelled at once. Ids of
    orders are UUIDs, or with `has_number_ids` numbers that grow.
    """

    def __init__(
        self,
        products: Sequence[Product],
        *,
        now_s: Callable[[], float],
        seed: int = 0,
        post_only_rejects: bool = True,
        has_number_ids: bool = False,
    ) -> None:
        self.products = {one.key: one for one in products}
        self.books = {key: Book() for key in self.products}
        self.spot = SpotAccounts()
        self.margin = MarginAccounts(self.mark)
        self.orders: dict[str, Order] = {}
        self.fills: list[Fill] = []
        self.trades: dict[str, deque[Trade]] = defaultdict(lambda: deque(maxlen=MAX_TRADES_KEPT))
        self.halted: set[str] = set()
        self.now_s = now_s
        self._post_only_rejects = post_only_rejects
        self._has_number_ids = has_number_ids
        self._rng = random.Random(seed)
        self._by_client_id: dict[tuple[str, bool, str], str] = {}
        self._resting_clients: dict[str, Order] = {}
        self._listeners: list[Callable[[Event], None]] = []
        self._n_ids = 0

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` with everything that happens from now on."""
        self._listeners.append(listener)

    def forget(self, listener: Callable[[Event], None]) -> None:
        """Stop calling a listener."""
        self._listeners.remove(listener)

    def accounts(self, product: Product) -> Accounts:
        """Money that a product is traded with."""
        return self.margin if product.is_perpetual else self.spot

    def mark(self, product: str) -> Decimal:
        """Middle of the book, else the last trade, else zero."""
        book = self.books[product]
        bid, ask = book.best(Side.BUY), book.best(Side.SELL)
        if bid is not None and ask is not None:
            return (bid + ask) / 2
        return self.trades[product][-1].price if self.trades[product] else bid or ask or Decimal(0)

    def place(self, asked: NewOrder) -> Order:
        """Take an order, match it, and keep what may rest; raise `Rejected` where the venue takes none."""
        self.expire()
        product = self._product(asked.product)
        asked = self._checked(product, asked)
        book = self.books[product.key]
        now_s = self.now_s()
        order = Order(self._order_id(), asked, now_s, updated_s=now_s)
        self.accounts(product).reserve(order, product, self._worst_quote(book, asked))
        self.orders[order.id] = order
        if asked.client_id:
            self._by_client_id[asked.owner, product.is_perpetual, asked.client_id] = order.id
        self._resting_clients[order.id] = order
        self._emit(OrderChange(order))
        if self._would_take(asked):
            self._end(order, OrderStatus.CANCELLED, "post only")
        else:
            self._finish_taking(order, book, self._match(order, product, book))
        self._flush(product.key)
        return order

    def cancel(self, owner: str, order_id: str, *, reason: str = "user") -> Order:
        """Take an order out of the book."""
        order = self.order(owner, order_id)
        if order.status is not OrderStatus.OPEN:
            raise Rejected(Reject.ORDER_FINAL, f"order {order_id} is {order.status}")
        self._end(order, OrderStatus.CANCELLED, reason)
        self._flush(order.asked.product)
        return order

    def order(self, owner: str, order_id: str) -> Order:
        """Find an owner's order by the venue's id."""
        order = self.orders.get(order_id)
        if order is None or order.asked.owner != owner:
            raise Rejected(Reject.UNKNOWN_ORDER, f"order {order_id} does not exist")
        return order

    def order_by_client_id(self, owner: str, client_id: str, *, is_perpetual: bool = False) -> Order:
        """Find an owner's order by the id that the owner gave it."""
        order_id = self._by_client_id.get((owner, is_perpetual, client_id))
        if order_id is None:
            raise Rejected(Reject.UNKNOWN_ORDER, f"order with client id {client_id} does not exist")
        return self.orders[order_id]

    def open_orders(self) -> list[Order]:
        """All clients' orders that wait, oldest first."""
        return list(self._resting_clients.values())

    def expire(self) -> None:
        """End the orders whose time is over."""
        now_s = self.now_s()
        for order in self.open_orders():
            if order.asked.expires_s is not None and order.asked.expires_s <= now_s:
                self._end(order, OrderStatus.EXPIRED, "expired")
                self._flush(order.asked.product)

    def house_quote(
        self, product: str, quotes: Sequence[tuple[Side, Decimal, Decimal]], stale: Sequence[str]
    ) -> list[str]:
        """Replace the market maker's orders: take out `stale` ids, trade what crosses, add the rest; return the ids."""
        book = self.books[product]
        for order_id in stale:
            book.remove(order_id)
        ids = []
        for side, price, quantity in quotes:
            left = quantity - self._house_execute(product, side, quantity, price)
            if left > 0:
                ids.append(f"m{self._next_id()}")
                book.add(Resting(ids[-1], MARKET, side, price, left))
        self._flush(product)
        return ids

    def house_take(
        self, product: str, side: Side, quantity: Decimal, price: Decimal | None = None
    ) -> Decimal:
        """Let somebody who is no client take from the book; return the quantity taken."""
        taken = self._house_execute(product, side, quantity, price, owner="")
        self._flush(product)
        return taken

    def _house_execute(
        self, product: str, side: Side, quantity: Decimal, price: Decimal | None, owner: str = MARKET
    ) -> Decimal:
        left = quantity

        def wanted(_: Decimal) -> Decimal:
            return left

        for execution in self.books[product].take(side, owner, price, wanted):
            left -= execution.quantity
            self._book_trade(self.products[product], side, execution, None)
        return quantity - left

    def _product(self, key: str) -> Product:
        product = self.products.get(key)
        if product is None:
            raise Rejected(Reject.UNKNOWN_PRODUCT, f"product {key} does not exist")
        return product

    def _checked(self, product: Product, asked: NewOrder) -> NewOrder:
        known = self._by_client_id.get((asked.owner, product.is_perpetual, asked.client_id))
        if asked.client_id and known is not None:
            raise Rejected(Reject.DUPLICATE_CLIENT_ID, known)
        if product.key in self.halted:
            raise Rejected(Reject.HALTED, f"trading in {product.key} is halted")
        if product.is_perpetual:
            asked = self._checked_contract(product, asked)
        if asked.type is OrderType.LIMIT and (asked.price is None or not product.is_price(asked.price)):
            raise Rejected(Reject.BAD_PRICE, f"price {asked.price} is no multiple of {product.tick}")
        self._check_size(product, asked)
        if self._post_only_rejects and self._would_take(asked):
            raise Rejected(Reject.POST_ONLY, f"price {asked.price} would take")
        return asked

    def _would_take(self, asked: NewOrder) -> bool:
        """Tell whether a post-only order crosses the book."""
        crosses = asked.price is not None and self.books[asked.product].crosses(asked.side, asked.price)
        return asked.post_only and crosses

    def _check_size(self, product: Product, asked: NewOrder) -> None:
        if asked.quote_budget is not None:
            if not asked.quote_budget >= product.min_quote:
                raise Rejected(
                    Reject.TOO_SMALL, f"{asked.quote_budget} is less than {product.min_quote} {product.quote}"
                )
            return
        quantity = asked.quantity
        if quantity is None or not product.is_quantity(quantity):
            raise Rejected(Reject.BAD_QUANTITY, f"quantity {quantity} is no multiple of {product.lot}")
        if quantity > product.max_base:
            raise Rejected(Reject.TOO_LARGE, f"quantity {quantity} is more than {product.max_base}")
        notional = quantity * (asked.price or self.mark(product.key))
        is_closing = product.is_perpetual and asked.reduce_only
        if quantity < product.min_base or (notional < product.min_quote and not is_closing):
            detail = f"{notional} is less than {product.min_quote} {product.quote}"
            raise Rejected(Reject.TOO_SMALL, detail)

    def _checked_contract(self, product: Product, asked: NewOrder) -> NewOrder:
        if self.margin.is_hedged[asked.owner] is (asked.hold_side is HoldSide.NET):
            raise Rejected(Reject.POSITION_MODE, "the order's side does not fit the position mode")
        settings = self.margin.settings(asked.owner, product.key)
        if asked.margin_mode != settings.margin_mode:
            self.margin.set_margin_mode(asked.owner, product, asked.margin_mode)
        if not asked.reduce_only:
            return asked
        waiting = sum((one.remaining for one in self._reducing(asked)), Decimal(0))
        closable = self.margin.closable(asked) - waiting
        if closable <= 0:
            raise Rejected(Reject.NO_POSITION, "there is no position to close")
        return replace(asked, quantity=min(asked.quantity or Decimal(0), closable))

    def _worst_quote(self, book: Book, asked: NewOrder) -> Decimal:
        if asked.quote_budget is not None:
            return asked.quote_budget
        quantity = asked.quantity or Decimal(0)
        return quantity * asked.price if asked.price is not None else book.cost(asked.side, quantity)

    def _match(self, order: Order, product: Product, book: Book) -> bool:
        """Execute against the book; tell whether the walk ended at an order of the same owner."""
        asked = order.asked
        passed_over = "" if asked.self_trade is SelfTrade.ALLOWED else asked.owner
        if asked.time_in_force is TimeInForce.FOK:
            there = book.available(asked.side, passed_over, asked.price)
            if there < (asked.quantity or Decimal(0)):
                return False
        fee = product.taker_rate if asked.budget_has_fees else Decimal(0)

        def wanted(price: Decimal) -> Decimal:
            if asked.quote_budget is None:
                return order.remaining
            left = asked.quote_budget - order.filled_quote * (1 + fee)
            return product.down_to_lot(left / (price * (1 + fee)))

        while True:
            for execution in book.take(asked.side, passed_over, asked.price, wanted):
                self._book_trade(product, asked.side, execution, order)
            front = book.front(asked.side, asked.price)
            if front is None or front.owner != passed_over or wanted(front.price) <= 0:
                return False
            if asked.self_trade is not SelfTrade.CANCEL_TAKER:
                self._end(self._resting_clients[front.order_id], OrderStatus.CANCELLED, _MET_ITSELF)
            if asked.self_trade is not SelfTrade.CANCEL_MAKER:
                return True

    def _finish_taking(self, order: Order, book: Book, met_itself: bool) -> None:
        asked = order.asked
        if order.status is not OrderStatus.OPEN:
            return
        if asked.quantity is not None and order.remaining == 0:
            self._end(order, OrderStatus.FILLED)
        elif asked.type is OrderType.MARKET:
            # What is left of a budget is less than the smallest lot, or the book is empty.
            is_spent = asked.quote_budget is not None and order.filled > 0 and not met_itself
            self._end(order, OrderStatus.FILLED if is_spent else OrderStatus.CANCELLED, "no liquidity")
        elif met_itself:
            self._end(order, OrderStatus.CANCELLED, _MET_ITSELF)
        elif asked.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            self._end(order, OrderStatus.CANCELLED, "not filled at once")
        else:
            price = asked.price or Decimal(0)
            book.add(Resting(order.id, asked.owner, asked.side, price, order.remaining))

    def _book_trade(self, product: Product, side: Side, execution: Execution, taker: Order | None) -> None:
        """Settle both halves of an execution and tell everybody."""
        now_s = self.now_s()
        trade = Trade(str(self._next_id()), product.key, execution.price, execution.quantity, side, now_s)
        self.trades[product.key].append(trade)
        maker = self._resting_clients.get(execution.maker_id)
        taker_owner = taker.asked.owner if taker is not None else MARKET
        self._settle(product, trade, taker_owner, side, taker, is_maker=False)
        self._settle(product, trade, execution.maker_owner, side.opposite, maker, is_maker=True)
        if maker is not None and maker.remaining == 0:
            self._end(maker, OrderStatus.FILLED)
        self._emit(trade)

    def _settle(
        self, product: Product, trade: Trade, owner: str, side: Side, order: Order | None, *, is_maker: bool
    ) -> None:
        settled = self.accounts(product).settle(
            owner, order, product, side, trade.price, trade.quantity, is_maker
        )
        if order is None:
            return
        order.filled += trade.quantity
        order.filled_quote += trade.quantity * trade.price
        order.fees += settled.fee
        order.fee_coin = settled.fee_coin
        order.realised_pnl += settled.realised_pnl
        order.updated_s = trade.at_s
        fill = Fill(
            trade_id=trade.id,
            order_id=order.id,
            owner=owner,
            product=product.key,
            side=side,
            price=trade.price,
            quantity=trade.quantity,
            fee=settled.fee,
            fee_coin=settled.fee_coin,
            is_maker=is_maker,
            at_s=trade.at_s,
            realised_pnl=settled.realised_pnl,
            sequence=len(self.fills),
        )
        order.fill_ids.append(fill.trade_id)
        self.fills.append(fill)
        self._emit(OrderChange(order, fill))
        if product.is_perpetual:
            self.margin.stamp(order.asked, trade.at_s)
            self._shrink_reducing(order.asked)

    def _reducing(self, asked: NewOrder) -> list[Order]:
        """Open orders that only close the position that `asked` belongs to, oldest first."""
        same = (asked.owner, asked.product, asked.hold_side)
        return [
            one
            for one in self._resting_clients.values()
            if one.asked.reduce_only and (one.asked.owner, one.asked.product, one.asked.hold_side) == same
        ]

    def _shrink_reducing(self, asked: NewOrder) -> None:
        """Cancel the newest closing orders that have no position left to close."""
        waiting = self._reducing(asked)
        while waiting:
            total = sum((one.remaining for one in waiting), Decimal(0))
            newest = waiting.pop()
            if total <= self.margin.closable(newest.asked):
                return
            self._end(newest, OrderStatus.CANCELLED, "no position left")

    def _end(self, order: Order, status: OrderStatus, reason: str = "") -> None:
        self.books[order.asked.product].remove(order.id)
        self._resting_clients.pop(order.id, None)
        ledger = self.margin.ledger if self.products[order.asked.product].is_perpetual else self.spot.ledger
        ledger.release(order.asked.owner, order.hold_coin, order.hold)
        order.hold = Decimal(0)
        order.status = status
        order.cancel_reason = reason if status is not OrderStatus.FILLED else ""
        order.updated_s = self.now_s()
        self._emit(OrderChange(order))

    def _flush(self, product: str) -> None:
        changed = self.books[product].drain_changed()
        if changed:
            self._emit(BookChange(product, tuple(changed)))

    def _emit(self, event: Event) -> None:
        for listener in tuple(self._listeners):
            listener(event)

    def _order_id(self) -> str:
        if self._has_number_ids:
            return str(10**18 + self._next_id() * 1_000 + self._rng.randrange(1_000))
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def _next_id(self) -> int:
        self._n_ids += 1
        return 1_000_000_000 + self._n_ids


def is_house(owner: str) -> bool:
    """Tell whether an owner is no client."""
    return owner in HOUSE
