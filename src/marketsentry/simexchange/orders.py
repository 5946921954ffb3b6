"""Orders and fills as the venue keeps them."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class Side(StrEnum):
    """Which side of the book an order takes or joins."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    """Whether an order carries a price limit."""

    LIMIT = "limit"
    MARKET = "market"


class TimeInForce(StrEnum):
    """How long an order may wait."""

    GTC = "gtc"
    GTD = "gtd"
    IOC = "ioc"
    FOK = "fok"


class OrderStatus(StrEnum):
    """Where an order stands; the last three are final."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Reject(StrEnum):
    """Why the venue took no order."""

    UNKNOWN_PRODUCT = "unknown_product"
    HALTED = "halted"
    BAD_PRICE = "bad_price"
    BAD_QUANTITY = "bad_quantity"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    POST_ONLY = "post_only"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    NO_POSITION = "no_position"
    POSITION_MODE = "position_mode"
    MARGIN_MODE = "margin_mode"
    UNKNOWN_ORDER = "unknown_order"
    ORDER_FINAL = "order_final"
    EXPOSURE_EXISTS = "exposure_exists"
    BAD_LEVERAGE = "bad_leverage"


@dataclass(slots=True, eq=False)
class Rejected(Exception):  # noqa: N818 - an answer of the venue, not a failure of this program
    """The venue refuses a request, and says why."""

    reason: Reject
    detail: str = ""


class HoldSide(StrEnum):
    """Which position of a perpetual an order moves: the one net position, or one leg of a hedge."""

    NET = "net"
    LONG = "long"
    SHORT = "short"


class SelfTrade(StrEnum):
    """What becomes of an order that meets one of its own owner."""

    ALLOWED = "none"
    CANCEL_TAKER = "cancel_taker"
    CANCEL_MAKER = "cancel_maker"
    CANCEL_BOTH = "cancel_both"


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What a client asks for.

    `quantity` is in base units; a market buy may give `quote_budget` instead. With `budget_has_fees` the fee is paid
    out of the budget. `side` is the side of the book; for a hedged perpetual `hold_side` names the leg.
    """

    owner: str
    product: str
    side: Side
    type: OrderType
    quantity: Decimal | None = None
    price: Decimal | None = None
    quote_budget: Decimal | None = None
    budget_has_fees: bool = False
    time_in_force: TimeInForce = TimeInForce.GTC
    expires_s: float | None = None
    post_only: bool = False
    client_id: str = ""
    reduce_only: bool = False
    hold_side: HoldSide = HoldSide.NET
    margin_mode: str = "crossed"
    self_trade: SelfTrade = SelfTrade.CANCEL_TAKER


@dataclass(slots=True)
class Order:
    """An accepted order. `hold` is what it still keeps back of `hold_coin`."""

    id: str
    asked: NewOrder
    created_s: float
    status: OrderStatus = OrderStatus.OPEN
    filled: Decimal = Decimal(0)
    filled_quote: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)
    fee_coin: str = ""
    realised_pnl: Decimal = Decimal(0)
    hold: Decimal = Decimal(0)
    hold_coin: str = ""
    leverage: Decimal = Decimal(1)
    updated_s: float = 0.0
    cancel_reason: str = ""
    fill_ids: list[str] = field(default_factory=list)

    @property
    def remaining(self) -> Decimal:
        """Base units still to fill; zero for an order by budget, which never rests."""
        return Decimal(0) if self.asked.quantity is None else self.asked.quantity - self.filled

    @property
    def average(self) -> Decimal:
        """Average price of the fills, zero where there is none."""
        return self.filled_quote / self.filled if self.filled else Decimal(0)


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution from the view of one of its two orders; `fee` is positive when it is paid."""

    trade_id: str
    order_id: str
    owner: str
    product: str
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_coin: str
    is_maker: bool
    at_s: float
    realised_pnl: Decimal = Decimal(0)
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Trade:
    """One print of the public tape; `side` is the taker's."""

    id: str
    product: str
    price: Decimal
    quantity: Decimal
    side: Side
    at_s: float
