"""The execution result is told from the log (K-28)."""

from decimal import Decimal

from marketsentry.core.orders.apply import apply_all
from marketsentry.core.orders.events import (
    Admitted,
    Blocked,
    CancelSending,
    Event,
    Finished,
    LegClosed,
    LegRefused,
    LegSending,
    LegUnseen,
    LegWorking,
)
from marketsentry.core.orders.lifecycle import execution_document, lifecycle
from marketsentry.core.orders.order import LegKind, Order, OrderStatus, Side, TimeInForce
from order_steps import admitted, at, filled, limit

SUBMITTED = Order(7, Side.BUY, Decimal(1), Decimal(100), OrderStatus.SUBMITTED)
ADMITTED = Admitted(at(0), Decimal(1))


def _market(n: int, qty: str, seconds: float) -> LegSending:
    return LegSending(
        at(seconds), f"ms-7-m{n}", LegKind.MARKET, Decimal(qty), Decimal("100.08"), TimeInForce.IOC
    )


def _told(events: list[Event]) -> list[tuple[str, str, str]]:
    order = apply_all(SUBMITTED, events)
    return [(one["event"], one["status"], one["time"][17:]) for one in lifecycle(order, events)]


def test_a_filled_limit_leg_is_one_entry() -> None:
    events = [
        ADMITTED,
        limit(seconds=1),
        LegWorking(at(2), "ms-7-l", "v1"),
        filled("ms-7-l", "t1", "1", seconds=2),
        LegClosed(at(2), "ms-7-l", Decimal(1), "FILLED"),
        Finished(at(3)),
    ]
    assert _told(events) == [("limit_submit", "filled", "02Z")]
    document = execution_document(apply_all(SUBMITTED, events), events, base="BTC")
    (entry,) = document.pop("lifecycle")
    assert entry["metrics"] == {"filled_qty": 1.0, "remaining_qty": 0.0, "avg_fill_price": 100.0}
    assert entry["venue_order_id"] == "v1"
    assert document == {
        "status": "filled",
        "filled_qty": 1.0,
        "remaining_qty": 0.0,
        "avg_fill_price": 100.0,
        "fees_paid": 0.05,
        "reject_reason": None,
        "venue_order_id": "v1",
    }


def test_a_rest_is_cancelled_and_goes_to_the_market() -> None:
    events = [
        ADMITTED,
        limit(seconds=1, tif=TimeInForce.GTC),
        LegWorking(at(2), "ms-7-l", "v1"),
        filled("ms-7-l", "t1", "0.4", seconds=3),
        CancelSending(at(4), "ms-7-l"),
        LegClosed(at(5), "ms-7-l", Decimal("0.4"), "CANCELLED"),
        _market(1, "0.6", 6),
        LegWorking(at(7), "ms-7-m1", "v2"),
        LegClosed(at(7), "ms-7-m1", Decimal(0), "CANCELLED"),
        _market(2, "0.6", 8),
        LegWorking(at(9), "ms-7-m2", "v3"),
        filled("ms-7-m2", "t2", "0.6", price="101", seconds=9),
        LegClosed(at(9), "ms-7-m2", Decimal("0.6"), "FILLED"),
        Finished(at(10)),
    ]
    assert _told(events) == [
        ("limit_submit", "accepted", "02Z"),
        ("limit_poll", "open", "03Z"),
        ("limit_poll", "cancelled", "05Z"),
        ("cancel_limit", "ok", "05Z"),
        ("market_submit", "retry", "07Z"),
        ("market_submit", "filled", "09Z"),
    ]
    order = apply_all(SUBMITTED, events)
    assert [one["metrics"].get("retry") for one in lifecycle(order, events)][-2:] == [0.0, 1.0]
    document = execution_document(order, events, base="BTC", limit_timeout_s=2.0)
    waits = [one["metrics"].get("timeout_sec") for one in document["lifecycle"]]
    assert waits == [None, 2.0, 2.0, None, None, None]
    assert (document["avg_fill_price"], document["venue_order_id"]) == (100.6, "v3")


def test_a_refusal_keeps_its_reason_and_code() -> None:
    events = [
        ADMITTED,
        limit(seconds=1),
        LegRefused(at(2), "ms-7-l", "venue_http_403"),
        Finished(at(3), OrderStatus.REJECTED, "venue_http_403"),
    ]
    order = apply_all(SUBMITTED, events)
    (entry,) = lifecycle(order, events)
    assert (entry["event"], entry["status"], entry["reason"]) == (
        "limit_submit",
        "rejected",
        "venue_http_403",
    )
    assert entry["metrics"]["http_code"] == 403.0


def test_an_answer_that_was_not_seen_is_unknown_until_it_is() -> None:
    events = [ADMITTED, limit(seconds=1), LegUnseen(at(2), "ms-7-l", "timeout")]
    order = apply_all(SUBMITTED, events)
    document = execution_document(order, events, base="BTC")
    assert document["status"] == "unknown"
    assert [(one["event"], one["status"]) for one in document["lifecycle"]] == [("limit_poll", "unknown")]


def test_what_ends_before_a_leg_is_sent_is_a_validation() -> None:
    finished = [ADMITTED, Finished(at(1), OrderStatus.REJECTED, "no_market_data")]
    assert _told(finished) == [("validation", "rejected", "01Z")]
    assert _told([Blocked(at(1), "kill_switch_triggered:liquid:global")]) == [
        ("validation", "blocked", "01Z")
    ]


def test_a_fee_in_kind_counts_at_the_price_of_its_fill() -> None:
    fill = filled("ms-7-l", "t1", "1", price="200").fill
    in_kind = filled("ms-7-l", "t1", "1", price="200")
    in_kind = type(in_kind)(
        in_kind.at, "ms-7-l", type(fill)("t1", fill.qty, fill.price, Decimal("0.001"), "BTC", fill.at)
    )
    order = apply_all(admitted(), [limit(), in_kind])
    assert execution_document(order, [ADMITTED, limit(), in_kind], base="BTC")["fees_paid"] == 0.2
