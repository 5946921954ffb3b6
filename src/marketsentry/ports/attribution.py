"""What the attribution of profit reads of the record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from marketsentry.core.account.rebuild import Record
from marketsentry.ports.accounts import EquityMark, SubLedger


@dataclass(frozen=True, slots=True)
class TradedRecord:
    """A ledger entry; a trade comes with its fill and the price that its order was decided on, None without one."""

    record: Record
    decided_price: Decimal | None


@dataclass(frozen=True, slots=True)
class DecidedWeights:
    """What a decision wanted after limits, and before them where it says so."""

    as_of: datetime
    weights: Mapping[str, float]
    unconstrained: Mapping[str, float] | None


@dataclass(frozen=True, slots=True)
class OrderCount:
    """Orders in one target, and how many of them were rejected."""

    target: str
    orders: int
    rejected: int


@dataclass(frozen=True, slots=True)
class OrderWindow:
    """Which orders count: those of a track made from `since` on, up to `until`, of some accounts or none yet."""

    track: str
    since: datetime
    until: datetime
    account_ids: tuple[int, ...] = field(default=())


class AttributionStore(Protocol):
    """Reads; writes nothing."""

    async def records(self, ledger: SubLedger, *, after_id: int) -> Sequence[TradedRecord]:
        """List the entries of a strategy with an id above `after_id`, by id."""
        ...

    async def marks(self, ledger: SubLedger, *, after: datetime | None) -> Sequence[EquityMark]:
        """List the marks of equity later than `after`, oldest first; all of them when it is None."""
        ...

    async def decided(self, ledger: SubLedger, *, since: datetime) -> Sequence[DecidedWeights]:
        """List approved decisions with a book of a strategy: the last one up to `since` and those after it."""
        ...

    async def order_counts(self, window: OrderWindow) -> Sequence[OrderCount]:
        """Count orders by target; those that no account was chosen for yet count always."""
        ...
