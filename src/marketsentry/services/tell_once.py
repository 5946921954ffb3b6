"""Events whose code names one thing that happened: each is kept once, however often it is seen."""

from collections.abc import Sequence

from marketsentry.ports import Transactions
from marketsentry.ports.risk import EventFilter, RiskEvent


async def tell_once(events: Sequence[RiskEvent], *, transactions: Transactions) -> None:
    """Store those of whose code there is no event yet."""
    if not events:
        return
    async with transactions() as stores:
        new = [
            one
            for one in events
            if not await stores.risk.page_events(EventFilter(code=one.code), before_id=None, limit=1)
        ]
        await stores.risk.add_events(new)
