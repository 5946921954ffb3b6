"""Score and rebalance a portfolio over HTTP (contract section 1.4)."""

from dataclasses import asdict
from decimal import Decimal
from typing import Any

from fastapi import APIRouter

from marketsentry.api.deps import SystemDep
from marketsentry.api.idempotency import IdempotencyKey, idempotency_of
from marketsentry.api.refusals import documented, refuse_empty
from marketsentry.api.schemas.portfolio import (
    BookPositionOut,
    PlannedOrderOut,
    RebalanceIn,
    RebalanceOut,
    RecommendationOut,
    ScoreIn,
    ScoreOut,
)
from marketsentry.api.schemas.risk import ViolationOut
from marketsentry.core.portfolio.score import ScoredPosition, score_portfolio
from marketsentry.core.portfolio.strength import WeightedSignal
from marketsentry.core.portfolio.terms import Action
from marketsentry.core.risk.positions import Position
from marketsentry.ports.orders import StoredOrder
from marketsentry.services.portfolio import NothingActionable, RebalanceAsk, Rebalanced, rebalance

METRIC_DIGITS, MONEY_DIGITS, COST_DIGITS = 6, 8, 6

router = APIRouter(prefix="/portfolio", tags=["portfolio"])


@router.post("/score", summary="Score a book", responses=documented(400))
async def score(body: ScoreIn) -> ScoreOut:
    """Answer how much score stands against the risk of each position, and what to do with it."""
    if not body.positions:
        refuse_empty("positions cannot be empty")
    told = score_portfolio([ScoredPosition(**one.model_dump()) for one in body.positions], body.risk_budget)
    return ScoreOut(
        alpha_score=round(told.alpha_score, METRIC_DIGITS),
        expected_return=round(told.expected_return, METRIC_DIGITS),
        expected_volatility=round(told.expected_volatility, METRIC_DIGITS),
        recommendations=[RecommendationOut.model_validate(asdict(one)) for one in told.recommendations],
    )


@router.post(
    "/rebalance", summary="Turn signals into a book and its orders", responses=documented(400, 404, 409, 423)
)
async def rebalance_portfolio(
    body: RebalanceIn, system: SystemDep, idempotency_key: IdempotencyKey = None
) -> RebalanceOut:
    """Net the signals, share the budget, scale to every limit, and store book and orders as one decision.

    What one rebalance may not turn over is left for the next: closings come first. Without a price an order is stored
    unpriced, and execution rejects it.
    """
    if not body.signals:
        refuse_empty("signals cannot be empty")
    told = await rebalance(
        ask_of(body),
        system.portfolio,
        idempotency=idempotency_of(idempotency_key, "portfolio/rebalance", body),
    )
    if isinstance(told, NothingActionable):
        refuse_empty("no actionable signals")
    return rebalance_document(told)


def ask_of(body: RebalanceIn) -> RebalanceAsk:
    """Take a request as the use case wants it."""
    return RebalanceAsk(
        signals=tuple(
            WeightedSignal(
                one.target,
                one.track,
                Action(one.action),
                one.score,
                one.confidence,
                signal_id=one.signal_id,
            )
            for one in body.signals
        ),
        current=tuple(
            Position(one.target, one.weight, one.track, one.sector, one.style_bucket)
            for one in body.current_positions
        ),
        capital=Decimal(repr(body.capital)),
        risk_budget=body.risk_budget,
        strategy_id=body.strategy_id,
        cost_profile=body.cost_profile,
    )


def rebalance_document(told: Rebalanced) -> RebalanceOut:
    """Spell a stored decision as the answer of a rebalance."""
    decision = told.decision
    return RebalanceOut(
        decision_id=decision.decision_id,
        target_positions=[
            BookPositionOut.model_validate(
                {
                    "target": one.target,
                    "weight": round(one.weight, METRIC_DIGITS),
                    "track": one.track,
                    "sector": one.sector,
                    "style_bucket": one.style_bucket,
                }
            )
            for one in told.book
        ],
        expected_turnover=round(decision.metadata["expected_turnover"], METRIC_DIGITS),
        orders=[PlannedOrderOut.model_validate(_order(one)) for one in told.orders],
        risk_ok=not decision.violations,
        risk_violations=[one["code"] for one in decision.violations],
        violation_details=[ViolationOut.model_validate(one) for one in decision.violations],
        gross_exposure=round(decision.metadata["gross_exposure"], METRIC_DIGITS),
        created_at=decision.created_at,
    )


def _order(stored: StoredOrder) -> dict[str, Any]:
    weight_delta = stored.metadata.get("weight_delta", 0.0)
    return {
        "order_id": stored.id,
        "target": stored.target,
        "track": stored.track,
        "side": str(stored.side),
        "quantity": _money(stored.quantity),
        "notional": _money(stored.notional),
        "base_quantity": _money(stored.base_quantity),
        "est_price": _money(stored.est_price),
        "price_ts": stored.price_ts,
        "est_cost_bps": round(float(stored.est_cost_bps), COST_DIGITS),
        "reduce_only": stored.is_reduce_only,
        "status": str(stored.status),
        "signal_id": stored.signal_id,
        "metadata": {**stored.metadata, "weight_delta": round(weight_delta, METRIC_DIGITS)},
    }


def _money(value: Decimal | None) -> float | None:
    return None if value is None else round(float(value), MONEY_DIGITS)
