"""How an execution changes what two parties have: spot pairs by exchange of coins, perpetuals by positions."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol

from marketsentry.simexchange.ledger import CLEARING, FEES, HOUSE, Ledger
from marketsentry.simexchange.orders import HoldSide, NewOrder, Order, OrderType, Reject, Rejected, Side
from marketsentry.simexchange.products import Product

_FEE_STEP = Decimal("1e-10")
_CASH_STEP = Decimal("1e-12")  # gains are moved in such steps: sums of money stay exact
_FIRST_BILL = 1_500_000_000


class Permission(StrEnum):
    """What a key may do."""

    VIEW = "view"
    TRADE = "trade"
    TRANSFER = "transfer"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A client's key. `secret` is a P-256 private key in PEM for Coinbase, a shared secret for Bitget."""

    key: str
    secret: str
    owner: str
    permissions: frozenset[Permission]
    passphrase: str = ""


class Settled(NamedTuple):
    """What one party paid and won in an execution; `fee` is positive when it is paid."""

    fee: Decimal
    fee_coin: str
    realised_pnl: Decimal = Decimal(0)


class Accounts(Protocol):
    """Money of one kind of product."""

    def reserve(self, order: Order, product: Product, worst_quote: Decimal) -> None:
        """Keep back what an order may need; raise `Rejected` where it is not there."""
        ...

    def settle(
        self,
        owner: str,
        order: Order | None,
        product: Product,
        side: Side,
        price: Decimal,
        quantity: Decimal,
        is_maker: bool,
    ) -> Settled:
        """Book one party's half of an execution."""
        ...


class SpotAccounts:
    """Coins change hands. The fee is paid in quote, or out of what is received where the product says so.

    With `fee_coin` it is paid in that coin by who has enough of it, at the price that `price_of` tells in quote.
    """

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.fee_coin = ""
        self.price_of: Callable[[str], Decimal] = lambda _: Decimal(0)

    def reserve(self, order: Order, product: Product, worst_quote: Decimal) -> None:
        """Hold the coins that are sold, or the quote amount that a purchase may cost with its fee."""
        asked = order.asked
        if asked.side is Side.SELL:
            order.hold_coin, order.hold = product.base, asked.quantity or Decimal(0)
        else:
            fee = Decimal(0) if product.fee_in_received or asked.budget_has_fees else product.taker_rate
            order.hold_coin, order.hold = product.quote, worst_quote * (1 + fee)
        self.ledger.hold(asked.owner, order.hold_coin, order.hold)

    def settle(
        self,
        owner: str,
        order: Order | None,
        product: Product,
        side: Side,
        price: Decimal,
        quantity: Decimal,
        is_maker: bool,
    ) -> Settled:
        """Pay for one side of a trade out of what the order held."""
        notional = price * quantity
        if order is not None:
            self._free_hold(order, product, price, quantity)
        rate = product.maker_rate if is_maker else product.taker_rate
        fee, fee_coin = notional * rate, product.quote
        if product.fee_in_received and side is Side.BUY:
            fee, fee_coin = quantity * rate, product.base
        if side is Side.BUY:
            self.ledger.move(owner, CLEARING, product.quote, notional)
            self.ledger.move(CLEARING, owner, product.base, quantity)
        else:
            self.ledger.move(owner, CLEARING, product.base, quantity)
            self.ledger.move(CLEARING, owner, product.quote, notional)
        if owner in HOUSE:
            return Settled(Decimal(0), fee_coin)
        if self.fee_coin:
            in_coin = (notional * rate / self.price_of(product.quote)).quantize(_FEE_STEP)
            if self.ledger.available(owner, self.fee_coin) >= in_coin:
                fee, fee_coin = in_coin, self.fee_coin
        self.ledger.move(owner, FEES, fee_coin, fee)
        return Settled(fee, fee_coin)

    def _free_hold(self, order: Order, product: Product, price: Decimal, quantity: Decimal) -> None:
        asked = order.asked
        if asked.side is Side.SELL:
            part = quantity
        elif asked.type is OrderType.LIMIT and asked.price is not None:
            part = asked.price * quantity
            part += Decimal(0) if product.fee_in_received else part * product.taker_rate
        else:
            fee = Decimal(0) if product.fee_in_received else product.taker_rate
            part = price * quantity * (1 + fee)
        part = min(part, order.hold)
        order.hold -= part
        self.ledger.release(asked.owner, order.hold_coin, part)


@dataclass(slots=True)
class Position:
    """One position: signed quantity, and the signed sum of price times quantity at which it was opened."""

    quantity: Decimal = Decimal(0)
    entry_quote: Decimal = Decimal(0)
    realised_pnl: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    opened_s: float = 0.0
    updated_s: float = 0.0

    @property
    def entry(self) -> Decimal:
        """Average price of what is open, zero when flat."""
        return self.entry_quote / self.quantity if self.quantity else Decimal(0)

    def unrealised(self, mark: Decimal) -> Decimal:
        """Gain at a mark price, in quote."""
        return self.quantity * mark - self.entry_quote

    def apply(self, signed: Decimal, price: Decimal) -> Decimal:
        """Trade a signed quantity; return the gain of what it closed, in quote."""
        closing = Decimal(0)
        if self.quantity * signed < 0:
            closing = min(abs(signed), abs(self.quantity)) * (1 if signed > 0 else -1)
        gain = Decimal(0)
        if closing:
            is_all = closing == -self.quantity
            closed_entry = self.entry_quote if is_all else (self.entry * -closing).quantize(_CASH_STEP)
            gain = -closing * price - closed_entry
            self.entry_quote -= closed_entry
            self.quantity += closing
        opening = signed - closing
        self.quantity += opening
        self.entry_quote += opening * price
        self.realised_pnl += gain
        return gain


@dataclass(slots=True)
class ContractSettings:
    """What an owner has chosen for one contract; leverage by leg."""

    margin_mode: str = "crossed"
    leverage: dict[HoldSide, Decimal] = field(default_factory=lambda: {leg: Decimal(20) for leg in HoldSide})


@dataclass(frozen=True, slots=True)
class Bill:
    """What one owner's position paid, negative, or got for being held, in the quote coin of its product."""

    id: str
    owner: str
    product: Product
    amount: Decimal
    at_s: float


class MarginAccounts:
    """USDT-margined perpetuals: one margin balance, positions by product and leg."""

    def __init__(self, mark: Callable[[str], Decimal]) -> None:
        self.ledger = Ledger()
        self.positions: dict[tuple[str, str, HoldSide], Position] = defaultdict(Position)
        self.is_hedged: dict[str, bool] = defaultdict(bool)
        self.bills: list[Bill] = []
        self._settings: dict[tuple[str, str], ContractSettings] = defaultdict(ContractSettings)
        self._mark = mark

    def settings(self, owner: str, product: str) -> ContractSettings:
        """What an owner has chosen for a contract."""
        return self._settings[owner, product]

    def open_positions(self, owner: str) -> list[tuple[str, HoldSide, Position]]:
        """(product, leg, position) of all that is not flat."""
        return [
            (name, leg, one)
            for (who, name, leg), one in self.positions.items()
            if who == owner and one.quantity
        ]

    def position_margin(self, owner: str) -> Decimal:
        """Margin that open positions bind, in quote."""
        return sum((self.margin_of(owner, *one) for one in self.open_positions(owner)), Decimal(0))

    def margin_of(self, owner: str, product: str, leg: HoldSide, position: Position) -> Decimal:
        """Margin that one position binds, in quote."""
        return abs(position.entry_quote) / self.settings(owner, product).leverage[leg]

    def unrealised(self, owner: str) -> Decimal:
        """Gain of all open positions at their marks, in quote."""
        return sum(
            (one.unrealised(self._mark(name)) for name, _, one in self.open_positions(owner)), Decimal(0)
        )

    def free_margin(self, owner: str, coin: str) -> Decimal:
        """Balance that may open more."""
        return self.ledger.available(owner, coin) + self._credit(owner)

    def reserve(self, order: Order, product: Product, worst_quote: Decimal) -> None:
        """Hold the margin of the part that opens, with its fee. What closes needs none."""
        asked = order.asked
        opening = self.opening_quantity(asked)
        order.leverage = self.settings(asked.owner, product.key).leverage[asked.hold_side]
        share = opening / asked.quantity if asked.quantity else Decimal(0)
        margin = worst_quote * share * (1 / order.leverage + product.taker_rate)
        self.ledger.hold(asked.owner, product.quote, margin, credit=self._credit(asked.owner))
        order.hold_coin, order.hold = product.quote, margin

    def opening_quantity(self, asked: NewOrder) -> Decimal:
        """Part of an order that would not close what is open."""
        quantity = asked.quantity or Decimal(0)
        if asked.reduce_only:
            return Decimal(0)
        if asked.hold_side is not HoldSide.NET:
            return quantity
        held = self.positions[asked.owner, asked.product, HoldSide.NET].quantity
        return quantity if held * asked.side.sign >= 0 else max(Decimal(0), quantity - abs(held))

    def closable(self, asked: NewOrder) -> Decimal:
        """Quantity of the open position that an order of this side and leg would close."""
        held = self.positions[asked.owner, asked.product, asked.hold_side].quantity
        return abs(held) if held * asked.side.sign < 0 else Decimal(0)

    def settle(
        self,
        owner: str,
        order: Order | None,
        product: Product,
        side: Side,
        price: Decimal,
        quantity: Decimal,
        is_maker: bool,
    ) -> Settled:
        """Move a position, pay the gain of what it closed and the fee."""
        leg = HoldSide.NET
        if order is not None:
            leg = order.asked.hold_side
            part = order.hold * quantity / (order.remaining or quantity)
            order.hold -= part
            self.ledger.release(owner, order.hold_coin, part)
        position = self.positions[owner, product.key, leg]
        gain = position.apply(quantity * side.sign, price)
        self.ledger.move(CLEARING, owner, product.quote, gain)
        if owner in HOUSE:
            return Settled(Decimal(0), product.quote, gain)
        fee = price * quantity * (product.maker_rate if is_maker else product.taker_rate)
        position.fees += fee
        self.ledger.move(owner, FEES, product.quote, fee)
        return Settled(fee, product.quote, gain)

    def settle_funding(self, product: Product, rate: Decimal, at_s: float) -> list[Bill]:
        """Let who is long pay a rate of the notional at the mark, and who is short get it; negative the other way."""
        paid = self._mark(product.key) * rate
        new: list[Bill] = []
        for (owner, name, _), position in sorted(self.positions.items()):
            if name == product.key and position.quantity and owner not in HOUSE:
                amount = -(position.quantity * paid).quantize(_CASH_STEP)
                self.ledger.move(CLEARING, owner, product.quote, amount)
                bill_id = str(_FIRST_BILL + len(self.bills) + len(new))
                new.append(Bill(bill_id, owner, product, amount, at_s))
        self.bills += new
        return new

    def stamp(self, asked: NewOrder, at_s: float) -> None:
        """Note when the position that an order moved has changed, and when it was opened."""
        position = self.positions[asked.owner, asked.product, asked.hold_side]
        position.updated_s = at_s
        if not position.quantity:
            position.opened_s = 0.0
        elif not position.opened_s:
            position.opened_s = at_s

    def set_hedged(self, owner: str, is_hedged: bool) -> None:
        """Choose one net position or two legs; not while anything is open."""
        if self.is_hedged[owner] != is_hedged and self.open_positions(owner):
            raise Rejected(Reject.EXPOSURE_EXISTS, "close all positions before the position mode changes")
        self.is_hedged[owner] = is_hedged

    def set_margin_mode(self, owner: str, product: Product, mode: str) -> None:
        """Choose crossed or isolated margin; not while the contract has a position."""
        settings = self.settings(owner, product.key)
        is_open = any(name == product.key for name, _, _ in self.open_positions(owner))
        if settings.margin_mode != mode and is_open:
            raise Rejected(Reject.EXPOSURE_EXISTS, "close the position before the margin mode changes")
        settings.margin_mode = mode

    def set_leverage(self, owner: str, product: Product, leverage: Decimal, leg: HoldSide | None) -> None:
        """Choose the leverage of one leg, or of all."""
        if not 1 <= leverage <= product.max_leverage:
            raise Rejected(
                Reject.BAD_LEVERAGE, f"leverage {leverage} is not within 1 and {product.max_leverage}"
            )
        settings = self.settings(owner, product.key)
        settings.leverage.update({one: leverage for one in HoldSide if leg in (None, one)})

    def _credit(self, owner: str) -> Decimal:
        return self.unrealised(owner) - self.position_margin(owner)
