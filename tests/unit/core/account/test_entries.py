"""What a fill does to position and cash, whatever its fee is paid in."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.account.entries import Entry, EntryKind, settle
from marketsentry.core.account.position import Position, apply_fill, mark
from marketsentry.core.orders.order import Fill, Side
from marketsentry.exceptions import InputError

AT = datetime(2026, 3, 1, tzinfo=UTC)


def a_fill(fee: Decimal, currency: str, *, qty: Decimal = Decimal(2), price: Decimal = Decimal(100)) -> Fill:
    return Fill("t", qty, price, fee, currency, AT)


@given(
    st.sampled_from(Side),
    st.decimals("1", "100", places=3),
    st.decimals("0.01", "1000", places=2),
    st.decimals("0", "0.5", places=6),
    st.sampled_from(["USD", "BTC"]),
)
def test_nothing_is_lost_whatever_the_fee_is_paid_in(
    side: Side, qty: Decimal, price: Decimal, fee: Decimal, currency: str
) -> None:
    fill = a_fill(fee, currency, qty=qty, price=price)
    settled = settle(fill, side, "BTC-USD", quote="USD")
    entries = settled.entries(fill, "BTC-USD", quote="USD", fill_id=7)
    cash = sum((entry.amount for entry in entries), Decimal(0))
    assert {entry.currency for entry in entries} == {"USD"}
    in_kind = fee if currency == "BTC" else Decimal(0)
    assert cash == -side.sign * qty * price - (fee if currency == "USD" else 0)
    position = mark(apply_fill(Position(), side, settled.qty, price, settled.fee_quote), price, AT)
    assert position.qty == side.sign * qty - in_kind
    assert position.notional_quote is not None
    assert position.unrealised_quote is not None
    gain = position.net_quote + position.unrealised_quote
    assert abs(cash + position.notional_quote - gain) < Decimal("1e-18")


def test_a_rebate_comes_in_and_no_fee_is_no_entry() -> None:
    rebate = a_fill(Decimal("-0.1"), "USD")
    entries = settle(rebate, Side.SELL, "BTC-USD", quote="USD").entries(
        rebate, "BTC-USD", quote="USD", fill_id=1
    )
    assert [(entry.kind, entry.amount) for entry in entries] == [
        (EntryKind.TRADE, Decimal(200)),
        (EntryKind.FEE, Decimal("0.1")),
    ]
    free = a_fill(Decimal(0), "BGB")
    assert len(settle(free, Side.BUY, "BTC", quote="USDT").entries(free, "BTC", quote="USDT", fill_id=1)) == 1


def test_a_fee_in_a_third_currency_moves_the_cash_of_that_currency() -> None:
    fill = a_fill(Decimal(3), "BGB")
    settled = settle(fill, Side.BUY, "BTC", quote="USDT")
    trade, fee = settled.entries(fill, "BTC", quote="USDT", fill_id=1)
    assert (settled.qty, settled.fee_quote) == (Decimal(2), Decimal(0))
    assert (trade.amount, fee.currency, fee.amount) == (Decimal(-200), "BGB", Decimal(-3))


def test_a_fee_in_a_third_currency_with_a_worth_is_paid_by_the_account_and_to_it() -> None:
    fill = replace(a_fill(Decimal(3), "BGB"), fee_quote=Decimal(12))
    settled = settle(fill, Side.BUY, "BTC", quote="USDT")
    trade, fee = settled.entries(fill, "BTC", quote="USDT", fill_id=1)
    assert (settled.qty, settled.fee_quote) == (Decimal(2), Decimal(12))
    assert (trade.amount, fee.currency, fee.amount) == (Decimal(-200), "USDT", Decimal(-12))
    got, paid = settled.advanced(fill, fill_id=1)
    assert (got.currency, got.amount, paid.currency, paid.amount) == ("USDT", Decimal(12), "BGB", Decimal(-3))
    assert fee.amount + got.amount == 0, "what the venue did not take in quote currency is still there"
    assert settle(a_fill(Decimal(3), "USDT"), Side.BUY, "BTC", quote="USDT").advanced(fill, fill_id=1) == ()


def test_a_perpetual_is_not_paid_in_kind() -> None:
    assert settle(a_fill(Decimal(1), "BTC"), Side.BUY, "BTC-PERP", quote="USDT").qty == 2


def test_a_fee_as_large_as_the_fill_is_refused() -> None:
    with pytest.raises(InputError, match="fee of fill t must be less than its qty 2, was 2 BTC"):
        settle(a_fill(Decimal(2), "BTC"), Side.BUY, "BTC", quote="USDT")


@pytest.mark.parametrize(
    ("kind", "amount"), [("deposit", "0"), ("deposit", "-1"), ("withdrawal", "1"), ("trade", "NaN")]
)
def test_an_entry_has_the_sign_of_its_kind(kind: str, amount: str) -> None:
    with pytest.raises(InputError, match=f"amount of {kind} wire must be"):
        Entry(EntryKind(kind), "USD", Decimal(amount), "wire", AT)
