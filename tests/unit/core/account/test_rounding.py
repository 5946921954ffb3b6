"""Money has the same digits whatever rounding a library or a plugin has left behind."""

from datetime import UTC, datetime
from decimal import ROUND_UP, Context, Decimal, localcontext

from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.account.entries import settle
from marketsentry.core.account.equity import next_equity
from marketsentry.core.account.position import Position, apply_funding, mark, take_fill
from marketsentry.core.account.valuation import value
from marketsentry.core.orders.order import Fill, Side

AT = datetime(2026, 3, 1, tzinfo=UTC)
digits = st.decimals("0.1", "99999", places=17)
fills = st.lists(st.tuples(st.sampled_from(Side), digits, digits, digits), min_size=1, max_size=12)


def added_up(traded: list[tuple[Side, Decimal, Decimal, Decimal]]) -> list[object]:
    position, told = Position(), list[object]()
    for n, (side, qty, price, fee) in enumerate(traded):
        settled = settle(Fill(str(n), qty, price, fee, "USD", AT), side, "BTC-USD", quote="USD")
        position = take_fill(position, side, settled.qty, price, settled.fee_quote).position
        position = mark(apply_funding(position, fee), price, AT)
        worth = value([("BTC-USD", position)], {"USD": settled.trade_quote}, quote="USD", rates={})
        equity = next_equity(None, worth.equity_quote, AT)
        told += [settled, position, worth, next_equity(equity, worth.equity_quote, AT, flow_quote=fee)]
    return told


@given(fills)
def test_digits_do_not_depend_on_who_was_called_before(
    traded: list[tuple[Side, Decimal, Decimal, Decimal]],
) -> None:
    with localcontext(Context(prec=9, rounding=ROUND_UP)):
        elsewhere = added_up(traded)
    assert elsewhere == added_up(traded)
