"""What fees were worth that a venue took in a coin of its own."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import structlog

from marketsentry.core.account.entries import is_third
from marketsentry.core.orders.order import Fill
from marketsentry.ports.venue import OutcomeUnknownError, VenueRefusedError

KEPT_S = 60.0
_NO_PRICE = ("no_market_data", "venue_rejected")  # how a code begins that another try would not change
log = structlog.get_logger(__name__)


class FeeWorth:
    """Tells the worth of fees in quote currency, at the price of the moment at which they are read.

    Parameters
    ----------
    price
        Asks the venue for the price of a coin in a currency; `VenueRefusedError` where it has none.
    now
        Counts seconds: a price is kept for a minute.
    """

    def __init__(
        self, price: Callable[[str, str], Awaitable[Decimal]], *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._price, self._now = price, now
        self._known: dict[tuple[str, str], tuple[float, Decimal | None]] = {}

    async def told(self, fill: Fill, symbol: str, *, quote: str) -> Fill:
        """Add what the fee of a fill was worth, where it was taken in a third currency that has a price.

        Parameters
        ----------
        fill
            As the venue tells it.
        symbol
            What was traded, by our name.
        quote
            In which currency it is quoted.

        Returns
        -------
        Fill

        Raises
        ------
        OutcomeUnknownError
            If the venue cannot be asked now: the fill is to be read again.
        """
        if not fill.fee or not is_third(fill.fee_currency, symbol, quote=quote):
            return fill
        price = await self._price_of(fill.fee_currency, quote)
        return fill if price is None else replace(fill, fee_quote=fill.fee * price)

    async def _price_of(self, coin: str, quote: str) -> Decimal | None:
        known = self._known.get((coin, quote))
        if known is not None and self._now() - known[0] < KEPT_S:
            return known[1]
        price: Decimal | None = None
        try:
            price = await self._price(coin, quote)
        except VenueRefusedError as refused:
            if not refused.code.startswith(_NO_PRICE):
                raise OutcomeUnknownError(
                    f"the price of {coin}, in which a fee was paid: {refused}"
                ) from refused
            log.error("fee_without_a_price", coin=coin, quote=quote, reason=str(refused))
        self._known[coin, quote] = self._now(), price
        return price
