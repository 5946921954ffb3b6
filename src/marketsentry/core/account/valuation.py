"""What an account is worth: cash and positions at their marks. What has no price has no worth that could be told."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from marketsentry.core.account.position import Position
from marketsentry.core.account.rounding import in_money
from marketsentry.core.orders.order import ZERO
from marketsentry.exceptions import DataQualityError


@dataclass(frozen=True, slots=True)
class Worth:
    """In quote currency: all cash, absolute notionals, and cash with signed notionals.

    `marks` are the prices that it holds for, by target and by foreign currency; `rates` hold those of the currencies,
    the quote currency's 1 among them.
    """

    cash_quote: Decimal
    gross_quote: Decimal
    equity_quote: Decimal
    marks: Mapping[str, Decimal]
    rates: Mapping[str, Decimal]


@in_money
def value(
    positions: Iterable[tuple[str, Position]],
    cash: Mapping[str, Decimal],
    *,
    quote: str,
    rates: Mapping[str, Decimal],
) -> Worth:
    """Add up cash and positions.

    Parameters
    ----------
    positions
        Targets and positions with their marks; several may be in one target, and the newest of their marks counts for
        all of them.
    cash
        Amount by currency; each that stands in it needs a rate.
    quote
        Currency of the account.
    rates
        Quote currency per unit of each other currency, > 0.

    Returns
    -------
    Worth
        Equity is `cash + sum of qty * mark`; the gross notional is that of the net quantity of each target.

    Raises
    ------
    DataQualityError
        If a held position has no mark, or cash of another currency no rate; all of them are named.
    """
    held = [(target, position) for target, position in positions if position.qty]
    prices = _newest_prices(held)
    currencies = {name: Decimal(1) if name == quote else rates.get(name) for name in (*cash, quote)}
    unpriced = sorted(
        name for name, price in (*currencies.items(), *prices.items()) if not (price and price > 0)
    )
    if unpriced:
        raise DataQualityError(f"no price of {', '.join(unpriced)}, which the account holds")
    known_rates = {name: rate for name, rate in currencies.items() if rate is not None}
    marks = {name: price for name, price in prices.items() if price is not None}
    net: dict[str, Decimal] = {}
    for target, position in held:
        net[target] = net.get(target, ZERO) + position.qty * marks[target]
    cash_quote = sum((amount * known_rates[name] for name, amount in cash.items()), ZERO)
    foreign = {name: rate for name, rate in known_rates.items() if name != quote}
    return Worth(
        cash_quote=cash_quote,
        gross_quote=sum(map(abs, net.values()), ZERO),
        equity_quote=cash_quote + sum(net.values(), ZERO),
        marks={**marks, **foreign},
        rates=known_rates,
    )


def _newest_prices(held: Iterable[tuple[str, Position]]) -> dict[str, Decimal | None]:
    """One price for each target: two strategies may have been marked at different times."""
    newest: dict[str, Position] = {}
    for target, position in held:
        before = newest.get(target)
        if before is None or _is_newer(position, before):
            newest[target] = position
    return {target: position.mark_price for target, position in newest.items()}


def _is_newer(one: Position, other: Position) -> bool:
    if one.mark_price is None or other.mark_price is None:
        return other.mark_price is None
    return one.marked_at is not None and (other.marked_at is None or one.marked_at > other.marked_at)
