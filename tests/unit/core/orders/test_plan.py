"""The leg model of contract 1.6 as a pure function (K-16, K-17, K-19, K-21, K-22)."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.orders.events import (
    CancelSending,
    LegAbsent,
    LegClosed,
    LegRefused,
    LegUnseen,
    LegWorking,
)
from marketsentry.core.orders.order import LegKind, Order, OrderStatus, Side, TimeInForce
from marketsentry.core.orders.plan import (
    EXPIRED,
    OPENS_WITHIN,
    Ask,
    Cancel,
    Finish,
    Market,
    Plan,
    PlanStyle,
    Send,
    expiry,
    next_step,
    plan_of,
)
from marketsentry.exceptions import InputError
from order_steps import BTC, MARKET, admitted, after, at, filled, limit, sending, step_of

IOC, GTC, FOK = TimeInForce.IOC, TimeInForce.GTC, TimeInForce.FOK
REJECTED = OrderStatus.REJECTED


def _closed(order: Order, leg: str, qty: str, status: str = "CANCELLED") -> Order:
    return after(order, LegClosed(at(1), leg, Decimal(qty), status))


def test_a_limit_leg_goes_first_and_reaches_three_bps() -> None:
    assert step_of(admitted(), Plan()) == Send("ms-7-l", LegKind.LIMIT, Decimal(1), Decimal("100.03"), IOC)
    sell = step_of(admitted(side=Side.SELL), Plan())
    assert sell == Send("ms-7-l", LegKind.LIMIT, Decimal(1), Decimal("99.97"), IOC)


def test_a_limit_leg_reaches_two_bps_live_and_never_beyond_the_slippage_allowed() -> None:
    live = step_of(admitted(), Plan(is_live=True))
    assert isinstance(live, Send)
    assert live.limit_price == Decimal("100.02")
    exact = step_of(admitted(), Plan(max_slippage_bps=Decimal(0)))
    assert isinstance(exact, Send)
    assert exact.limit_price == Decimal(100)


def test_a_working_leg_is_asked_for_until_its_time_is_over_then_cancelled_once() -> None:
    order = after(admitted(), limit(tif=GTC), LegWorking(at(0.1), "ms-7-l", "v1"))
    plan = Plan(time_in_force=GTC)
    assert step_of(order, plan, seconds=0.5) == Ask("ms-7-l", 0.4)
    assert step_of(order, plan, seconds=1.75) == Ask("ms-7-l", 0.25)
    assert step_of(order, plan, seconds=2) == Cancel("ms-7-l")
    pending = after(order, CancelSending(at(2), "ms-7-l"))
    assert step_of(pending, plan, seconds=2) == Ask("ms-7-l", 0.5, cancels_again=True)


def test_a_leg_that_was_sent_in_the_future_has_worked_long_enough() -> None:
    """The clock was set back: how long it has worked cannot be told, and it must not wait until then."""
    order = after(admitted(), limit(tif=GTC), LegWorking(at(0.1), "ms-7-l", "v1"))
    assert step_of(order, Plan(time_in_force=GTC), seconds=-1) == Cancel("ms-7-l")
    unknown = after(admitted(), limit(tif=GTC), LegUnseen(at(0.1), "ms-7-l", "no answer"))
    assert step_of(unknown, Plan(time_in_force=GTC), seconds=-3600) == Ask("ms-7-l", 30.0)


def test_no_leg_is_sized_before_the_one_before_it_is_settled() -> None:
    working = after(admitted(), limit(tif=GTC), LegWorking(at(0), "ms-7-l", "v1"))
    half = after(working, filled("ms-7-l", "t1", "0.4"), CancelSending(at(2), "ms-7-l"))
    assert isinstance(step_of(half, Plan(time_in_force=GTC), seconds=3), Ask)
    told_more = _closed(half, "ms-7-l", "0.7")  # another fill went through before the cancel
    assert isinstance(step_of(told_more, Plan(time_in_force=GTC), seconds=3), Ask)
    settled = after(told_more, filled("ms-7-l", "t2", "0.3"))
    step = step_of(settled, Plan(time_in_force=GTC), seconds=3)
    assert isinstance(step, Send)
    assert (step.client_order_id, step.kind, step.qty) == ("ms-7-m1", LegKind.MARKET, Decimal("0.3"))


@pytest.mark.parametrize(
    ("plan", "price"),
    [
        (Plan(), "100.08"),
        (Plan(max_slippage_bps=Decimal(4)), "100.04"),
        (Plan(is_live=True), "100.20"),
        (Plan(style=PlanStyle.MARKET, max_slippage_bps=Decimal(50)), "100.50"),
    ],
)
def test_a_market_leg_is_bounded_by_the_slippage_allowed(plan: Plan, price: str) -> None:
    order = admitted()
    if plan.style is PlanStyle.LIMIT_FIRST:
        order = _closed(after(order, limit(), LegWorking(at(0), "ms-7-l", "v1")), "ms-7-l", "0")
    step = step_of(order, plan)
    assert step == Send("ms-7-m1", LegKind.MARKET, Decimal(1), Decimal(price), IOC)


def test_without_an_estimate_the_market_is_the_reference() -> None:
    order = admitted(price=None)
    step = step_of(order, Plan())
    assert step == Send("ms-7-m1", LegKind.MARKET, Decimal(1), Decimal("100.08"), IOC)
    assert step_of(order, Plan(), market=None) == Finish(REJECTED, "no_market_data")


def test_a_market_beyond_the_bound_is_not_taken() -> None:
    order = _closed(after(admitted(), limit(), LegWorking(at(0), "ms-7-l", "v1")), "ms-7-l", "0")
    ran_away = Market(Decimal("100.10"), Decimal("100.20"))
    assert step_of(order, Plan(), market=ran_away) == Finish(REJECTED, "slippage_limit")


@pytest.mark.parametrize(("retries", "legs"), [(0, 1), (1, 2), (3, 4)])
def test_market_legs_are_retried_as_often_as_allowed(retries: int, legs: int) -> None:
    order, plan = admitted(), Plan(style=PlanStyle.MARKET, max_retries=retries)
    for n in range(1, legs + 1):
        step = step_of(order, plan)
        assert isinstance(step, Send)
        assert step.client_order_id == f"ms-7-m{n}"
        working = LegWorking(at(0), step.client_order_id, f"v{n}")
        order = _closed(after(order, sending(step), working), step.client_order_id, "0")
    assert step_of(order, plan) == Finish(REJECTED, "no_fill_after_retries")


def test_a_rest_that_nobody_takes_is_given_up() -> None:
    order = after(admitted(), limit(), LegWorking(at(0), "ms-7-l", "v1"), filled("ms-7-l", "t1", "0.4"))
    order = _closed(order, "ms-7-l", "0.4")
    plan = Plan(max_retries=0)
    step = step_of(order, plan)
    assert isinstance(step, Send)
    order = _closed(after(order, sending(step), LegWorking(at(1), "ms-7-m1", "v2")), "ms-7-m1", "0")
    assert step_of(order, plan) == Finish(reason="residual_unfilled")


def test_fill_or_kill_has_one_leg() -> None:
    plan = Plan(time_in_force=FOK)
    step = step_of(admitted(), plan)
    assert isinstance(step, Send)
    assert (step.kind, step.time_in_force) == (LegKind.LIMIT, FOK)
    order = _closed(after(admitted(), sending(step), LegWorking(at(0), "ms-7-l", "v1")), "ms-7-l", "0")
    assert step_of(order, plan) == Finish(REJECTED, "fok_unfillable")


def test_a_refusal_for_good_is_told_and_one_of_the_transport_is_tried_again() -> None:
    order = after(admitted(), limit(), LegRefused(at(0), "ms-7-l", "venue_rejected:insufficient_funds"))
    assert step_of(order, Plan()) == Finish(REJECTED, "venue_rejected:insufficient_funds")
    order = after(admitted(), limit(), LegRefused(at(0), "ms-7-l", "venue_http_503"))
    assert isinstance(step_of(order, Plan()), Send)


def test_an_id_that_another_order_has_is_not_followed_by_another_leg() -> None:
    order = after(admitted(), limit(), LegRefused(at(0), "ms-7-l", "venue_error:client_id_collision"))
    assert step_of(order, Plan()) == Finish(REJECTED, "venue_error:client_id_collision")
    order = after(admitted(), limit(), LegRefused(at(0), "ms-7-l", "venue_error:not_connected"))
    assert isinstance(step_of(order, Plan()), Send)


@pytest.mark.parametrize(
    ("side", "reach", "limit_price"),
    [
        (Side.BUY, None, "105.00"),
        (Side.SELL, None, "95.00"),
        (Side.BUY, "0.05", "104.50"),  # nine tenths of what the venue takes
        (Side.SELL, "0.05", "95.50"),
        (Side.BUY, "0.9", "105.00"),
    ],
)
def test_a_limit_lies_within_what_the_venue_takes(side: Side, reach: str | None, limit_price: str) -> None:
    plan = Plan(style=PlanStyle.MARKET, max_slippage_bps=Decimal(500), is_live=True)
    product = replace(BTC, reach_frac=None if reach is None else Decimal(reach))
    order = replace(admitted(side=side), price=None)
    step = next_step(order, plan, now=at(0), market=MARKET, product=product)
    assert isinstance(step, Send)
    assert step.limit_price == Decimal(limit_price)


@pytest.mark.parametrize(("is_exit", "is_sent"), [(True, True), (False, False)])
def test_what_only_closes_is_sent_where_nothing_may_be_opened(is_exit: bool, is_sent: bool) -> None:
    order = replace(admitted(side=Side.SELL), is_reduce_only=is_exit)
    product = replace(BTC, is_tradeable=False, is_closable=True)
    step = next_step(order, Plan(), now=at(0), market=MARKET, product=product)
    assert isinstance(step, Send) is is_sent


def test_an_unknown_leg_is_asked_for_and_one_proved_absent_is_replaced() -> None:
    order = after(admitted(), limit(), LegUnseen(at(0), "ms-7-l", "timeout"))
    assert order.status is OrderStatus.UNKNOWN
    assert step_of(order, Plan(), seconds=8) == Ask("ms-7-l", 2.0)
    absent = after(order, LegAbsent(at(60), "ms-7-l"))
    step = step_of(absent, Plan())
    assert isinstance(step, Send)
    assert (step.client_order_id, step.qty) == ("ms-7-m1", Decimal(1))


@pytest.mark.parametrize(
    ("qty", "product", "reason"),
    [
        ("0.00009", BTC, "below_min_size"),
        ("1", replace(BTC, min_notional=Decimal(101)), "below_min_size"),
        ("1", replace(BTC, is_tradeable=False), "venue_rejected:not_tradeable"),
        ("1", None, "no_market_data"),
    ],
)
def test_what_the_product_does_not_allow_is_not_sent(qty: str, product: None, reason: str) -> None:
    """K-23."""
    step = next_step(admitted(qty), Plan(), now=at(0), market=MARKET, product=product)
    assert step == Finish(REJECTED, reason)


def test_a_stop_cancels_what_works_and_sends_nothing_more() -> None:
    working = after(admitted(), limit(tif=GTC), LegWorking(at(0), "ms-7-l", "v1"))
    parts = {"now": at(0.1), "market": MARKET, "product": BTC, "stop": "kill_switch_triggered:liquid:global"}
    assert next_step(working, Plan(time_in_force=GTC), **parts) == Cancel("ms-7-l")  # type: ignore[arg-type]
    stopped = _closed(working, "ms-7-l", "0")
    finish = next_step(stopped, Plan(), **parts)  # type: ignore[arg-type]
    assert finish == Finish(OrderStatus.CANCELED, "kill_switch_triggered:liquid:global")


def test_an_opening_of_long_ago_has_expired_and_an_exit_has_not() -> None:
    late = at(0) + OPENS_WITHIN + timedelta(microseconds=1)
    order = admitted()
    assert expiry(order, admitted_at=at(0), now=at(0) + OPENS_WITHIN) is None
    assert expiry(order, admitted_at=at(0), now=late) == EXPIRED
    assert expiry(replace(order, is_reduce_only=True), admitted_at=at(0), now=late) is None
    assert expiry(order, admitted_at=late, now=at(0)) is None  # the clock was set back
    step = next_step(order, Plan(), now=late, market=MARKET, product=BTC, stop=EXPIRED)
    assert step == Finish(OrderStatus.EXPIRED, "expired")


def test_an_order_that_is_not_open_has_no_next_step() -> None:
    order = Order(7, Side.BUY, Decimal(1), None, OrderStatus.SUBMITTED)
    with pytest.raises(InputError, match="must be open to be executed, was submitted"):
        step_of(order, Plan())


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_slippage_bps": Decimal(2001)},
        {"fee_bps": Decimal(-1)},
        {"max_retries": 11},
        {"limit_timeout_s": Decimal("NaN")},
    ],
)
def test_a_plan_outside_its_ranges_is_refused(wrong: dict[str, Decimal]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        Plan(**wrong)  # type: ignore[arg-type]  # fields by name


@given(
    st.builds(
        Plan,
        style=st.sampled_from(PlanStyle),
        time_in_force=st.sampled_from(TimeInForce),
        max_slippage_bps=st.decimals(0, 2000, allow_nan=False),
        limit_timeout_s=st.decimals(0, 30, allow_nan=False),
        max_retries=st.integers(0, 10),
        fee_bps=st.decimals(0, 1000, allow_nan=False),
        is_live=st.booleans(),
    )
)
def test_a_plan_comes_back_as_it_was(plan: Plan) -> None:
    assert plan_of(json.loads(json.dumps(plan.document()))) == plan


@given(
    side=st.sampled_from(Side),
    price=st.decimals("0.05", 100_000, places=4),
    slippage=st.decimals(0, 2000, places=2),
    style=st.sampled_from(PlanStyle),
    tif=st.sampled_from(TimeInForce),
)
def test_no_leg_is_ever_beyond_the_slippage_allowed(
    side: Side, price: Decimal, slippage: Decimal, style: PlanStyle, tif: TimeInForce
) -> None:
    order = admitted("1", price=str(price), side=side)
    plan = Plan(style=style, time_in_force=tif, max_slippage_bps=slippage)
    step = next_step(order, plan, now=at(0), market=None, product=BTC)
    if isinstance(step, Send):
        worse_bps = side.sign * (step.limit_price / price - 1) * 10_000
        assert worse_bps <= slippage + Decimal("1e-12")
