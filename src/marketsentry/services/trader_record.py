"""What a trader writes of a bar: the decision with the weights it wants, and its orders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from marketsentry.core.orders.order import ZERO, OrderStatus
from marketsentry.core.trading.decider import Decided
from marketsentry.core.trading.orders import Wanted
from marketsentry.ports.costs import CostFit
from marketsentry.ports.decisions import BookEntry, Decision, DecisionSource
from marketsentry.ports.orders import NewOrder
from marketsentry.services.execution_request import RunRequest
from marketsentry.services.expected_costs import EXPECTED_COST, CostBook, liquidity_at_close, rounded_bps
from marketsentry.services.trader_parts import TRACK, ClosedBar, TradedModel, TraderRules


@dataclass(frozen=True, slots=True)
class BarPlan:
    """What is to be written of a bar: orders that are wanted, and those that risk holds back by `codes`."""

    decision_id: str
    bar: ClosedBar
    decided: Decided
    wanted: Sequence[Wanted]
    held_back: Sequence[Wanted] = ()
    codes: tuple[str, ...] = ()

    @property
    def every(self) -> Sequence[Wanted]:
        """All orders in the order in which they are stored."""
        return (*self.wanted, *self.held_back)

    @property
    def asks(self) -> bool:
        """Whether there is any order."""
        return bool(self.wanted or self.held_back)

    @property
    def is_decision(self) -> bool:
        """Whether anything was predicted or is ordered: what is only held is no decision."""
        return self.asks or bool(np.isfinite(self.bar.predictions).any())

    @property
    def openings(self) -> Sequence[tuple[str, str]]:
        """Track and target of what is to be opened."""
        return [(TRACK, one.target) for one in self.wanted if one.opens]

    def without_openings(self, decision_id: str, codes: tuple[str, ...]) -> "BarPlan":
        """Hold back what opens, by these codes, under another name."""
        closing = [replace(one, qty=one.closing) for one in self.wanted if one.closing]
        held_back = [
            replace(one, qty=one.qty - one.closing, closing=ZERO) for one in self.wanted if one.opens
        ]
        return replace(self, decision_id=decision_id, wanted=closing, held_back=held_back, codes=codes)


@dataclass(frozen=True, slots=True)
class BarRecords:
    """Makes the records of one strategy; `symbols` in the order of a bar's arrays."""

    symbols: tuple[str, ...]
    model: TradedModel
    rules: TraderRules

    def decision(self, plan: BarPlan, equity: Decimal) -> Decision:
        """Make the decision; `equity` is that of the ledger at the close."""
        bar = plan.bar
        return Decision(
            decision_id=plan.decision_id,
            track=TRACK,
            strategy_id=self.rules.strategy_id,
            source=DecisionSource.TRADER,
            as_of=bar.end,
            is_approved=True,
            capital=equity if equity > 0 else None,
            violations=tuple({"code": code, "tag": "breach"} for code in plan.codes),
            metadata={"model": self.model.name, "bar_end": bar.end.isoformat()},
        )

    def book(self, plan: BarPlan) -> Sequence[BookEntry]:
        """List the weights that are wanted."""
        return [
            BookEntry(symbol, TRACK, weight, reason="trader")
            for symbol, weight in zip(self.symbols, plan.decided.wanted.tolist(), strict=True)
            if np.isfinite(weight)
        ]

    def orders(self, plan: BarPlan, fits: Mapping[str, CostFit]) -> Sequence[NewOrder]:
        """Make those that are wanted, and behind them those that are held back."""
        liquidity = liquidity_at_close(self.symbols, plan.bar.bars, plan.decided.volatility)
        costs, prices = CostBook(fits, liquidity), self.prices(plan.decided)
        made = [self._order(plan, one, costs, prices.get(one.target)) for one in plan.every]
        return [
            *made[: len(plan.wanted)],
            *(
                replace(one, status=OrderStatus.BLOCKED, reject_reason=plan.codes[0])
                for one in made[len(plan.wanted) :]
            ),
        ]

    def prices(self, decided: Decided) -> Mapping[str, Decimal]:
        """Tell the prices that were decided on, in quote currency."""
        return {
            symbol: Decimal(repr(price))
            for symbol, price in zip(self.symbols, decided.marks.tolist(), strict=True)
            if price > 0.0
        }

    def request(self, plan: BarPlan) -> RunRequest:
        """Say how the orders are executed."""
        rules = self.rules
        return RunRequest(
            decision_id=plan.decision_id,
            adapter=rules.adapter,
            venue=rules.venue,
            max_slippage_bps=rules.max_slippage_bps,
            max_orders=max(1, len(plan.wanted)),
            max_retries=rules.max_retries,
            fee_bps=rules.fee_bps,
            style=rules.style,
        )

    def _order(self, plan: BarPlan, one: Wanted, costs: CostBook, price: Decimal | None) -> NewOrder:
        notional = None if price is None else one.qty * price
        cost = costs.estimate(one.target, notional)
        return NewOrder(
            decision_id=plan.decision_id,
            target=one.target,
            track=TRACK,
            side=one.side,
            quantity=one.qty,
            base_quantity=one.qty,
            notional=notional,
            est_price=price,
            price_ts=plan.bar.end,
            est_cost_bps=rounded_bps(cost),
            is_reduce_only=not one.opens,
            adapter=self.rules.adapter,
            venue=self.rules.venue,
            max_slippage_bps=self.rules.max_slippage_bps,
            strategy_id=self.rules.strategy_id,
            has_signal=True,
            metadata={EXPECTED_COST: costs.document(one.target, cost)},
        )
