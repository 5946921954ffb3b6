"""What is asked of execution, and what it works with."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from marketsentry.core.orders.order import ZERO, TimeInForce
from marketsentry.core.orders.plan import Plan, PlanStyle
from marketsentry.core.orders.terms import NO_TERMS, Terms, terms_of
from marketsentry.ports import Clock, Stores, Transactions
from marketsentry.ports.execution import Venues
from marketsentry.ports.orders import Holder, StoredOrder
from marketsentry.services.risk import RiskParts

ACCOUNT = "main"
LIVE_STAGE_PCT = 10
ORDER_TERMS = "order_terms"  # in the metadata of an order, until it runs


class StageOf(Protocol):
    """Tells which share of a wanted quantity is executed, in percent."""

    async def __call__(self, stores: Stores, *, track: str, is_live: bool) -> int:
        """Read it in the transaction that admits."""
        ...


async def stage_without_rollout(stores: Stores, *, track: str, is_live: bool) -> int:
    """Execute all on paper and a tenth live, as long as no rollout has a state (contract 1.6, check 3)."""
    return LIVE_STAGE_PCT if is_live else 100


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Which decision to execute, and how.

    `time_in_force` and `max_slippage_bps` None are those that each order was entered with.
    """

    decision_id: str
    adapter: str = "paper"
    venue: str = "coinbase"
    time_in_force: TimeInForce | None = None
    max_slippage_bps: Decimal | None = None
    max_orders: int = 100
    limit_timeout_s: Decimal = Decimal(2)
    max_retries: int = 1
    fee_bps: Decimal = Decimal(5)
    style: PlanStyle = PlanStyle.LIMIT_FIRST
    terms: Terms = NO_TERMS

    @property
    def is_live(self) -> bool:
        """Whether real money moves."""
        return self.adapter != "paper"

    def terms_for(self, order: StoredOrder) -> Terms:
        """Tell the terms of one order: those of the run, and its own where the run says nothing."""
        return self.terms.over(terms_of(order.metadata.get(ORDER_TERMS)))

    def plan_for(self, one: "Sized") -> Plan:
        """Tell how one order is executed: as the run says, and where it says nothing as the order does."""
        order = one.order
        slippage_bps = order.max_slippage_bps if self.max_slippage_bps is None else self.max_slippage_bps
        return Plan(
            style=self.style,
            time_in_force=self.time_in_force or order.time_in_force,
            max_slippage_bps=slippage_bps,
            limit_timeout_s=self.limit_timeout_s,
            max_retries=self.max_retries,
            fee_bps=self.fee_bps,
            is_live=self.is_live,
            terms=self.terms_for(order),
            is_netted=one.is_netted,
        )


@dataclass(frozen=True, slots=True)
class AdmitParts:
    """What admission needs. What is admitted is held by `holder` from then on; None: by who claims it."""

    transactions: Transactions
    clock: Clock
    risk: RiskParts
    venues: Venues
    paper_capital: Decimal
    stage_of: StageOf = stage_without_rollout
    holder: Holder | None = None


@dataclass(frozen=True, slots=True)
class Sized:
    """An order with the quantity that is executed; None where it has no price.

    `opens` is false for an exit. `is_netted` says that other ledgers hold what it closes the other way.
    """

    order: StoredOrder
    qty: Decimal | None
    opens: bool
    stage_pct: int
    is_netted: bool = False

    def notional(self, prices: Mapping[str, Decimal]) -> Decimal:
        """Signed value in quote currency; zero for what will be rejected.

        An estimate below the market makes no order smaller: a sale fills at the market whatever it was estimated at.
        """
        told = (self.order.est_price, prices.get(self.order.target))
        known = [price for price in told if price is not None]
        if self.qty is None or not known:
            return ZERO  # it will be rejected, not executed
        return self.order.side.sign * self.qty * max(known)
