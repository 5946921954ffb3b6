"""Adds every account up again from its entries and compares the result with the rows that are stored."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from marketsentry.core.account.differences import Difference, StoredBook, differences
from marketsentry.core.account.rebuild import Marked, Rebuilt, Record, rebuild
from marketsentry.ports import Stores, Transactions
from marketsentry.ports.accounts import Account

_READ_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class AccountRebuild:
    """What came of one account: how many entries were added up, and where rows differ from them."""

    account: Account
    n_entries: int
    differences: tuple[Difference, ...]
    is_fixed: bool


async def rebuild_accounts(*, transactions: Transactions, fix: bool = False) -> Sequence[AccountRebuild]:
    """Add up all accounts, each read under its lock.

    Parameters
    ----------
    transactions
        Opens transactions on the record.
    fix
        Write what was rebuilt wherever rows differ from it.

    Returns
    -------
    sequence of AccountRebuild
        One per account, oldest first.
    """
    async with transactions() as stores:
        accounts = await stores.accounts.list()
    return [await _rebuild(account, transactions, fix=fix) for account in accounts]


async def _rebuild(account: Account, transactions: Transactions, *, fix: bool) -> AccountRebuild:
    async with transactions() as stores:
        read = await _read(stores, account)
    _, unequal = await asyncio.to_thread(_compare, read)
    if not (fix and unequal):
        return AccountRebuild(account, len(read.records), tuple(unequal), is_fixed=False)
    async with (
        transactions() as stores
    ):  # what was booked since then counts too, so the lock is held to the end
        read = await _read(stores, account)
        built, unequal = await asyncio.to_thread(_compare, read)
        await stores.account_audit.replace(account.id, built)
    return AccountRebuild(account, len(read.records), tuple(unequal), is_fixed=True)


@dataclass(frozen=True, slots=True)
class _Read:
    quote: str
    records: Sequence[Record]
    marked: Sequence[Marked]
    stored: StoredBook


async def _read(stores: Stores, account: Account) -> _Read:
    await stores.accounts.lock(account.id)
    return _Read(
        account.currency,
        await _records(stores, account.id),
        await stores.account_audit.marked(account.id),
        await stores.account_audit.stored(account.id),
    )


def _compare(read: _Read) -> tuple[Rebuilt, Sequence[Difference]]:
    built = rebuild(read.records, read.marked, quote=read.quote)
    return built, differences(read.stored, built)


async def _records(stores: Stores, account_id: int) -> list[Record]:
    records: list[Record] = []
    while True:
        after_id = records[-1].id if records else 0
        page = await stores.account_audit.records(account_id, after_id=after_id, limit=_READ_AT_ONCE)
        records += page
        if len(page) < _READ_AT_ONCE:
            return records
