"""The market of a replay: the open of the bar that is shown, with its volume and the volatility known before it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from marketsentry.adapters.venues.paper_market import Seen
from marketsentry.core.orders.market_look import MarketLook
from marketsentry.ports import Stores


class ReplayMarket:
    """`PaperMarket` that shows one bar after the other.

    Parameters
    ----------
    symbols
        What can be traded.
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        self._symbols = tuple(symbols)
        self._looks: Mapping[str, MarketLook] = {}

    def show(self, at: datetime, bars: Mapping[str, tuple[float, float, float]]) -> None:
        """Show the bar that opens at a time: open, volume and volatility by symbol; what has no bar is left out."""
        self._looks = {
            symbol: MarketLook(symbol, Decimal(repr(price)), at, volume, volatility)
            for symbol, (price, volume, volatility) in bars.items()
        }

    async def look(self, symbol: str, *, at: datetime) -> MarketLook | None:
        """Tell the market of the bar that is shown; see `PaperMarket.look`."""
        return self._looks.get(symbol)

    async def look_within(self, stores: Stores, symbol: str, *, at: datetime) -> MarketLook | None:
        """Tell the same; nothing of it is in the record."""
        return self._looks.get(symbol)

    async def price_within(self, stores: Stores, symbol: str, *, at: datetime) -> Seen | None:
        """Tell the open of the bar that is shown."""
        look = self._looks.get(symbol)
        return None if look is None else Seen(look.mid, look.at)

    async def symbols(self) -> Sequence[str]:
        """List what can be traded; see `PaperMarket.symbols`."""
        return self._symbols
