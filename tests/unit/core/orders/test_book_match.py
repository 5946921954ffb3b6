"""A book fills what is offered within the limit, at the prices that it shows, and never more (K-14, K-16, K-17)."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.orders.book_match import (
    BookLook,
    Level,
    Traded,
    left_over,
    meet,
    queue_ahead,
    rest,
    take,
)
from marketsentry.core.orders.order import ZERO, LegKind, Side, TimeInForce
from marketsentry.core.orders.paper_leg import PaperLeg

AT = datetime(2026, 3, 1, tzinfo=UTC)
LOT = Decimal("0.001")


def _book(bids: list[tuple[str, str]], asks: list[tuple[str, str]]) -> BookLook:
    sides = (tuple(Level(Decimal(p), Decimal(q)) for p, q in side) for side in (bids, asks))
    return BookLook("BTC", "x_spot", AT, *sides)


LOOK = _book([("99", "2"), ("98", "5")], [("101", "1"), ("102", "4")])


def _leg(qty: str, limit: str, side: Side = Side.BUY, force: TimeInForce = TimeInForce.IOC) -> PaperLeg:
    return PaperLeg(side, LegKind.LIMIT, Decimal(qty), Decimal(limit), force)


@pytest.mark.parametrize(
    ("leg", "qty", "price"),
    [
        (_leg("1", "101"), "1", "101"),
        (_leg("3", "103"), "3", "101.666666666667"),  # a third at 101, the rest at 102, rounded up
        (_leg("3", "98", Side.SELL), "3", "98.666666666666"),  # rounded down
        (_leg("9", "103"), "5", "101.8"),  # the book ends
        (_leg("9", "101.5"), "1", "101"),  # the limit ends it
        (_leg("1", "100"), "0", "100"),
        (_leg("5", "103", force=TimeInForce.FOK), "5", "101.8"),
        (_leg("5.001", "103", force=TimeInForce.FOK), "0", "100"),
    ],
)
def test_a_leg_walks_the_levels(leg: PaperLeg, qty: str, price: str) -> None:
    found = take(leg, LOOK, gone=ZERO, lot_size=LOT)
    assert (found.qty, found.price) == (Decimal(qty), Decimal(price))


def test_what_own_orders_took_of_the_same_book_is_gone() -> None:
    assert take(_leg("9", "103"), LOOK, gone=Decimal("2.5"), lot_size=LOT).qty == Decimal("2.5")
    assert left_over(LOOK.asks, Decimal(5)) == ()


@pytest.mark.parametrize(
    ("limit", "side", "ahead"),
    [
        ("99", Side.BUY, "2"),
        ("98", Side.BUY, "5"),
        ("99.5", Side.BUY, "0"),
        ("98.5", Side.BUY, "0"),
        ("97", Side.BUY, None),
        ("102", Side.SELL, "4"),
        ("103", Side.SELL, None),
    ],
)
def test_a_resting_leg_stands_behind_what_is_shown(limit: str, side: Side, ahead: str | None) -> None:
    expected = None if ahead is None else Decimal(ahead)
    assert queue_ahead(_leg("1", limit, side), LOOK) == expected


def test_a_leg_within_a_step_of_the_far_book_stands_behind_all_of_the_step() -> None:
    bids = [(str(100 - Decimal(i) / 100), "1") for i in range(20)] + [("99.70", "7"), ("99.69", "8")]
    look = _book(bids, [("101", "1")])
    assert queue_ahead(_leg("1", "99.75"), look) == 7
    assert queue_ahead(_leg("1", "99.695"), look) == 8


@pytest.mark.parametrize(
    ("ahead", "traded", "qty", "after"),
    [
        ("5", Traded(Decimal(3)), "0", "2"),
        ("5", Traded(Decimal(6)), "1", "0"),
        ("5", Traded(Decimal(60)), "2", "0"),
        ("5", Traded(Decimal(1), Decimal("0.5")), "0.5", "0"),
        (None, Traded(Decimal(60)), "0", None),
        (None, Traded(Decimal(60), Decimal(1)), "1", "0"),
    ],
)
def test_trades_work_off_the_queue_then_fill(
    ahead: str | None, traded: Traded, qty: str, after: str | None
) -> None:
    leg = _leg("2", "99", force=TimeInForce.GTC)
    found = rest(leg, None if ahead is None else Decimal(ahead), traded, lot_size=LOT)
    assert (found.qty, found.ahead) == (Decimal(qty), None if after is None else Decimal(after))


def test_a_resting_leg_that_the_market_comes_to_fills_at_its_own_price() -> None:
    found = meet(_leg("4", "101.5", force=TimeInForce.GTC), LOOK, gone=ZERO, lot_size=LOT)
    assert (found.qty, found.price) == (1, Decimal("101.5"))


amounts = st.decimals("0.001", 50, places=3)
ticks = st.integers(1, 60)


@st.composite
def books(draw: st.DrawFn) -> BookLook:
    """Books around 100 with ticks of a cent."""
    sides = []
    for sign in (-1, 1):
        offsets = sorted(draw(st.sets(ticks, min_size=1, max_size=6)))
        sides.append([(str(100 + sign * Decimal(n) / 100), str(draw(amounts))) for n in offsets])
    return _book(*sides)


legs = st.builds(
    PaperLeg,
    side=st.sampled_from(Side),
    kind=st.just(LegKind.LIMIT),
    qty=amounts,
    limit_price=st.decimals("99.3", "100.7", places=2),
    time_in_force=st.sampled_from(TimeInForce),
)


def _naive(leg: PaperLeg, look: BookLook, gone: Decimal) -> list[Decimal]:
    """The price of every single lot that is filled, taken one lot after the other."""
    lots = [level.price for level in look.against(leg.side) for _ in range(int(level.qty / LOT))]
    lots = lots[int(gone / LOT) :]
    within = [price for price in lots if leg.side.sign * (leg.limit_price - price) >= 0]
    wanted = int(leg.qty / LOT)
    if leg.time_in_force is TimeInForce.FOK and len(within) < wanted:
        return []
    return within[:wanted]


@given(legs, books(), amounts)
def test_the_walk_agrees_with_taking_one_lot_after_the_other(
    leg: PaperLeg, look: BookLook, gone: Decimal
) -> None:
    found, lots = take(leg, look, gone=gone, lot_size=LOT), _naive(leg, look, gone)
    assert found.qty == len(lots) * LOT
    if lots:
        mean = sum(lots) / len(lots)
        assert abs(found.price - mean) <= Decimal("1e-12")
        assert leg.side.sign * (found.price - mean) >= 0
        assert leg.side.sign * (leg.limit_price - found.price) >= 0


@given(legs, books(), amounts, amounts)
def test_nothing_is_filled_beyond_what_is_offered(
    leg: PaperLeg, look: BookLook, gone: Decimal, more: Decimal
) -> None:
    found = take(leg, look, gone=gone, lot_size=LOT)
    offered = sum((level.qty for level in look.against(leg.side)), ZERO)
    assert 0 <= found.qty <= min(leg.qty, max(ZERO, offered - gone))
    if leg.time_in_force is TimeInForce.FOK:
        assert found.qty in (0, leg.qty)
    assert found == take(leg, look, gone=gone, lot_size=LOT)
    later = take(leg, look, gone=gone + more, lot_size=LOT)
    assert later.qty <= found.qty
    if later.qty == found.qty:
        assert leg.side.sign * (later.price - found.price) >= 0


@given(legs, books(), st.integers(0, 50), st.decimals("0", "1", places=2))
def test_a_market_that_ran_away_while_an_order_was_on_its_way_never_fills_it_better(
    leg: PaperLeg, look: BookLook, run: int, kept: Decimal
) -> None:
    def worse(level: Level) -> Level:
        return Level(level.price + leg.side.sign * Decimal(run) / 100, max(LOT, level.qty * kept))

    moved = replace(look, bids=tuple(map(worse, look.bids)), asks=tuple(map(worse, look.asks)))
    now, later = (take(leg, one, gone=ZERO, lot_size=ZERO) for one in (look, moved))
    assert later.qty <= now.qty
    if later.qty == now.qty and now.qty:
        assert leg.side.sign * (later.price - now.price) >= 0


@given(amounts, st.none() | amounts, amounts, amounts, st.booleans())
def test_a_queue_only_shortens_by_trades_and_fills_no_more_than_was_traded(
    qty: Decimal, ahead: Decimal | None, at_price: Decimal, beyond: Decimal, is_beyond: bool
) -> None:
    traded = Traded(at_price, beyond if is_beyond else ZERO)
    leg = PaperLeg(Side.BUY, LegKind.LIMIT, qty, Decimal(100), TimeInForce.GTC)
    found = rest(leg, ahead, traded, lot_size=LOT)
    assert 0 <= found.qty <= min(qty, traded.at_price + traded.beyond)
    if ahead is not None and not is_beyond:
        longer = rest(leg, ahead + 1, traded, lot_size=LOT)
        assert longer.qty <= found.qty
        assert found.ahead is not None
        assert found.ahead <= ahead
