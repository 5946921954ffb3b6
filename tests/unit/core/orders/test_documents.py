"""Events are written and read back without a loss."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.orders.documents import event_document, event_of, kind_of
from marketsentry.core.orders.events import (
    Admitted,
    Blocked,
    CancelSending,
    Event,
    Finished,
    LegAbsent,
    LegClosed,
    LegFilled,
    LegRefused,
    LegSending,
    LegUnseen,
    LegWorking,
)
from marketsentry.core.orders.order import Fill, LegKind, OrderStatus, TimeInForce
from marketsentry.exceptions import DataQualityError

AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
amounts = st.decimals(min_value="1e-12", max_value="1e12", allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
times = st.datetimes(
    min_value=datetime(2010, 1, 1),  # noqa: DTZ001 - the time zones are drawn beside
    max_value=datetime(2060, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=8))]),
)
fills = st.builds(
    Fill,
    trade_id=texts,
    qty=amounts,
    price=amounts,
    fee=st.decimals(min_value="-1e6", max_value="1e6", allow_nan=False, allow_infinity=False),
    fee_currency=texts,
    at=times,
    liquidity=st.sampled_from(["maker", "taker", ""]),
    reference=st.none() | amounts,
)
events = st.one_of(
    st.builds(Admitted, at=times, qty=amounts),
    st.builds(Blocked, at=times, code=texts),
    st.builds(
        LegSending,
        at=times,
        client_order_id=texts,
        kind=st.sampled_from(LegKind),
        qty=amounts,
        limit_price=amounts,
        time_in_force=st.sampled_from(TimeInForce),
    ),
    st.builds(LegWorking, at=times, client_order_id=texts, venue_order_id=texts),
    st.builds(LegRefused, at=times, client_order_id=texts, code=texts),
    st.builds(LegUnseen, at=times, client_order_id=texts, reason=texts),
    st.builds(LegAbsent, at=times, client_order_id=texts),
    st.builds(CancelSending, at=times, client_order_id=texts),
    st.builds(LegFilled, at=times, client_order_id=texts, fill=fills),
    st.builds(LegClosed, at=times, client_order_id=texts, filled_qty=amounts, venue_status=texts),
    st.builds(Finished, at=times, if_unfilled=st.sampled_from(OrderStatus), reason=st.none() | texts),
)


@given(events)
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    written = json.loads(json.dumps(event_document(event)))
    assert event_of(kind_of(event), event.at, written) == event


def test_a_decimal_keeps_every_digit() -> None:
    document = event_document(Admitted(AT, Decimal("0.123456789012345678901234567890")))
    assert document == {"qty": "0.123456789012345678901234567890"}


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(DataQualityError, match="was teleported"):
        event_of("teleported", AT, {})


@pytest.mark.parametrize("document", [{}, {"qty": "many"}, {"qty": None}])
def test_a_broken_document_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(DataQualityError, match="leg_closed cannot be read"):
        event_of("leg_closed", AT, document)
