"""`Venues` of a drill: one account at one venue, and no other."""

from decimal import Decimal

from marketsentry.adapters.venues.ccxt_venue import CcxtVenue
from marketsentry.ports.venue import Venue, VenueRefusedError


class OneVenue:
    """Knows one venue under a name of its own, so that its account is nobody else's.

    Parameters
    ----------
    opened
        The adapter.
    name
        What the account's venue is called.
    currency
        In which the account counts.
    """

    def __init__(self, opened: CcxtVenue, *, name: str, currency: str) -> None:
        self._opened, self._name, self._currency = opened, name, currency

    def currency(self, adapter: str, venue: str) -> str:
        """Name the currency in which the account counts."""
        return self._currency

    def refusal(self, adapter: str, venue: str) -> str | None:
        """Tell why nothing can be sent to a venue; see `Venues.refusal`."""
        if (adapter, venue) != (self._opened.name, self._name):
            return f"unsupported_venue:{venue}"
        return self._opened.trading_refusal

    def in_record(self, adapter: str, venue: str, *, fee_bps: Decimal) -> None:
        """Tell that every venue is asked outside of the record."""

    async def open(self, adapter: str, venue: str, *, fee_bps: Decimal) -> Venue:
        """Give the account at the venue; see `Venues.open`."""
        if (adapter, venue) != (self._opened.name, self._name):
            raise VenueRefusedError(f"unsupported_venue:{venue}", f"a drill trades at {self._name} alone")
        await self._opened.prepare()
        return self._opened
