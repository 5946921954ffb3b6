"""Events of an order as JSON documents and back, without a loss: decimals are strings, times RFC 3339 in UTC."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any

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

_KINDS: dict[str, type[Event]] = {
    "admitted": Admitted,
    "blocked": Blocked,
    "leg_sending": LegSending,
    "leg_working": LegWorking,
    "leg_refused": LegRefused,
    "leg_unseen": LegUnseen,
    "leg_absent": LegAbsent,
    "cancel_sending": CancelSending,
    "leg_filled": LegFilled,
    "leg_closed": LegClosed,
    "finished": Finished,
}
_NAMES = {event: name for name, event in _KINDS.items()}
_FIELDS = {
    event: tuple(field.name for field in fields(event) if field.name != "at") for event in _KINDS.values()
}
_FILL_FIELDS = tuple(field.name for field in fields(Fill))


def kind_of(event: Event) -> str:
    """Name the kind of an event as it is stored."""
    return _NAMES[type(event)]


def event_document(event: Event) -> dict[str, Any]:
    """Spell an event as JSON values; its kind and its time stand beside it."""
    return {name: _spelled(getattr(event, name)) for name in _FIELDS[type(event)]}


def event_of(kind: str, at: datetime, document: Mapping[str, Any]) -> Event:
    """Read an event back.

    Parameters
    ----------
    kind
        As `kind_of` names it.
    at
        When it happened, aware.
    document
        As `event_document` spells it.

    Returns
    -------
    Event

    Raises
    ------
    DataQualityError
        If the kind or a field is not one that this program writes.
    """
    if kind not in _KINDS:
        raise DataQualityError(f"an order event must be one of {', '.join(_KINDS)}, was {kind}")
    event = _KINDS[kind]
    try:
        return event(at=at, **{name: _read(name, document[name]) for name in _FIELDS[event]})
    except (KeyError, ValueError, ArithmeticError, TypeError) as exc:
        raise DataQualityError(f"order event {kind} cannot be read from {dict(document)}: {exc}") from exc


def fill_document(fill: Fill) -> dict[str, Any]:
    """Spell a fill as JSON values."""
    return {name: _spelled(getattr(fill, name)) for name in _FILL_FIELDS}


def fill_of(document: Mapping[str, Any]) -> Fill:
    """Read a fill back."""
    reference, fee_quote = document["reference"], document.get("fee_quote")
    return Fill(
        trade_id=document["trade_id"],
        qty=Decimal(document["qty"]),
        price=Decimal(document["price"]),
        fee=Decimal(document["fee"]),
        fee_currency=document["fee_currency"],
        at=datetime.fromisoformat(document["at"]),
        liquidity=document["liquidity"],
        reference=None if reference is None else Decimal(reference),
        fee_quote=None if fee_quote is None else Decimal(fee_quote),
    )


def _spelled(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Fill):
        return fill_document(value)
    return None if value is None else str(value)


def _read(name: str, value: Any) -> Any:
    return value if value is None or name not in _READERS else _READERS[name](value)


_READERS: dict[str, Callable[[Any], Any]] = {
    "qty": Decimal,
    "filled_qty": Decimal,
    "limit_price": Decimal,
    "kind": LegKind,
    "time_in_force": TimeInForce,
    "if_unfilled": OrderStatus,
    "fill": fill_of,
}
