"""Does the venue hold what the ledger says: the same assets and contracts, up to less than one lot."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from marketsentry.core.market.symbols import Market, base_of, market_of_symbol
from marketsentry.core.orders.order import ZERO
from marketsentry.core.orders.product import Product


class Kind(StrEnum):
    """What is compared."""

    ASSET = "asset"
    CONTRACT = "contract"
    CASH = "cash"


@dataclass(frozen=True, slots=True)
class Holding:
    """What a venue shows, or a ledger: `totals` by asset, and `contracts` by our symbol, signed base units."""

    totals: Mapping[str, Decimal]
    contracts: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class VenueDifference:
    """One asset or contract of which the venue holds another quantity than the ledger."""

    kind: Kind
    name: str
    ledger_qty: Decimal
    venue_qty: Decimal

    @property
    def off_qty(self) -> Decimal:
        """What the venue holds more than the ledger."""
        return self.venue_qty - self.ledger_qty


def held_as(target: str, *, has_contracts: bool) -> tuple[Kind, str]:
    """Name what a position is held as: a contract, or the asset itself.

    Parameters
    ----------
    target
        Canonical symbol.
    has_contracts
        Whether the venue keeps perpetuals as contracts. The paper venue holds a perpetual like its asset.

    Returns
    -------
    tuple
        Kind and name.
    """
    if has_contracts and market_of_symbol(target) is Market.PERP:
        return Kind.CONTRACT, target
    return Kind.ASSET, base_of(target)


def ledger_holding(positions: Iterable[tuple[str, Decimal]], *, has_contracts: bool) -> Holding:
    """Add up positions, given as targets and signed quantities, by what they are held as."""
    found: dict[Kind, dict[str, Decimal]] = {Kind.ASSET: {}, Kind.CONTRACT: {}}
    for target, qty in positions:
        kind, name = held_as(target, has_contracts=has_contracts)
        found[kind][name] = found[kind].get(name, ZERO) + qty
    return Holding(found[Kind.ASSET], found[Kind.CONTRACT])


def lots_of(products: Iterable[Product], *, has_contracts: bool) -> dict[tuple[Kind, str], Decimal]:
    """Tell the lot of everything that is held: the largest of the products that trade it."""
    lots: dict[tuple[Kind, str], Decimal] = {}
    for one in products:
        key = held_as(one.symbol, has_contracts=has_contracts)
        lots[key] = max(lots.get(key, ZERO), one.lot_size)
    return lots


def compare(
    ledger: Holding,
    venue: Holding,
    lots: Mapping[tuple[Kind, str], Decimal],
    *,
    skipped: Collection[tuple[Kind, str]] = (),
) -> tuple[VenueDifference, ...]:
    """Compare every asset that the ledger knows, and every contract that either shows.

    Parameters
    ----------
    ledger
        What the ledgers of an account hold.
    venue
        What it shows. Assets that only the venue shows are none of ours: an account may hold others.
    lots
        From one lot on a difference is one; without a lot the two must be equal.
    skipped
        What cannot be compared now, because orders in it are on their way.

    Returns
    -------
    tuple of VenueDifference
        Assets, then contracts, by name.
    """
    pairs = [
        *((Kind.ASSET, name, ledger.totals, venue.totals) for name in sorted(ledger.totals)),
        *(
            (Kind.CONTRACT, name, ledger.contracts, venue.contracts)
            for name in sorted({*ledger.contracts, *venue.contracts})
        ),
    ]
    found = []
    for kind, name, ours, theirs in pairs:
        one = VenueDifference(kind, name, ours.get(name, ZERO), theirs.get(name, ZERO))
        is_equal = one.off_qty == 0 or abs(one.off_qty) < lots.get((kind, name), ZERO)
        if not is_equal and (kind, name) not in skipped:
            found.append(one)
    return tuple(found)
