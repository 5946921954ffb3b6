"""Perpetuals: positions, margin, closing orders, and that gains and losses add up."""

from collections import defaultdict
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.simexchange.accounts import Position
from marketsentry.simexchange.clock import VirtualClock
from marketsentry.simexchange.ledger import CLEARING, FEES, MARKET
from marketsentry.simexchange.orders import HoldSide, NewOrder, OrderStatus, OrderType, Reject, Rejected, Side
from marketsentry.simexchange.products import bitget_perpetual
from marketsentry.simexchange.venue import Venue

PERP = bitget_perpetual("BTC", tick="1", lot="0.1")
KEY = PERP.key


def opened(cash=1_000):
    venue = Venue([PERP], now_s=VirtualClock(), post_only_rejects=False, has_number_ids=True)
    venue.margin.ledger.deposit("ann", "USDT", Decimal(cash))
    venue.quotes = []
    move(venue, 100)
    return venue


def move(venue, mid):
    book = [(Side.BUY, Decimal(mid - 1), Decimal(50)), (Side.SELL, Decimal(mid + 1), Decimal(50))]
    venue.quotes = venue.house_quote(KEY, book, venue.quotes)


def market(side, quantity, **more):
    return NewOrder("ann", KEY, side, OrderType.MARKET, Decimal(str(quantity)), **more)


def limit(side, quantity, price, **more):
    return NewOrder("ann", KEY, side, OrderType.LIMIT, Decimal(str(quantity)), Decimal(price), **more)


def position(venue, leg=HoldSide.NET):
    return venue.margin.positions["ann", KEY, leg]


def reason(venue, asked):
    with pytest.raises(Rejected) as refused:
        venue.place(asked)
    return refused.value.reason


def test_a_position_is_averaged_reduced_and_turned():
    venue = opened()
    venue.place(market(Side.BUY, 1))
    move(venue, 110)
    venue.place(market(Side.BUY, 1))
    assert (position(venue).quantity, position(venue).entry) == (2, 106)
    sold = venue.place(market(Side.SELL, 3))
    assert sold.realised_pnl == 2 * (109 - 106)
    assert (position(venue).quantity, position(venue).entry) == (-1, 109)
    fees = PERP.taker_rate * (101 + 111 + 3 * 109)
    assert venue.margin.ledger.total("ann", "USDT") == 1_000 + 6 - fees
    assert venue.margin.unrealised("ann") == 109 - 110


def test_opening_binds_margin_by_leverage_and_closing_needs_none():
    venue = opened(cash=100)
    venue.margin.set_leverage("ann", PERP, Decimal(10), None)
    assert reason(venue, market(Side.BUY, 10)) is Reject.INSUFFICIENT_FUNDS
    venue.place(market(Side.BUY, 9))
    assert venue.margin.position_margin("ann") == Decimal(909) / 10
    assert reason(venue, market(Side.BUY, 1)) is Reject.INSUFFICIENT_FUNDS
    assert venue.place(market(Side.SELL, 9)).status is OrderStatus.FILLED
    assert venue.margin.open_positions("ann") == []


def test_closing_works_when_the_margin_is_gone():
    venue = opened(cash=100)
    venue.place(market(Side.BUY, 9))
    move(venue, 85)
    assert venue.margin.free_margin("ann", "USDT") < 0
    assert reason(venue, market(Side.BUY, 1)) is Reject.INSUFFICIENT_FUNDS
    assert venue.place(market(Side.SELL, 9)).status is OrderStatus.FILLED


def test_a_closing_order_never_opens():
    venue = opened()
    assert reason(venue, market(Side.SELL, 1, reduce_only=True)) is Reject.NO_POSITION
    venue.place(market(Side.BUY, 1))
    closing = venue.place(market(Side.SELL, 5, reduce_only=True))
    assert (closing.status, closing.filled, position(venue).quantity) == (OrderStatus.FILLED, 1, 0)


def test_waiting_closing_orders_share_the_position():
    venue = opened()
    venue.place(market(Side.BUY, 2))
    first = venue.place(limit(Side.SELL, 1.5, 105, reduce_only=True))
    second = venue.place(limit(Side.SELL, 1.5, 106, reduce_only=True))
    assert second.asked.quantity == Decimal("0.5")
    assert reason(venue, limit(Side.SELL, 1, 107, reduce_only=True)) is Reject.NO_POSITION
    venue.place(market(Side.SELL, 1))
    assert (first.status, second.status) == (OrderStatus.CANCELLED, OrderStatus.CANCELLED)


def test_two_legs_are_held_side_by_side():
    venue = opened()
    assert reason(venue, market(Side.BUY, 1, hold_side=HoldSide.LONG)) is Reject.POSITION_MODE
    venue.margin.set_hedged("ann", True)
    assert reason(venue, market(Side.BUY, 1)) is Reject.POSITION_MODE
    venue.place(market(Side.BUY, 2, hold_side=HoldSide.LONG))
    venue.place(market(Side.SELL, 1, hold_side=HoldSide.SHORT))
    assert (position(venue, HoldSide.LONG).quantity, position(venue, HoldSide.SHORT).quantity) == (2, -1)
    venue.place(market(Side.SELL, 9, hold_side=HoldSide.LONG, reduce_only=True))
    assert (position(venue, HoldSide.LONG).quantity, position(venue, HoldSide.SHORT).quantity) == (0, -1)
    with pytest.raises(Rejected) as refused:
        venue.margin.set_hedged("ann", False)
    assert refused.value.reason is Reject.EXPOSURE_EXISTS


def test_leverage_and_margin_mode_have_bounds():
    venue = opened()
    for leverage in (0, 126):
        with pytest.raises(Rejected) as refused:
            venue.margin.set_leverage("ann", PERP, Decimal(leverage), None)
        assert refused.value.reason is Reject.BAD_LEVERAGE
    venue.place(market(Side.BUY, 1))
    with pytest.raises(Rejected) as refused:
        venue.margin.set_margin_mode("ann", PERP, "isolated")
    assert refused.value.reason is Reject.EXPOSURE_EXISTS


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(90, 110)), max_size=30))
def test_gains_of_a_position_are_what_cash_says(trades):
    position, cash, total = Position(), Decimal(0), 0
    for signed, price in trades:
        position.apply(Decimal(signed), Decimal(price))
        cash -= signed * price
        total += signed
    assert position.quantity == total
    assert abs(position.realised_pnl + position.unrealised(Decimal(100)) - (cash + total * 100)) < Decimal(
        "1e-18"
    )


actions = st.one_of(
    st.integers(80, 120),
    st.tuples(
        st.sampled_from(("ann", "bob")),
        st.sampled_from(tuple(Side)),
        st.integers(1, 100).map(lambda n: n * Decimal("0.1")),
        st.one_of(st.none(), st.integers(80, 120).map(Decimal)),
        st.booleans(),
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(actions, max_size=40))
def test_what_one_wins_another_loses(steps):
    venue = opened()
    venue.margin.ledger.deposit("bob", "USDT", Decimal(500))
    ledger = venue.margin.ledger
    for step in steps:
        try:
            if isinstance(step, int):
                move(venue, step)
            else:
                owner, side, quantity, price, reduce_only = step
                kind = OrderType.MARKET if price is None else OrderType.LIMIT
                venue.place(NewOrder(owner, KEY, side, kind, quantity, price, reduce_only=reduce_only))
        except Rejected:
            pass
        owners = ("ann", "bob", MARKET, FEES, CLEARING)
        assert sum(ledger.total(one, "USDT") for one in owners) == ledger.deposited["USDT"]
        net = sum(one.quantity for one in venue.margin.positions.values())
        assert net == 0
        owed = sum((one.unrealised(Decimal(100)) for one in venue.margin.positions.values()), Decimal(0))
        assert abs(owed - ledger.total(CLEARING, "USDT")) < Decimal("1e-15")
        held = defaultdict(Decimal)
        for order in venue.open_orders():
            held[order.asked.owner] += order.hold
        assert all(ledger.held(one, "USDT") == held[one] for one in ("ann", "bob"))


def test_a_part_of_an_average_that_does_not_end_keeps_sums_exact():
    position, gained = Position(), Decimal(0)
    for signed, price in (("0.1", "100"), ("0.2", "100.1"), ("-0.1", "80"), ("-0.1", "90.3"), ("-0.1", "1")):
        gained += position.apply(Decimal(signed), Decimal(price))
        assert gained == round(gained, 12)
    assert (position.quantity, position.entry_quote) == (0, 0)
    assert gained == Decimal("8") + Decimal("9.03") + Decimal("0.1") - Decimal("10") - Decimal("20.02")
