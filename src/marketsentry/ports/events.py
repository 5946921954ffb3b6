"""Where events, funding rates and trades are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from marketsentry.core.market.events import Event, EventSeries
from marketsentry.core.market.records import FundingSeries, TradeBlock
from marketsentry.ports.bars import MergeCounts


@dataclass(frozen=True, slots=True)
class AddedEvents:
    """`event_ids` holds one id per event in the order given, the existing one for a duplicate."""

    inserted: int
    deduplicated: int
    event_ids: tuple[int, ...]


class EventStore(Protocol):
    """Facts that arrive beside bars. Every write is idempotent; every read filters on knowledge time."""

    async def add_events(self, events: Sequence[Event], *, now_ns: int) -> AddedEvents:
        """Insert events with their entities, links and quality rows in a few statements."""
        ...

    async def load_events(
        self,
        symbol: str,
        *,
        start_ns: int | None = None,
        stop_ns: int | None = None,
        as_of_ns: int | None = None,
    ) -> EventSeries:
        """Read events that name `symbol` and were known in [start_ns, stop_ns), in order of knowledge."""
        ...

    async def add_funding(self, series: FundingSeries) -> MergeCounts:
        """Insert or correct funding rates; `ConflictError` when stored ones come from another source."""
        ...

    async def load_funding(
        self,
        symbol: str,
        *,
        start_ns: int | None = None,
        stop_ns: int | None = None,
        as_of_ns: int | None = None,
    ) -> FundingSeries:
        """Read the funding rates of a perpetual, oldest first; empty when there are none."""
        ...

    async def add_trades(self, block: TradeBlock) -> MergeCounts:
        """Insert trades; one whose (source, symbol, id) is there already is left alone."""
        ...
