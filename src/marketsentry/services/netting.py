"""Compares the ledger of an account with its venue: read both, tell the differences, change nothing."""

from collections.abc import Sequence
from decimal import Decimal

from marketsentry.core.account.netting import Mismatch, expected_holdings, mismatches, net_quantities
from marketsentry.core.market.symbols import Market
from marketsentry.ports import Stores, Transactions
from marketsentry.ports.accounts import GLOBAL, Account, HeldPosition, SubLedger
from marketsentry.ports.venue import Venue


async def net_positions(stores: Stores, account_id: int) -> dict[str, Decimal]:
    """Add up what all strategies of all tracks hold in an account, signed base units by target."""
    return net_quantities((one.target, one.position) for one in await _positions(stores, account_id))


async def compare_with_venue(
    account: Account, venue: Venue, *, transactions: Transactions
) -> Sequence[Mismatch]:
    """Compare cash and positions of an account with what its venue shows.

    Parameters
    ----------
    account
        Which account.
    venue
        The same account at the venue. It is asked first, so that what fills meanwhile is found again next time rather
        than missed.
    transactions
        The record.

    Returns
    -------
    sequence of Mismatch
        Less than a lot of a product is dust. Assets that the ledger never held are told too: somebody else trades in
        the account, or something was paid in that nobody booked.

    Raises
    ------
    DependencyError
        If the venue cannot be read.
    """
    shown = {balance.asset: balance.total for balance in await venue.balances()}
    shown |= {position.symbol: position.qty for position in await venue.positions()}
    dust: dict[str, Decimal] = {}
    for product in await venue.products():
        name = product.base if product.market is Market.SPOT else product.symbol
        dust[name] = max(dust.get(name, Decimal(0)), product.lot_size)
    async with transactions() as stores:
        await stores.accounts.lock(account.id)
        held = [(one.target, one.position) for one in await _positions(stores, account.id)]
        cash: dict[str, Decimal] = {}
        for track in await _tracks(stores, account.id):
            for currency, amount in (
                await stores.accounts.cash(SubLedger(account.id, GLOBAL, track))
            ).items():
                cash[currency] = cash.get(currency, Decimal(0)) + amount
    return mismatches(expected_holdings(held, cash, quote=account.currency), shown, dust)


async def _positions(stores: Stores, account_id: int) -> list[HeldPosition]:
    found: list[HeldPosition] = []
    for track in await _tracks(stores, account_id):
        found += await stores.accounts.positions(SubLedger(account_id, GLOBAL, track))
    return found


async def _tracks(stores: Stores, account_id: int) -> list[str]:
    return sorted({one.track for one in await stores.accounts.sub_ledgers(account_id=account_id)})
