"""Adds every account up again from its entries and compares the result with the rows that are stored."""

from collections.abc import Sequence
from dataclasses import dataclass

from marketsentry.core.account.differences import Difference, differences
from marketsentry.core.account.rebuild import Record, rebuild
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
    """Add up all accounts, one transaction each, under the lock of the account.

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
    found = []
    for account in accounts:
        async with transactions() as stores:
            found.append(await _rebuild(stores, account, fix=fix))
    return found


async def _rebuild(stores: Stores, account: Account, *, fix: bool) -> AccountRebuild:
    await stores.accounts.lock(account.id)
    records = await _records(stores, account.id)
    built = rebuild(records, await stores.account_audit.marked(account.id), quote=account.currency)
    unequal = tuple(differences(await stores.account_audit.stored(account.id), built))
    is_fixed = fix and bool(unequal)
    if is_fixed:
        await stores.account_audit.replace(account.id, built)
    return AccountRebuild(account, len(records), unequal, is_fixed)


async def _records(stores: Stores, account_id: int) -> list[Record]:
    records: list[Record] = []
    while True:
        after_id = records[-1].id if records else 0
        page = await stores.account_audit.records(account_id, after_id=after_id, limit=_READ_AT_ONCE)
        records += page
        if len(page) < _READ_AT_ONCE:
            return records
