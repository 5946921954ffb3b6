"""Reading pages of what accounts hold and of what moved them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from marketsentry.ports import Stores, Transactions
from marketsentry.ports.account_lists import (
    BookedEntry,
    BookedFill,
    ListedMark,
    ListedPosition,
    PositionKey,
    Wanted,
)
from marketsentry.ports.accounts import Account, SubLedger
from marketsentry.services.paging import Page, page_of


class _Numbered(Protocol):
    @property
    def id(self) -> int: ...


Row = TypeVar("Row", bound=_Numbered)


async def list_accounts(*, transactions: Transactions) -> Sequence[Account]:
    """List all accounts, oldest first."""
    async with transactions() as stores:
        return await stores.accounts.list()


async def list_positions(
    wanted: Wanted,
    *,
    open_only: bool,
    after: PositionKey | None,
    limit: int,
    transactions: Transactions,
) -> Page[ListedPosition, PositionKey]:
    """Read one page of positions, flat ones too unless `open_only`."""
    async with transactions() as stores:
        found = await stores.account_lists.positions(
            wanted, open_only=open_only, after=after, limit=limit + 1
        )
    return page_of(found, limit, _key_of)


def _key_of(one: ListedPosition) -> PositionKey:
    ledger = one.held.ledger
    return PositionKey(ledger.account_id, ledger.strategy_id, one.held.target)


async def list_fills(
    wanted: Wanted,
    *,
    decision_id: str | None,
    order_id: int | None,
    before_id: int | None,
    limit: int,
    transactions: Transactions,
) -> Page[BookedFill, int]:
    """Read one page of fills."""
    return await _page(
        lambda stores, n: stores.account_lists.fills(
            wanted, decision_id=decision_id, order_id=order_id, before_id=before_id, limit=n
        ),
        limit,
        transactions,
    )


async def list_entries(
    wanted: Wanted, *, before_id: int | None, limit: int, transactions: Transactions
) -> Page[BookedEntry, int]:
    """Read one page of ledger entries."""
    return await _page(
        lambda stores, n: stores.account_lists.entries(wanted, before_id=before_id, limit=n),
        limit,
        transactions,
    )


async def list_equity(
    ledger: SubLedger, *, before_id: int | None, limit: int, transactions: Transactions
) -> Page[ListedMark, int]:
    """Read one page of what a sub-ledger was worth; raises `NotFoundError` when there is no such account."""
    async with transactions() as stores:
        await stores.accounts.get(ledger.account_id)
    return await _page(
        lambda stores, n: stores.account_lists.equity(ledger, before_id=before_id, limit=n),
        limit,
        transactions,
    )


async def _page(
    read: Callable[[Stores, int], Awaitable[Sequence[Row]]], limit: int, transactions: Transactions
) -> Page[Row, int]:
    async with transactions() as stores:
        found = await read(stores, limit + 1)
    return page_of(found, limit, lambda one: one.id)
