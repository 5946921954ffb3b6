"""Close everything that a scope holds, and go on until the venues say that it is flat (ADR 0215).

Each attempt closes what can be closed: orders at the market, for every position of every ledger, admitted as exits and
executed like any others. What cannot be closed now is told, not waited for; the next pass tries again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from marketsentry.core.ids import DECISION_ID_BYTES, decision_id_from
from marketsentry.core.orders.order import ZERO, OrderStatus, Side, TimeInForce
from marketsentry.core.orders.plan import PlanStyle
from marketsentry.core.orders.product import Product
from marketsentry.core.risk.codes import flattened_code, unproved_code
from marketsentry.exceptions import DependencyError
from marketsentry.ports import Entropy, Stores
from marketsentry.ports.accounts import Account, HeldPosition
from marketsentry.ports.decisions import Decision, DecisionSource
from marketsentry.ports.execution import Sleep
from marketsentry.ports.orders import NewOrder, StoredOrder
from marketsentry.ports.risk import RiskEvent, Severity
from marketsentry.services.execution_admit import admit_within
from marketsentry.services.execution_holdings import read_account_holdings
from marketsentry.services.execution_request import AdmitParts, RunRequest
from marketsentry.services.execution_risk import Refusal
from marketsentry.services.executor import Executor
from marketsentry.services.flat_proof import (
    CALL_S,
    FlatProof,
    Place,
    Remaining,
    Scope,
    accounts_in,
    is_dust,
    prove_flat,
    read_account,
)
from marketsentry.services.risk_switch import lock_budgets

_LOOKS_AGAIN_S = (0.1, 0.2, 0.4, 0.8, 1.6)


@dataclass(frozen=True, slots=True)
class FlattenParts:
    """What closing needs."""

    admit: AdmitParts
    executor: Executor
    entropy: Entropy
    sleep: Sleep = asyncio.sleep


@dataclass(frozen=True, slots=True)
class FlattenRules:
    """How closes are executed.

    They reach `max_slippage_bps` from the quote of their moment, and each is waited for `settle_s` at most.
    """

    max_slippage_bps: Decimal = Decimal(500)
    max_attempts: int = 20
    max_retries: int = 2
    settle_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Closed:
    """What was closed of one position; `qty` is signed like the position was."""

    adapter: str
    venue: str
    strategy_id: str
    target: str
    qty: Decimal


@dataclass(frozen=True, slots=True)
class FlatReport:
    """What came of a flatten. `seconds` counts from when it was asked for to the last answer of a venue."""

    scope: Scope
    proof: FlatProof
    seconds: float
    attempts: int
    orders: tuple[StoredOrder, ...]

    @property
    def closed(self) -> tuple[Closed, ...]:
        """What the orders closed, by position."""
        found: dict[tuple[str, str, str, str], Decimal] = {}
        for one in self.orders:
            if one.filled_qty:
                key = (one.adapter, one.venue, one.strategy_id, one.target)
                found[key] = found.get(key, ZERO) - one.side.sign * one.filled_qty
        return tuple(Closed(*key, qty) for key, qty in found.items())

    def document(self) -> dict[str, Any]:
        """Spell it as JSON values; quantities are decimals in text, exact."""
        return {
            "track": self.scope.track,
            "strategy_id": self.scope.strategy_id,
            "flat": self.proof.is_flat,
            "seconds": round(self.seconds, 3),
            "attempts": self.attempts,
            "closed": [
                {
                    "adapter": one.adapter,
                    "venue": one.venue,
                    "strategy_id": one.strategy_id,
                    "target": one.target,
                    "qty": str(one.qty),
                }
                for one in self.closed
            ],
            "remaining": [_told(one) for one in self.proof.remaining],
            "dust": [_told(one) for one in self.proof.dust],
            "orders": [
                {
                    "order_id": one.id,
                    "target": one.target,
                    "side": str(one.side),
                    "status": str(one.status),
                    "filled_qty": str(one.filled_qty),
                    "reject_reason": one.reject_reason,
                }
                for one in self.orders
            ],
        }


async def flatten(
    scope: Scope,
    parts: FlattenParts,
    *,
    rules: FlattenRules | None = None,
    since: datetime | None = None,
) -> FlatReport:
    """Close a scope and prove it.

    Parameters
    ----------
    scope
        A strategy of a track, or all of the track. Pull its switch in mode `flatten` first: that keeps openings out
        and takes working orders from the venue; without it nothing hinders others from opening meanwhile.
    parts
        Record, venues and executor.
    rules
        How closes are executed.
    since
        When it was asked for; now when absent.

    Returns
    -------
    FlatReport
        Each attempt that ends without proof leaves a `critical` risk event `flatten_unproved:{track}:{scope}`, the
        proof an `info` event `flattened:{track}:{scope}`.

    Raises
    ------
    DependencyError
        If the record is away.
    """
    run = _Run(scope, parts, rules or FlattenRules(), since or parts.admit.clock.now())
    looks = list(_LOOKS_AGAIN_S)
    while True:
        has_moved = await run.close()
        report = await run.prove()
        await _tell(report, parts.admit)
        if report.proof.is_flat or run.attempts >= run.rules.max_attempts:
            return report
        if not has_moved:
            if not (report.proof.may_settle and looks):
                return report
            await parts.sleep(looks.pop(0))


@dataclass(slots=True)
class _Run:
    """One flatten on its way."""

    scope: Scope
    parts: FlattenParts
    rules: FlattenRules
    since: datetime
    attempts: int = 0
    order_ids: list[int] = field(default_factory=list)
    why: dict[Place, str] = field(default_factory=dict)

    async def close(self) -> bool:
        """Close what can be closed, at all accounts at once; tells whether anything was filled."""
        self.attempts += 1
        async with self.parts.admit.transactions() as stores:
            accounts = await accounts_in(stores, self.scope)
        filled = await asyncio.gather(*(self._close(one) for one in accounts))
        return any(filled)

    async def prove(self) -> FlatReport:
        proof = await prove_flat(self.scope, self.parts.admit, why=self.why)
        async with self.parts.admit.transactions() as stores:
            orders = [await stores.orders.get(one) for one in self.order_ids]
        seconds = max(0.0, (proof.asked_at - self.since).total_seconds())
        return FlatReport(self.scope, proof, seconds, self.attempts, tuple(orders))

    async def _close(self, account: Account) -> bool:
        parts, admit = self.parts, self.parts.admit
        async with admit.transactions() as stores:
            working = [
                one.id
                for one in await stores.orders.open(account_id=account.id, track=self.scope.track)
                if self.scope.covers(one.track, one.strategy_id)
            ]
        await parts.executor.settle(working, within_s=self.rules.settle_s, skips_unknown=True)
        try:
            refusal = admit.venues.refusal(account.adapter, account.venue)
            venue = await admit.venues.open(account.adapter, account.venue, fee_bps=ZERO)
            async with asyncio.timeout(CALL_S):
                products = {one.symbol: one for one in await venue.products()}
            async with admit.transactions() as stores:
                orders = await self._order(stores, account, products, refusal)
        except (DependencyError, TimeoutError):
            return False  # the proof asks this venue too, and tells it
        except Refusal:
            return True  # what is held moved under us: look again
        ids = [one.id for one in orders]
        self.order_ids += ids
        await parts.executor.settle(orders, within_s=self.rules.settle_s)
        async with admit.transactions() as stores:
            ended = [await stores.orders.get(one) for one in ids]
        for one in ended:
            self.why[account.id, one.strategy_id, one.target] = one.reject_reason or str(one.status)
        return any(one.filled_qty for one in ended)

    async def _order(
        self, stores: Stores, account: Account, products: Mapping[str, Product], refusal: str | None
    ) -> Sequence[StoredOrder]:
        """Make one decision that closes what is held and on no way out, and admit it, in one transaction."""
        scope, admit = self.scope, self.parts.admit
        await lock_budgets(stores, [(scope.track, scope.strategy_id)])
        facts = await read_account(stores, account)
        holdings = await read_account_holdings(stores, account, [scope.track], at=admit.clock.now())
        left = holdings.closable()
        new = []
        decision_id = decision_id_from(self.parts.entropy(DECISION_ID_BYTES))
        for held in facts.held:
            ledger = held.ledger
            qty = left.get((ledger.track, ledger.strategy_id, held.target), ZERO)
            if not qty or not scope.covers(ledger.track, ledger.strategy_id):
                continue
            product = products.get(held.target)
            reason = refusal or _hindrance(held, product)
            if reason is not None:
                self.why[account.id, ledger.strategy_id, held.target] = reason
            elif not is_dust(held, product):
                new.append(self._closing(account, held, qty, decision_id))
        if not new:
            return []
        await stores.decisions.add(
            Decision(
                decision_id=decision_id,
                track=scope.track,
                strategy_id=scope.strategy_id,
                source=DecisionSource.FLATTEN,
                as_of=admit.clock.now(),
                is_approved=True,
                metadata={"attempt": self.attempts},
            )
        )
        await stores.orders.add(new)
        request = RunRequest(
            decision_id,
            adapter=account.adapter,
            venue=account.venue,
            max_slippage_bps=self.rules.max_slippage_bps,
            max_orders=len(new),
            max_retries=self.rules.max_retries,
            style=PlanStyle.MARKET,
        )
        return await admit_within(stores, request, admit, frozenset())

    def _closing(self, account: Account, held: HeldPosition, qty: Decimal, decision_id: str) -> NewOrder:
        """Order the close of a position, against the quote of the moment: no price of ours is needed."""
        return NewOrder(
            decision_id=decision_id,
            target=held.target,
            track=held.ledger.track,
            side=Side.SELL if qty > 0 else Side.BUY,
            quantity=abs(qty),
            base_quantity=abs(qty),
            notional=None,
            est_price=None,
            is_reduce_only=True,
            status=OrderStatus.SUBMITTED,
            adapter=account.adapter,
            venue=account.venue,
            time_in_force=TimeInForce.IOC,
            max_slippage_bps=self.rules.max_slippage_bps,
            strategy_id=held.ledger.strategy_id,
        )


def _hindrance(held: HeldPosition, product: Product | None) -> str | None:
    """Tell why the venue would not take an order in a product now."""
    if product is None:
        return f"the venue does not list {held.target}"
    return None if product.takes(is_reduce_only=True) else "not_tradeable"


async def _tell(report: FlatReport, parts: AdmitParts) -> None:
    track, scope = report.scope.track, report.scope.strategy_id
    payload = report.document()
    if report.proof.is_flat:
        event = RiskEvent(
            Severity.INFO,
            flattened_code(track, scope),
            f"the venues say that {track}:{scope} is flat after {report.seconds:.3f} s",
            payload=payload,
        )
    else:
        left = ", ".join(f"{one.name} {one.qty} ({one.reason})" for one in report.proof.remaining)
        event = RiskEvent(
            Severity.CRITICAL,
            unproved_code(track, scope),
            f"{track}:{scope} is not proved flat after {report.seconds:.3f} s: {left}",
            payload=payload,
        )
    async with parts.transactions() as stores:
        await stores.risk.add_events([event])


def _told(one: Remaining) -> dict[str, Any]:
    return {
        "what": str(one.what),
        "adapter": one.adapter,
        "venue": one.venue,
        "strategy_id": one.strategy_id,
        "name": one.name,
        "qty": str(one.qty),
        "reason": one.reason,
    }
