"""The execution result of contract 1.6, told from the log of an order: each entry has the time when it happened (K-28).

Events of one answer of the venue carry one time; together they make one entry.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from marketsentry.core.market.timestamps import datetime_to_ns, utc_text
from marketsentry.core.orders.events import (
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
from marketsentry.core.orders.order import ZERO, Fill, LegKind, Order, TimeInForce

DIGITS = 8
_ANSWERS = (LegWorking, LegRefused, LegUnseen, LegAbsent, LegFilled, LegClosed)
_FAILED = (LegRefused, LegAbsent)


def execution_document(
    order: Order, events: Sequence[Event], *, base: str, limit_timeout_s: float | None = None
) -> dict[str, Any]:
    """Tell how an order was executed.

    Parameters
    ----------
    order
        The order after `events`.
    events
        Its log, oldest first.
    base
        The asset traded: a fee in it counts at the price of its fill, one in a third currency at what it was worth.
    limit_timeout_s
        How long a limit leg may work; None where the order has no plan yet.

    Returns
    -------
    dict
        The execution result of contract 1.6; numbers are floats of 8 decimals.
    """
    average = order.average_price
    fees = sum((_fee_quote(fill, base) for fill in order.fills), ZERO)
    venue_ids = [leg.venue_order_id for leg in order.legs if leg.venue_order_id is not None]
    return {
        "status": str(order.status),
        "filled_qty": _number(order.filled_qty),
        "remaining_qty": _number(order.remaining_qty),
        "avg_fill_price": None if average is None else _number(average),
        "fees_paid": _number(fees),
        "reject_reason": order.reject_reason,
        "venue_order_id": venue_ids[-1] if venue_ids else None,
        "lifecycle": lifecycle(order, events, limit_timeout_s=limit_timeout_s),
    }


def _fee_quote(fill: Fill, base: str) -> Decimal:
    if fill.fee_currency == base:
        return fill.fee * fill.price
    return fill.fee if fill.fee_quote is None else fill.fee_quote


def lifecycle(
    order: Order, events: Sequence[Event], *, limit_timeout_s: float | None = None
) -> list[dict[str, Any]]:
    """List what happened to an order, oldest first; looks at a limit leg say how long it may work."""
    legs = {
        event.client_order_id: _LegStory(event, limit_timeout_s)
        for event in events
        if isinstance(event, LegSending)
    }
    retries = {name: n for n, name in enumerate(k for k, s in legs.items() if not s.is_limit)}
    told: list[dict[str, Any]] = []
    filled = quote = ZERO
    for at, batch in groupby(events, key=lambda event: event.at):
        together = list(batch)
        for event in together:
            if isinstance(event, LegFilled):
                filled += event.fill.qty
                quote += event.fill.notional
            if isinstance(event, CancelSending):
                legs[event.client_order_id].cancel_sent = True
        totals = _Totals(filled, order.qty - filled, quote / filled if filled else None)
        for name, story in legs.items():
            answers = [e for e in together if isinstance(e, _ANSWERS) and e.client_order_id == name]
            told += story.tell(at, answers, totals, retries.get(name)) if answers else []
        told += [_end(event, totals) for event in together if _is_early_end(event, legs)]
    return told


@dataclass(frozen=True, slots=True)
class _Totals:
    filled: Decimal
    remaining: Decimal
    average: Decimal | None

    def metrics(self) -> dict[str, float]:
        known = {"filled_qty": _number(self.filled), "remaining_qty": _number(self.remaining)}
        return known if self.average is None else {**known, "avg_fill_price": _number(self.average)}


class _LegStory:
    """What was told of one leg so far."""

    def __init__(self, sent: LegSending, limit_timeout_s: float | None) -> None:
        self.sent, self.limit_timeout_s = sent, limit_timeout_s
        self.is_limit = sent.kind is LegKind.LIMIT
        self.was_submitted = self.cancel_sent = False
        self.filled = ZERO
        self.venue_order_id: str | None = None

    def tell(
        self, at: datetime, answers: Sequence[Event], totals: _Totals, retry: int | None
    ) -> list[dict[str, Any]]:
        self.filled += sum((e.fill.qty for e in answers if isinstance(e, LegFilled)), ZERO)
        closed = next((e for e in answers if isinstance(e, LegClosed)), None)
        for event in answers:
            if isinstance(event, LegWorking):
                self.venue_order_id = event.venue_order_id
        reason = next((e.code for e in answers if isinstance(e, LegRefused)), None)
        reason = reason or next((e.reason for e in answers if isinstance(e, LegUnseen)), None)
        metrics = totals.metrics()
        if retry is not None:
            metrics["retry"] = float(retry)
        if reason is not None and reason.startswith("venue_http_") and reason[11:].isdecimal():
            metrics["http_code"] = float(reason[11:])
        kind = "limit" if self.is_limit else "market"
        entries = []
        if not self.was_submitted and not all(isinstance(e, LegUnseen) for e in answers):
            self.was_submitted = True
            status = self._submitted(answers, closed)
            entries.append(self._entry(f"{kind}_submit", status, at, metrics, reason))
        else:
            status = closed.venue_status.lower() if closed else "unknown" if reason else "open"
            waited = self.limit_timeout_s if self.is_limit else None
            told = metrics if waited is None else {**metrics, "timeout_sec": waited}
            entries.append(self._entry(f"{kind}_poll", status, at, told, reason))
        entries += self._cancelled(at, metrics, closed)
        return entries

    def _submitted(self, answers: Sequence[Event], closed: LegClosed | None) -> str:
        if self.filled == self.sent.qty:
            return "filled"
        failed = any(isinstance(e, _FAILED) for e in answers)
        if not self.is_limit:
            return "retry" if failed or (closed is not None and not self.filled) else "accepted"
        is_killed = self.sent.time_in_force is TimeInForce.FOK and closed is not None and not self.filled
        if failed or is_killed:
            return "rejected"
        return "partially_filled" if self.filled else "accepted"

    def _cancelled(
        self, at: datetime, metrics: dict[str, float], closed: LegClosed | None
    ) -> list[dict[str, Any]]:
        """A limit leg that left a rest is cancelled, by us or by its time in force."""
        if not self.is_limit or closed is None or self.sent.time_in_force is TimeInForce.FOK:
            return []
        if closed.filled_qty < self.sent.qty:
            return [self._entry("cancel_limit", "ok", at, metrics, None)]
        return [self._entry("cancel_limit", "failed", at, metrics, None)] if self.cancel_sent else []

    def _entry(
        self, event: str, status: str, at: datetime, metrics: dict[str, float], reason: str | None
    ) -> dict[str, Any]:
        return {
            "event": event,
            "status": status,
            "time": _utc_text(at),
            "metrics": dict(metrics),
            "reason": reason,
            "venue_order_id": self.venue_order_id,
        }


def _is_early_end(event: Event, legs: dict[str, _LegStory]) -> bool:
    """Whether an order ended without a leg: what it asked for was judged before anything was sent."""
    return not legs and isinstance(event, Finished | Blocked)


def _end(event: Event, totals: _Totals) -> dict[str, Any]:
    reason = event.code if isinstance(event, Blocked) else getattr(event, "reason", None)
    status = "blocked" if isinstance(event, Blocked) else str(getattr(event, "if_unfilled", ""))
    return {
        "event": "validation",
        "status": status,
        "time": _utc_text(event.at),
        "metrics": totals.metrics(),
        "reason": reason,
        "venue_order_id": None,
    }


def _number(value: Decimal) -> float:
    return round(float(value), DIGITS)


def _utc_text(at: datetime) -> str:
    return utc_text(datetime_to_ns(at))
