"""All entries of an account to add up again, the rows that they should add up to, and the writing of those rows."""

from collections.abc import Sequence
from typing import Protocol

from marketsentry.core.account.differences import StoredBook
from marketsentry.core.account.rebuild import Marked, Rebuilt, Record


class AccountAudit(Protocol):
    """Reads and replaces everything of one account; who uses it holds the lock of the account."""

    async def records(self, account_id: int, *, after_id: int, limit: int) -> Sequence[Record]:
        """Read ledger entries with an id above `after_id`, and the fills behind trades, by id."""
        ...

    async def marked(self, account_id: int) -> Sequence[Marked]:
        """Read when equity was marked, by id."""
        ...

    async def stored(self, account_id: int) -> StoredBook:
        """Read positions, cash, round trips and equity as they are."""
        ...

    async def replace(self, account_id: int, built: Rebuilt) -> None:
        """Write positions, cash, round trips and equity as they were rebuilt; marks of positions stay."""
        ...
