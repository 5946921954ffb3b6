"""The net of all strategies against what the venue says: facts for a person, never a silent correction.

A perpetual's notional is not paid: the venue's balance is the margin, so the cash that it should show is ours with the
entry cost of perpetual positions put back. That is the venue's own cost of the net: where strategies hold a contract
against each other, or close parts of it at different times, the venue has earned what no ledger has yet.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from marketsentry.core.account.position import Position
from marketsentry.core.market.symbols import Market, base_of, market_of_symbol
from marketsentry.core.orders.order import ZERO


@dataclass(frozen=True, slots=True)
class Mismatch:
    """What the ledger and the venue say of one thing, where they differ by more than dust."""

    name: str
    ledger_qty: Decimal
    venue_qty: Decimal
    allowed_qty: Decimal

    @property
    def missing_qty(self) -> Decimal:
        """What the venue has more than the ledger knows; negative where it has less."""
        return self.venue_qty - self.ledger_qty


def net_quantities(positions: Iterable[tuple[str, Position]]) -> dict[str, Decimal]:
    """Add up positions of all strategies by target; what nets to zero is left out."""
    net: dict[str, Decimal] = {}
    for target, position in positions:
        net[target] = net.get(target, ZERO) + position.qty
    return {target: qty for target, qty in sorted(net.items()) if qty}


def held_as(target: str, *, has_contracts: bool = True) -> str:
    """Name what a position is held as: a perpetual by its symbol, and everything else by its asset.

    Without `has_contracts` a perpetual is held like its asset, as the paper venue does.
    """
    is_contract = has_contracts and market_of_symbol(target) is Market.PERP
    return target if is_contract else base_of(target)


def expected_holdings(
    positions: Iterable[tuple[str, Position]],
    cash: Mapping[str, Decimal],
    *,
    quote: str,
    has_contracts: bool = True,
    averages: Mapping[str, Decimal] | None = None,
) -> dict[str, Decimal]:
    """Tell what the venue should show, by asset, and by symbol for perpetuals.

    Parameters
    ----------
    positions
        Of all strategies.
    cash
        Of all strategies, by currency.
    quote
        Currency of the account.
    has_contracts
        See `held_as`.
    averages
        At which price the venue opened the net of a perpetual, by symbol; that of each ledger where it does not say.

    Returns
    -------
    dict
        Spot positions count to their asset, beside cash of the same name.
    """
    held = {name: amount for name, amount in cash.items() if amount}
    for target, position in positions:
        name = held_as(target, has_contracts=has_contracts)
        held[name] = held.get(name, ZERO) + position.qty
        if has_contracts and market_of_symbol(target) is Market.PERP:
            price = (averages or {}).get(target, position.average_price)
            held[quote] = held.get(quote, ZERO) + position.qty * price
    return {name: qty for name, qty in sorted(held.items()) if qty}


def mismatches(
    expected: Mapping[str, Decimal], venue: Mapping[str, Decimal], dust: Mapping[str, Decimal]
) -> list[Mismatch]:
    """Compare what should be there with what is.

    Parameters
    ----------
    expected
        As `expected_holdings` tells it.
    venue
        Total balances by asset and positions by symbol.
    dust
        By the same names, what may differ: less than one lot cannot be traded. Nothing where it does not say.

    Returns
    -------
    list of Mismatch
        By name; a difference of exactly the dust is none.
    """
    found = []
    for name in sorted({*expected, *venue}):
        ours, theirs = expected.get(name, ZERO), venue.get(name, ZERO)
        allowed = dust.get(name, ZERO)
        if abs(theirs - ours) > allowed:
            found.append(Mismatch(name, ours, theirs, allowed))
    return found
