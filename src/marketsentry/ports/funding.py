"""What must be known to share payments for positions among those who held them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from marketsentry.ports.accounts import SubLedger


@dataclass(frozen=True, slots=True)
class Holding:
    """What a strategy held of a target at a time; signed base units."""

    ledger: SubLedger
    qty: Decimal


class FundingStore(Protocol):
    """Payments that were booked, and who held what when they were due."""

    async def due_since(self, account_id: int) -> datetime | None:
        """Tell from when on payments may not be booked yet: the newest that is, else the first fill; None before it."""
        ...

    async def booked(self, account_id: int, references: Sequence[str]) -> frozenset[str]:
        """Tell which references of payments an account has entries of, whoever paid."""
        ...

    async def held_at(self, account_id: int, target: str, at: datetime) -> Sequence[Holding]:
        """Read who held a target at a time, by the fills until then that are booked; nobody twice, none of zero."""
        ...
