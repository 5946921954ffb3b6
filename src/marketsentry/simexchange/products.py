"""What can be traded: increments, limits and fee rates of one product."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal


@dataclass(frozen=True, slots=True)
class Product:
    """One spot pair or one linear perpetual.

    Prices are multiples of `tick`, quantities of `lot` (base units); `min_base` and `min_quote` bound an order from
    below. Fee rates are fractions of notional.
    """

    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    min_base: Decimal
    min_quote: Decimal
    max_base: Decimal = Decimal(10_000)
    maker_rate: Decimal = Decimal("0.004")
    taker_rate: Decimal = Decimal("0.006")
    fee_in_received: bool = False
    is_perpetual: bool = False
    max_leverage: int = 125

    @property
    def key(self) -> str:
        """Name of the product inside the venue: `BTC-USD`, or `BTC-USDT:USDT` for a perpetual."""
        pair = f"{self.base}-{self.quote}"
        return f"{pair}:{self.quote}" if self.is_perpetual else pair

    def is_price(self, price: Decimal) -> bool:
        """Tell whether a price is a positive multiple of the tick."""
        return price > 0 and price % self.tick == 0

    def is_quantity(self, quantity: Decimal) -> bool:
        """Tell whether a quantity is a positive multiple of the lot."""
        return quantity > 0 and quantity % self.lot == 0

    def down_to_lot(self, quantity: Decimal) -> Decimal:
        """Round a quantity down to whole lots."""
        return (quantity / self.lot).to_integral_value(ROUND_DOWN) * self.lot


def coinbase_product(
    base: str, quote: str = "USD", *, tick: str = "0.01", lot: str = "0.00000001"
) -> Product:
    """Build a spot pair with the limits and the first fee tier of Coinbase Advanced Trade."""
    return Product(
        base,
        quote,
        tick=Decimal(tick),
        lot=Decimal(lot),
        min_base=Decimal(lot),
        min_quote=Decimal(1),
        max_base=Decimal(3_400),
        maker_rate=Decimal("0.006"),
        taker_rate=Decimal("0.012"),
    )


def bitget_spot(base: str, quote: str = "USDT", *, tick: str = "0.01", lot: str = "0.000001") -> Product:
    """Build a spot pair with the limits and fees of Bitget; the fee is taken from what is received."""
    return Product(
        base,
        quote,
        tick=Decimal(tick),
        lot=Decimal(lot),
        min_base=Decimal(lot),
        min_quote=Decimal(1),
        maker_rate=Decimal("0.001"),
        taker_rate=Decimal("0.001"),
        fee_in_received=True,
    )


def bitget_perpetual(base: str, quote: str = "USDT", *, tick: str = "0.1", lot: str = "0.0001") -> Product:
    """Build a USDT-margined perpetual with the limits and fees of Bitget."""
    return Product(
        base,
        quote,
        tick=Decimal(tick),
        lot=Decimal(lot),
        min_base=Decimal(lot),
        min_quote=Decimal(5),
        maker_rate=Decimal("0.0002"),
        taker_rate=Decimal("0.0006"),
        is_perpetual=True,
    )
