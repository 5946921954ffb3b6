"""Pages of what accounts hold and of what moved them, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from marketsentry.core.account.entries import Entry
from marketsentry.core.orders.order import Fill, Side
from marketsentry.ports.accounts import EquityMark, HeldPosition, SubLedger


@dataclass(frozen=True, slots=True)
class PositionKey:
    """Where a page of positions ended: they are listed by account, strategy and target."""

    account_id: int
    strategy_id: str
    target: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows; None means any."""

    account_id: int | None = None
    track: str | None = None
    strategy_id: str | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True)
class ListedPosition:
    """A position, and when it last changed."""

    held: HeldPosition
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class BookedFill:
    """A fill with the order that it belongs to; `fee_quote` is its fee in the currency of the account."""

    id: int
    ledger: SubLedger
    order_id: int
    decision_id: str
    target: str
    side: Side
    client_order_id: str
    fill: Fill
    fee_quote: Decimal


@dataclass(frozen=True, slots=True)
class BookedEntry:
    """A ledger entry with its row id."""

    id: int
    ledger: SubLedger
    entry: Entry


@dataclass(frozen=True, slots=True)
class ListedMark:
    """A mark of equity with its row id."""

    id: int
    ledger: SubLedger
    mark: EquityMark


class AccountLists(Protocol):
    """Reads pages; `before_id` asks for rows with a lower id."""

    async def positions(
        self, wanted: Wanted, *, open_only: bool, after: PositionKey | None, limit: int
    ) -> Sequence[ListedPosition]:
        """List positions by account, strategy and target; flat ones too unless `open_only`."""
        ...

    async def fills(
        self,
        wanted: Wanted,
        *,
        decision_id: str | None,
        order_id: int | None,
        before_id: int | None,
        limit: int,
    ) -> Sequence[BookedFill]:
        """List fills, newest first."""
        ...

    async def entries(self, wanted: Wanted, *, before_id: int | None, limit: int) -> Sequence[BookedEntry]:
        """List ledger entries, newest first."""
        ...

    async def equity(self, ledger: SubLedger, *, before_id: int | None, limit: int) -> Sequence[ListedMark]:
        """List what a sub-ledger was worth, newest first."""
        ...
