"""The market of a replay: the open of the bar that is shown, with its volume and the volatility known before it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from marketsentry.core.orders.market_look import MarketLook


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

    async def symbols(self) -> Sequence[str]:
        """List what can be traded; see `PaperMarket.symbols`."""
        return self._symbols
