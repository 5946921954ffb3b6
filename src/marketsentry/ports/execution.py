"""What execution needs beside the record: venues to trade at, and time to wait."""

from collections.abc import Awaitable
from decimal import Decimal
from typing import Protocol

from marketsentry.ports.record_venue import RecordVenue
from marketsentry.ports.venue import Venue


class Venues(Protocol):
    """Knows the venues that orders may be sent to."""

    def currency(self, adapter: str, venue: str) -> str:
        """Name the currency in which the account at a venue counts."""
        ...

    def refusal(self, adapter: str, venue: str) -> str | None:
        """Tell why nothing can be sent to a venue, as a reject reason of contract 1.6; None when it can.

        Raises `InputError` `unsupported adapter` for an adapter that does not exist.
        """
        ...

    def in_record(self, adapter: str, venue: str, *, fee_bps: Decimal) -> RecordVenue | None:
        """Give the account where its venue keeps its books in our record; None where it must be asked outside."""
        ...

    async def open(self, adapter: str, venue: str, *, fee_bps: Decimal) -> Venue:
        """Give the account at a venue; it stays open for others. `fee_bps` is what the paper venue takes."""
        ...


class Sleep(Protocol):
    """Waits; a simulation moves its clock instead."""

    def __call__(self, seconds: float, /) -> Awaitable[None]:
        """Return after so many seconds."""
        ...
