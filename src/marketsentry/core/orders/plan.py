"""How an order is executed: which step comes next, from what is known of its legs and nothing else (contract 1.6).

A limit leg goes first where the order has an estimate; what it leaves goes to market legs that take at once what lies
within a bound. Every leg is bounded by the slippage that was allowed against the reference, the estimate or, without
one, the middle of the market (K-17). The next leg is sized from a settled one only: from its proof, never from a look
at it while it could still fill (K-21).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from marketsentry.core.orders.order import (
    ZERO,
    Leg,
    LegKind,
    LegState,
    Order,
    OrderStatus,
    Side,
    TimeInForce,
)
from marketsentry.core.orders.product import Product
from marketsentry.core.orders.terms import NO_TERMS, Terms, terms_of
from marketsentry.exceptions import InputError

POLL_S = 0.4
OPENS_WITHIN = timedelta(minutes=10)
EXPIRED = "expired"
_LONGEST_WAIT_S = 30.0
_BPS = Decimal(10_000)
_MAX_OFFSET_BPS = {False: Decimal(3), True: Decimal(2)}
_MAX_PAPER_MARKET_BPS = Decimal(8)
_LEG_ID = re.compile(r"^ms-(\d{1,18})-(?:l|m\d+)$")
_WORTH_ANOTHER_TRY = ("venue_error:", "venue_http_429", "venue_http_5")
# what is there may be ours after all: another leg could double it
_NOT_AGAIN = "venue_error:client_id_collision"
_REACH_USED = Decimal("0.9")  # of what the venue takes: its measure of the market is not ours to the tick


class PlanStyle(StrEnum):
    """Whether a limit leg goes first. `market` has none, so that a replay on paper equals its backtest."""

    LIMIT_FIRST = "limit_first"
    MARKET = "market"


@dataclass(frozen=True, slots=True)
class Plan:
    """How an order is to be executed. Zeros mean zero (K-19).

    `limit_timeout_s` is how long a leg may work before it is cancelled. A market leg is tried again `max_retries`
    times. `fee_bps` is what the paper venue takes. `terms` are passed on to the venue. `is_netted` says that other
    ledgers of the account hold the target the other way, so that the venue sees less of it, or none, to be closed.
    """

    style: PlanStyle = PlanStyle.LIMIT_FIRST
    time_in_force: TimeInForce = TimeInForce.IOC
    max_slippage_bps: Decimal = Decimal(20)
    limit_timeout_s: Decimal = Decimal(2)
    max_retries: int = 1
    fee_bps: Decimal = Decimal(5)
    is_live: bool = False
    terms: Terms = NO_TERMS
    is_netted: bool = False

    def __post_init__(self) -> None:
        for name, most in (("max_slippage_bps", 2000), ("fee_bps", 1000), ("limit_timeout_s", 30)):
            value = getattr(self, name)
            if not (value.is_finite() and 0 <= value <= most):
                raise InputError(f"{name} must be 0..{most}, was {value}")
        if not 0 <= self.max_retries <= 10:
            raise InputError(f"max_retries must be 0..10, was {self.max_retries}")

    @property
    def limit_offset_bps(self) -> Decimal:
        """How far the limit leg reaches beyond the reference."""
        return min(_MAX_OFFSET_BPS[self.is_live], self.max_slippage_bps)

    @property
    def market_bound_bps(self) -> Decimal:
        """How far a market leg may reach; a limit-first plan on paper stays within 8 bps."""
        if self.is_live or self.style is PlanStyle.MARKET:
            return self.max_slippage_bps
        return min(_MAX_PAPER_MARKET_BPS, self.max_slippage_bps)

    def document(self) -> dict[str, Any]:
        """Spell the plan as JSON values; decimals are strings."""
        return {
            "style": str(self.style),
            "time_in_force": str(self.time_in_force),
            "max_slippage_bps": str(self.max_slippage_bps),
            "limit_timeout_s": str(self.limit_timeout_s),
            "max_retries": self.max_retries,
            "fee_bps": str(self.fee_bps),
            "is_live": self.is_live,
            **({"terms": said} if (said := self.terms.document()) else {}),
            **({"is_netted": True} if self.is_netted else {}),
        }


def plan_of(document: Mapping[str, Any]) -> Plan:
    """Read back what `Plan.document` spelled."""
    return Plan(
        style=PlanStyle(document["style"]),
        time_in_force=TimeInForce(document["time_in_force"]),
        max_slippage_bps=Decimal(document["max_slippage_bps"]),
        limit_timeout_s=Decimal(document["limit_timeout_s"]),
        max_retries=document["max_retries"],
        fee_bps=Decimal(document["fee_bps"]),
        is_live=document["is_live"],
        terms=terms_of(document.get("terms")),
        is_netted=document.get("is_netted", False),
    )


@dataclass(frozen=True, slots=True)
class Market:
    """Best prices now, quote currency > 0."""

    bid: Decimal
    ask: Decimal

    @property
    def mid(self) -> Decimal:
        """Half way between the two."""
        return (self.bid + self.ask) / 2

    def taken_by(self, side: Side) -> Decimal:
        """Price that an order of this side takes."""
        return self.ask if side is Side.BUY else self.bid


@dataclass(frozen=True, slots=True)
class Send:
    """Hand in a leg."""

    client_order_id: str
    kind: LegKind
    qty: Decimal
    limit_price: Decimal
    time_in_force: TimeInForce


@dataclass(frozen=True, slots=True)
class Cancel:
    """Ask the venue to cancel the leg, then for proof."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the venue how the leg stands; where that says nothing new, come back after `wait_s`.

    `cancels_again` says that a leg which still works was to be cancelled, and the request may have been lost.
    """

    client_order_id: str
    wait_s: float
    cancels_again: bool = False


@dataclass(frozen=True, slots=True)
class Finish:
    """No further leg is sent; `if_unfilled` names the status where nothing was filled."""

    if_unfilled: OrderStatus = OrderStatus.CANCELED
    reason: str | None = None


Step = Send | Cancel | Ask | Finish


def next_step(
    order: Order,
    plan: Plan,
    *,
    now: datetime,
    market: Market | None,
    product: Product | None,
    stop: str | None = None,
) -> Step:
    """Say what is to be done next.

    Parameters
    ----------
    order
        An open order as its events have left it.
    plan
        How it is to be executed.
    now
        The time.
    market
        Best prices; None where there are none.
    product
        Rules of the product; None where the venue does not have it.
    stop
        Why no further leg may work, where that is so: an open leg is cancelled then.

    Returns
    -------
    Step
        The same for the same arguments.

    Raises
    ------
    InputError
        If the order is not open.
    """
    if not order.status.is_open:
        raise InputError(f"order {order.id} must be open to be executed, was {order.status}")
    if order.open_leg is not None:
        return _follow(order.open_leg, plan, now, stop)
    if not order.remaining_qty:
        return Finish()
    if stop is not None:
        return Finish(OrderStatus.EXPIRED if stop == EXPIRED else OrderStatus.CANCELED, stop)
    return _give_up(order, plan) or _next_leg(order, plan, market, product)


def expiry(order: Order, *, admitted_at: datetime, now: datetime) -> str | None:
    """Tell whether an order may open no more: what it was decided and admitted on is long past. An exit always may."""
    is_late = not order.is_reduce_only and now - admitted_at > OPENS_WITHIN
    return EXPIRED if is_late else None


def limit_leg_id(order_id: int) -> str:
    """Name the limit leg of an order at the venue."""
    return f"ms-{order_id}-l"


def market_leg_id(order_id: int, n: int) -> str:
    """Name the `n`-th market leg of an order at the venue; the first is 1."""
    return f"ms-{order_id}-m{n}"


def order_id_of(client_order_id: str) -> int | None:
    """Tell whose leg has this name; None where it is none of ours."""
    found = _LEG_ID.match(client_order_id)
    return None if found is None else int(found[1])


def bound(reference: Decimal, side: Side, offset_bps: Decimal) -> Decimal:
    """Price that is `offset_bps` worse than the reference."""
    return reference * (1 + side.sign * offset_bps / _BPS)


def _follow(leg: Leg, plan: Plan, now: datetime, stop: str | None) -> Step:
    """Bring an open leg to its end."""
    name = leg.client_order_id
    if leg.state is LegState.WORKING:
        whole_s = float(plan.limit_timeout_s)
        left_s = (leg.sent_at + timedelta(seconds=whole_s) - now).total_seconds()
        if not 0 < left_s <= whole_s or stop is not None:  # more is left where the clock was set back
            return Cancel(name)
        return Ask(name, min(POLL_S, left_s))
    wait_s = min(max(POLL_S, abs((now - leg.sent_at).total_seconds()) / 4), _LONGEST_WAIT_S)
    return Ask(name, wait_s, cancels_again=leg.state is LegState.CANCEL_PENDING)


def _give_up(order: Order, plan: Plan) -> Finish | None:
    """Tell whether the legs that were tried are enough."""
    if not order.legs:
        return None
    last = order.legs[-1]
    refused = last.reason if last.state is LegState.REFUSED else None
    if refused is None and last.venue_status.upper() in ("REJECTED", "FAILED") and not last.fills:
        refused = f"venue_rejected:{last.venue_status.lower()}"
    if refused is not None and (refused == _NOT_AGAIN or not refused.startswith(_WORTH_ANOTHER_TRY)):
        return Finish(OrderStatus.REJECTED, refused)
    if plan.time_in_force is TimeInForce.FOK:
        return Finish(OrderStatus.REJECTED, refused or "fok_unfillable")
    n_market = _n_market(order)
    if n_market <= plan.max_retries:
        return None
    if order.filled_qty:
        market_only = plan.is_live and n_market == len(order.legs)
        return Finish(reason="market_partial_fill" if market_only else "residual_unfilled")
    return Finish(OrderStatus.REJECTED, refused or "no_fill_after_retries")


def _next_leg(order: Order, plan: Plan, market: Market | None, product: Product | None) -> Step:
    reference = order.price if order.price is not None else (None if market is None else market.mid)
    if reference is None or product is None:
        return Finish(OrderStatus.REJECTED, "no_market_data")
    if not product.takes(is_reduce_only=order.is_reduce_only):
        return Finish(OrderStatus.REJECTED, "venue_rejected:not_tradeable")
    is_all_or_nothing = plan.time_in_force is TimeInForce.FOK
    goes_first = not order.legs and (plan.style is PlanStyle.LIMIT_FIRST or is_all_or_nothing)
    is_limit = goes_first and (order.price is not None or is_all_or_nothing)
    reach = plan.limit_offset_bps if is_limit and order.price is not None else plan.market_bound_bps
    limit = _within_reach(bound(reference, order.side, reach), order.side, market, product)
    limit_price = product.bound_price(limit, order.side)
    qty = product.round_qty(order.remaining_qty)
    if limit_price <= ZERO or product.is_too_small(qty, limit_price):
        return Finish(OrderStatus.REJECTED, "residual_unfilled" if order.filled_qty else "below_min_size")
    if is_limit:
        return Send(limit_leg_id(order.id), LegKind.LIMIT, qty, limit_price, plan.time_in_force)
    if market is not None and order.side.sign * (market.taken_by(order.side) - limit_price) > 0:
        return Finish(OrderStatus.REJECTED, "slippage_limit")
    name = market_leg_id(order.id, _n_market(order) + 1)
    return Send(name, LegKind.MARKET, qty, limit_price, TimeInForce.IOC)


def _within_reach(limit: Decimal, side: Side, market: Market | None, product: Product) -> Decimal:
    """Bring a limit nearer that the venue would refuse, since it lies too far beyond the market."""
    if market is None or product.reach_frac is None:
        return limit
    farthest = market.mid * (1 + side.sign * product.reach_frac * _REACH_USED)
    return min(limit, farthest) if side is Side.BUY else max(limit, farthest)


def _n_market(order: Order) -> int:
    return sum(leg.kind is LegKind.MARKET for leg in order.legs)
