"""What an account is worth: cash and positions at their marks. What has no price has no worth that could be told."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from marketsentry.core.account.position import Position
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


def value(
    positions: Mapping[str, Position],
    cash: Mapping[str, Decimal],
    *,
    quote: str,
    rates: Mapping[str, Decimal],
) -> Worth:
    """Add up cash and positions.

    Parameters
    ----------
    positions
        By target, with their marks.
    cash
        Amount by currency; each that stands in it needs a rate.
    quote
        Currency of the account.
    rates
        Quote currency per unit of each other currency, > 0.

    Returns
    -------
    Worth
        Equity is `cash + sum of qty * mark`.

    Raises
    ------
    DataQualityError
        If a held position has no mark, or cash of another currency no rate; all of them are named.
    """
    currencies = {currency: rates.get(currency) for currency in cash}
    currencies[quote] = Decimal(1)
    marks = {target: position.mark_price for target, position in positions.items() if position.qty}
    unpriced = sorted(
        name for name, price in (*currencies.items(), *marks.items()) if not (price and price > 0)
    )
    if unpriced:
        raise DataQualityError(f"no price of {', '.join(unpriced)}, which the account holds")
    known_rates = {currency: rate for currency, rate in currencies.items() if rate is not None}
    known_marks = {target: price for target, price in marks.items() if price is not None}
    cash_quote = sum((cash[name] * rate for name, rate in known_rates.items() if name in cash), ZERO)
    notionals = [positions[target].qty * price for target, price in known_marks.items()]
    foreign = {name: rate for name, rate in known_rates.items() if name != quote}
    return Worth(
        cash_quote=cash_quote,
        gross_quote=sum(map(abs, notionals), ZERO),
        equity_quote=cash_quote + sum(notionals, ZERO),
        marks={**known_marks, **foreign},
        rates=known_rates,
    )
