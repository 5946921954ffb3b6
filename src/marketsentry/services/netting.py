"""Compares the ledger of an account with its venue: read both, tell the differences, change nothing."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from marketsentry.core.account.netting import (
    Mismatch,
    expected_holdings,
    held_as,
    mismatches,
    net_quantities,
)
from marketsentry.core.account.position import Position
from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.product import Product
from marketsentry.ports import Stores, Transactions
from marketsentry.ports.accounts import GLOBAL, Account, HeldPosition, SubLedger
from marketsentry.ports.venue import Venue, VenuePosition


async def net_positions(stores: Stores, account_id: int) -> dict[str, Decimal]:
    """Add up what all strategies of all tracks hold in an account, signed base units by target."""
    return net_quantities((one.target, one.position) for one in await _positions(stores, account_id))


async def compare_with_venue(
    account: Account, venue: Venue, *, transactions: Transactions, has_contracts: bool = True
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
    has_contracts
        Whether the venue keeps perpetuals as contracts; on paper they are held like their asset.

    Returns
    -------
    sequence of Mismatch
        Less than a lot of a product is dust. Assets that the ledger never held are told too: somebody else trades in
        the account, or something was paid in that nobody booked. Coins in which the account pays fees, and that no
        strategy trades, are not.

    Raises
    ------
    DependencyError
        If the venue cannot be read.
    """
    shown = {balance.asset: balance.total for balance in await venue.balances()}
    contracts = await venue.positions()
    shown |= {position.symbol: position.qty for position in contracts}
    dust = dust_of(await venue.products(), has_contracts=has_contracts)
    async with transactions() as stores:
        await stores.accounts.lock(account.id)
        held = [(one.target, one.position) for one in await _positions(stores, account.id)]
        cash = await cash_of(stores, account.id)
        advanced = await stores.accounts.cash(account.fee_coins)
    averages = _averages(net_quantities(held), held, contracts)
    digits = sum((_last_digit(one.average_price) * abs(one.qty) for one in contracts), Decimal(0))
    dust[account.currency] = dust.get(account.currency, Decimal(0)) + digits
    expected = expected_holdings(
        held, cash, quote=account.currency, has_contracts=has_contracts, averages=averages
    )
    found = mismatches(expected, shown, dust)
    ours = {held_as(target, has_contracts=has_contracts) for target, _ in held}
    return [one for one in found if one.name in ours or one.name not in _fee_coins(advanced, account)]


def _fee_coins(advanced: Mapping[str, Decimal], account: Account) -> set[str]:
    """Name the coins that the account pays fees in: how much of them it holds is no ledger's business."""
    return set(advanced) - {account.currency}


def _averages(
    net: Mapping[str, Decimal], held: Iterable[tuple[str, Position]], contracts: Iterable[VenuePosition]
) -> dict[str, Decimal]:
    """Take the venue's price of a net that is as large there; of nothing any price will do."""
    there = {one.symbol: one for one in contracts}
    flat = {target: Decimal(0) for target, _ in held if target not in net and target not in there}
    return flat | {name: one.average_price for name, one in there.items() if net.get(name) == one.qty}


def _last_digit(price: Decimal) -> Decimal:
    """By how much a price may be off that was rounded to its last digit."""
    exponent = price.as_tuple().exponent
    return Decimal(1).scaleb(exponent) if isinstance(exponent, int) and exponent < 0 else Decimal(0)


async def cash_of(stores: Stores, account_id: int) -> dict[str, Decimal]:
    """Add up the cash of all ledgers of an account by currency."""
    cash: dict[str, Decimal] = {}
    for track in await _tracks(stores, account_id):
        for currency, amount in (await stores.accounts.cash(SubLedger(account_id, GLOBAL, track))).items():
            cash[currency] = cash.get(currency, Decimal(0)) + amount
    return cash


def dust_of(products: Iterable[Product], *, has_contracts: bool) -> dict[str, Decimal]:
    """Tell how much of everything cannot be traded: the largest lot of the products in it."""
    dust: dict[str, Decimal] = {}
    for product in products:
        name = product.symbol if has_contracts and product.market is Market.PERP else product.base
        dust[name] = max(dust.get(name, Decimal(0)), product.lot_size)
    return dust


async def _positions(stores: Stores, account_id: int) -> list[HeldPosition]:
    found: list[HeldPosition] = []
    for track in await _tracks(stores, account_id):
        found += await stores.accounts.positions(SubLedger(account_id, GLOBAL, track))
    return found


async def _tracks(stores: Stores, account_id: int) -> list[str]:
    return sorted({one.track for one in await stores.accounts.sub_ledgers(account_id=account_id)})
