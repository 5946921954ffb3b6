"""From what a decision wants to hold to the orders that get there."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from marketsentry.core.orders.order import ZERO, Side
from marketsentry.core.orders.product import whole_lots
from marketsentry.core.trading.decider import Decided


@dataclass(frozen=True, slots=True)
class Wanted:
    """An order that a decision wants: `qty` base units > 0. `closing` of it is closed before anything is opened."""

    target: str
    side: Side
    qty: Decimal
    closing: Decimal

    @property
    def opens(self) -> bool:
        """Whether a part of it opens or enlarges a position."""
        return self.closing < self.qty


def wanted_orders(
    symbols: tuple[str, ...],
    decided: Decided,
    held: Mapping[str, Decimal],
    *,
    lots: Mapping[str, Decimal] | None = None,
    smallest_quote: float = 0.0,
) -> tuple[Wanted, ...]:
    """List the orders that lead from what is held to the targets, in the order of the symbols.

    Parameters
    ----------
    symbols
        Of the decision.
    decided
        Its target quantities.
    held
        Signed base units by symbol as the ledger has them; what is not in it is not held.
    lots
        Lot size by symbol: orders are whole lots, rounded down. Where there is none, any quantity is taken. Less than
        a lot is not ordered.
    smallest_quote
        What is worth less at its mark is not ordered either, for no venue would take it: not even what closes.

    Returns
    -------
    tuple of Wanted
        None for a target that is held as it is wanted.
    """
    found = []
    goals = zip(symbols, decided.target_qty.tolist(), decided.marks.tolist(), strict=True)
    for symbol, goal, mark in goals:
        before = held.get(symbol, ZERO)
        change = Decimal(repr(goal)) - before
        qty = whole_lots(abs(change), (lots or {}).get(symbol, ZERO))
        if not qty or float(qty) * mark < smallest_quote:
            continue
        closing = min(abs(before), qty) if before * change < 0 else ZERO
        found.append(Wanted(symbol, Side.BUY if change > 0 else Side.SELL, qty, closing))
    return tuple(found)
