"""Taking in events that somebody else collected (contract 1.2)."""

from collections.abc import Sequence

from marketsentry.core.market.events import Event
from marketsentry.ports import Transactions
from marketsentry.ports.events import AddedEvents


async def ingest_events(events: Sequence[Event], *, now_ns: int, transactions: Transactions) -> AddedEvents:
    """Store events with entities, links and automatic quality, all of them or none.

    Parameters
    ----------
    events
        In the order in which their ids are wanted.
    now_ns
        When they arrived, UTC epoch ns.
    transactions
        The record.

    Returns
    -------
    AddedEvents
        What is new, what was there already, and the id of each.
    """
    async with transactions() as stores:
        return await stores.events.add_events(events, now_ns=now_ns)
