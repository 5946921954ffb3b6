"""Where the profit of a track came from, over HTTP (contract section 1.12)."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal, cast

from fastapi import APIRouter, HTTPException, Query

from marketsentry.api.deps import SystemDep
from marketsentry.api.schemas.accounts import (
    MAX_LOOKBACK_HOURS,
    AttributionOut,
    ProfitTotalsOut,
    TargetProfitOut,
)
from marketsentry.core.account.attribution import Parts
from marketsentry.services.attribution import TrackProfit, attribute_track

PNL_DIGITS = 10  # so that the sum of rounded parts is the total within 1e-8
RATE_DIGITS = 6
TRACKS = ("vc", "liquid")

router = APIRouter(tags=["accounts"])


@router.get(
    "/metrics/pnl-attribution",
    summary="Attribute what a track gained",
    responses={400: {"description": "another track"}},
)
async def pnl_attribution(
    system: SystemDep,
    track: Annotated[str, Query(description="`vc` or `liquid`")] = "liquid",
    lookback_hours: Annotated[int, Query(ge=1, le=MAX_LOOKBACK_HOURS)] = 168,
) -> AttributionOut:
    """Answer the parts of the change of equity since the last mark before the window.

    Only executed quantities count. `net_pnl` is the sum of the five parts; what the ledger gained beyond it, such as
    an adjustment, is `residual`. An empty window is all zeros and no targets.
    """
    if track not in TRACKS:
        raise HTTPException(400, f"track must be one of {', '.join(TRACKS)}, was {track[:64]!r}")
    profit = await attribute_track(
        track,
        lookback=timedelta(hours=lookback_hours),
        transactions=system.transactions,
        clock=system.clock,
    )
    return AttributionOut(
        track=cast(Literal["vc", "liquid"], track),
        lookback_hours=lookback_hours,
        totals=totals_out(profit),
        by_target=[
            TargetProfitOut(
                **_parts(one.parts),
                target=one.target,
                notional=_money(one.notional_quote),
                orders=one.orders,
                rejected=one.rejected,
            )
            for one in profit.by_target
        ],
        generated_at=profit.generated_at,
    )


def totals_out(profit: TrackProfit) -> ProfitTotalsOut:
    """Spell the totals."""
    return ProfitTotalsOut(
        **_parts(profit.total),
        residual=_money(profit.residual_quote),
        ledger_change=_money(profit.gained_quote),
        gross_notional_signed=_money(profit.signed_notional_quote),
        reject_rate=round(profit.reject_rate, RATE_DIGITS),
    )


def _parts(parts: Parts) -> dict[str, float]:
    return {
        "selection_pnl": _money(parts.selection),
        "timing_pnl": _money(parts.timing),
        "execution_pnl": _money(parts.execution),
        "cost_pnl": _money(parts.cost),
        "risk_constraint_pnl": _money(parts.risk_constraint),
        "net_pnl": _money(parts.net),
        "market_pnl": _money(parts.market),
    }


def _money(value: Decimal) -> float:
    return round(float(value), PNL_DIGITS)
