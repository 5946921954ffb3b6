"""Which venues orders may be sent to, each opened once."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from marketsentry.adapters.venues.ccxt_venue import CcxtVenue
from marketsentry.adapters.venues.order_feed import CcxtOrderFeed
from marketsentry.adapters.venues.paper import PaperParts, PaperVenue
from marketsentry.exceptions import InputError
from marketsentry.ports.venue import Venue, VenueRefusedError

_LIVE = {"coinbase_live": "coinbase", "bitget_live": "bitget"}
_CURRENCIES = {"coinbase": "USD", "bitget": "USDT"}


class VenueRegistry:
    """`Venues` of this program.

    Parameters
    ----------
    paper
        What paper venues stand on.
    open_live
        Makes the adapter of a live venue by its name; raises `VenueRefusedError` when it may not. None where there are
        none.
    coinbase_currency
        In which the account at Coinbase counts.
    """

    def __init__(
        self,
        paper: PaperParts,
        *,
        open_live: Callable[[str], CcxtVenue] | None = None,
        coinbase_currency: str = "USD",
    ) -> None:
        self._paper, self._open_live = paper, open_live
        self._currencies = {**_CURRENCIES, "coinbase": coinbase_currency}
        self._live: dict[str, CcxtVenue] = {}

    def currency(self, adapter: str, venue: str) -> str:
        """Name the currency in which the account at a venue counts."""
        return self._currencies.get(venue, "USD")

    def refusal(self, adapter: str, venue: str) -> str | None:
        """Tell why nothing can be sent to a venue; see `Venues.refusal`."""
        return self._closed(adapter, venue) or (
            None if adapter == "paper" else self._opened(adapter).trading_refusal
        )

    def in_record(self, adapter: str, venue: str, *, fee_bps: Decimal) -> PaperVenue | None:
        """Give the account at a paper venue; see `Venues.in_record`."""
        if adapter != "paper":
            return None
        return PaperVenue(self._paper, venue=venue, currency=self.currency(adapter, venue), fee_bps=fee_bps)

    async def open(self, adapter: str, venue: str, *, fee_bps: Decimal) -> Venue:
        """Give the account at a venue; see `Venues.open`."""
        paper = self.in_record(adapter, venue, fee_bps=fee_bps)
        if paper is not None:
            return paper
        code = self._closed(adapter, venue)
        if code is not None:
            raise VenueRefusedError(code, f"{adapter} cannot trade at {venue}")
        opened = self._opened(adapter)
        await opened.prepare()
        return opened

    def feeds(self) -> Sequence[CcxtOrderFeed]:
        """Make the user streams of the live venues that may be traded; nothing is sent yet."""
        return [
            CcxtOrderFeed(self._opened(adapter))
            for adapter, venue in _LIVE.items()
            if self.refusal(adapter, venue) is None
        ]

    async def close(self) -> None:
        """Close the live venues that were opened."""
        for venue in self._live.values():
            await venue.close()

    def _closed(self, adapter: str, venue: str) -> str | None:
        """Tell why a venue cannot be opened; one that is locked can, for its orders must be seen and cancelled."""
        if adapter == "paper":
            return None
        if adapter not in _LIVE:
            raise InputError(f"unsupported adapter {adapter}")
        if venue != _LIVE[adapter]:
            return f"unsupported_venue:{venue}"
        if self._open_live is None:
            return f"{venue}_credentials_not_configured"
        try:
            self._opened(adapter)
        except VenueRefusedError as refused:
            return refused.code
        return None

    def _opened(self, adapter: str) -> CcxtVenue:
        if adapter not in self._live:
            assert self._open_live is not None
            self._live[adapter] = self._open_live(_LIVE[adapter])
        return self._live[adapter]
