"""Risk limits, checks and the kill switch over HTTP (contract section 1.5)."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from marketsentry.api.deps import MetricsDep, SystemDep
from marketsentry.api.schemas.ids import MAX_ID
from marketsentry.api.schemas.risk import (
    MAX_PAGE,
    HourRuleOut,
    LimitSourceOut,
    OpeningStatusOut,
    PositionIn,
    ResetIn,
    RiskCheckIn,
    RiskCheckOut,
    RiskEventOut,
    RiskEventPageOut,
    RiskLimitsOut,
    Severity,
    StrategyId,
    SwitchOut,
    Track,
    TriggerIn,
)
from marketsentry.api.schemas.texts import stored_text
from marketsentry.core.risk.codes import GLOBAL
from marketsentry.core.risk.hard_rules import LossFigures
from marketsentry.core.risk.kill_switch import EffectiveSwitch, Mode
from marketsentry.core.risk.positions import Position
from marketsentry.ports.risk import ChangedBy, EventFilter
from marketsentry.ports.risk import Severity as EventSeverity
from marketsentry.services.risk import CheckRequest, CheckResult, check_risk, list_events, record_limits
from marketsentry.services.risk_switch import ManualTrigger, read_switch, reset_switch, trigger_switch
from marketsentry.settings import Settings, variable_of

if TYPE_CHECKING:
    from marketsentry.core.risk.check import RiskVerdict  # brings numba

DIGITS = 6
UNKNOWN_TRACK = "unknown"
LOCAL = "local"  # who calls while authentication is off: somebody on this machine

router = APIRouter(prefix="/risk", tags=["risk"])


async def _changed_by(request: Request) -> ChangedBy:
    return ChangedBy(LOCAL, getattr(request.state, "request_id", None))


By = Annotated[ChangedBy, Depends(_changed_by)]
TrackQuery = Annotated[Track, Query(description="whose switch")]
StrategyQuery = Annotated[StrategyId, Query(description="`global` is the whole track")]


@router.get("/limits", summary="Limits in force")
async def read_limits(system: SystemDep) -> RiskLimitsOut:
    """Answer every risk limit with the variable that sets it; `version` names the whole set."""
    updated_at = await record_limits(system.risk)
    limits = system.risk_limits
    breaker = limits.breaker
    return RiskLimitsOut(
        max_single_weight=limits.max_single_weight,
        max_gross_exposure=limits.max_gross_exposure,
        max_turnover_per_rebalance=limits.max_turnover,
        max_realized_drawdown=limits.max_drawdown,
        max_sector_exposure=limits.max_sector_exposure,
        max_style_exposure=limits.max_style_exposure,
        updated_at=updated_at,
        max_daily_loss=limits.max_daily_loss,
        max_consecutive_losses=limits.max_consecutive_losses,
        hard_block_minutes=limits.hard_block_minutes,
        max_abs_return=breaker.max_abs_return,
        max_abs_return_by_symbol=dict(breaker.by_symbol),
        max_abs_return_by_hour=[HourRuleOut(**asdict(rule)) for rule in breaker.by_hour],
        max_price_age_s=breaker.max_price_age_s,
        bucket_caps=limits.bucket_caps.cap_of,
        version=limits.version,
        sources=_sources(system.settings),
    )


@router.post("/check", summary="Judge positions and losses against the limits")
async def check(body: RiskCheckIn, system: SystemDep, metrics: MetricsDep, by: By) -> RiskCheckOut:
    """Run the ten steps. A hard rule pulls the kill switch; each violation is stored as a `warning` event.

    Not approved is a 200. Labels of the entity registry rule over those of the request.
    """
    request = CheckRequest(
        proposed=tuple(_position(one) for one in body.proposed_positions),
        current=tuple(_position(one) for one in body.current_positions)
        if "current_positions" in body.model_fields_set
        else None,
        figures=LossFigures(body.realized_drawdown, body.daily_loss, body.consecutive_losses),
        strategy_id=body.strategy_id,
        max_sector_exposure=body.max_sector_exposure_override,
        max_style_exposure=body.max_style_exposure_override,
        enforce=not body.evaluate_only,
    )
    result = await check_risk(request, system.risk, by=by)
    judged = result.verdict.judgement
    if request.enforce and judged.hard_block:
        tracks = {one.track for one in judged.triggers} if body.proposed_positions else {UNKNOWN_TRACK}
        for track in tracks:
            metrics.risk_hard_blocks.labels(track).inc()
    return _checked(result, system.limit_record.version_of(system.risk_limits))


@router.get("/kill-switch", summary="State of the kill switch")
async def read_kill_switch(
    system: SystemDep, track: TrackQuery, strategy_id: StrategyQuery = GLOBAL
) -> SwitchOut:
    """Answer what really blocks the strategy: its own row, else that of the track. An expired row reads `armed`."""
    return _switch(await read_switch(track, strategy_id, transactions=system.transactions))


@router.get("/opening-status", summary="May new positions be opened")
async def read_opening_status(
    system: SystemDep, track: TrackQuery, strategy_id: StrategyQuery = GLOBAL
) -> OpeningStatusOut:
    """Answer whether the strategy may open; closing is always possible."""
    switch = await read_switch(track, strategy_id, transactions=system.transactions)
    return OpeningStatusOut.model_validate(
        {
            **asdict(switch),
            "can_open_new_positions": not switch.triggered,
            "block_reason": switch.code or "none",
        }
    )


@router.post("/kill-switch/trigger", summary="Block openings")
async def trigger(body: TriggerIn, system: SystemDep, by: By) -> SwitchOut:
    """Block a strategy or a whole track. Once this has answered no later opening is admitted.

    A stronger block that stands already is not weakened: open-ended beats timed, later beats earlier.
    """
    wanted = ManualTrigger(body.track, body.strategy_id, body.reason, body.duration_minutes, Mode(body.mode))
    return _switch(await trigger_switch(wanted, by=by, transactions=system.transactions))


@router.post("/kill-switch/reset", summary="Let open again")
async def reset(body: ResetIn, system: SystemDep, by: By) -> SwitchOut:
    """Arm one scope. Another scope goes on blocking: `GET /risk/kill-switch` says what holds."""
    switch = await reset_switch(
        body.track, body.strategy_id, reason=body.reason, by=by, transactions=system.transactions
    )
    return _switch(switch)


@router.get("/events", summary="List risk events")
async def list_page(
    system: SystemDep,
    severity: Severity | None = None,
    code: Annotated[Annotated[str, stored_text(1024)] | None, Query(description="the whole code")] = None,
    decision_id: Annotated[Annotated[str, stored_text(128)] | None, Query()] = None,
    cursor: Annotated[int | None, Query(ge=1, le=MAX_ID, description="`next_cursor` of a page")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> RiskEventPageOut:
    """Answer events, newest first; a page goes on where the one before it ended, whatever was added since."""
    wanted = EventFilter(None if severity is None else EventSeverity(severity), code, decision_id)
    page = await list_events(wanted, before_id=cursor, limit=limit, transactions=system.transactions)
    items = [RiskEventOut.model_validate(asdict(one)) for one in page.items]
    return RiskEventPageOut(items=items, next_cursor=page.next_key)


def _position(line: PositionIn) -> Position:
    return Position(line.target, line.weight, line.track, line.sector, line.style_bucket)


def _checked(result: CheckResult, limits_version: str) -> RiskCheckOut:
    verdict: RiskVerdict = result.verdict
    judged = verdict.judgement
    return RiskCheckOut.model_validate(
        {
            "approved": verdict.approved,
            "violations": list(verdict.codes),
            "adjusted_positions": [_weighed(one) for one in judged.adjusted],
            "gross_exposure": round(judged.gross_exposure, DIGITS),
            "expected_turnover": round(judged.expected_turnover, DIGITS),
            "hard_block": judged.hard_block,
            "kill_switch_state": verdict.switch_state,
            "risk_budget_used": round(judged.gross_exposure, DIGITS),
            "turnover_feasible_positions": [_weighed(one) for one in judged.turnover_feasible],
            "feasible_turnover": round(judged.feasible_turnover, DIGITS),
            "reduces_only": judged.reduces_only,
            "violation_details": [
                {
                    "code": one.code,
                    "rule": one.rule,
                    "cure": one.cure,
                    "figure": round(one.figure, DIGITS),
                    "limit": one.limit,
                    "hard": one.is_hard,
                }
                for one in verdict.violations
            ],
            "limits_version": limits_version,
            "decision_id": result.decision_id,
        }
    )


def _weighed(one: Position) -> dict[str, Any]:
    return {
        "target": one.target,
        "weight": one.weight,
        "track": one.track,
        "sector": one.sector,
        "style_bucket": one.style_bucket,
    }


def _switch(switch: EffectiveSwitch) -> SwitchOut:
    plain: dict[str, Any] = asdict(switch)
    for block in plain["blocks"]:
        block["until_cleared"] = sorted(block["until_cleared"])
    return SwitchOut.model_validate({**plain, "triggered": switch.triggered})


_FIELDS = {
    "max_single_weight": "risk_max_single_weight",
    "max_gross_exposure": "risk_max_gross_exposure",
    "max_turnover_per_rebalance": "risk_max_turnover",
    "max_realized_drawdown": "risk_max_drawdown",
    "max_sector_exposure": "risk_max_sector_exposure",
    "max_style_exposure": "risk_max_style_exposure",
    "max_daily_loss": "risk_max_daily_loss",
    "max_consecutive_losses": "risk_max_consecutive_losses",
    "hard_block_minutes": "risk_hard_block_minutes",
    "max_abs_return": "risk_max_abs_return",
    "max_abs_return_by_symbol": "risk_max_abs_return_symbols",
    "max_abs_return_by_hour": "risk_max_abs_return_tod_multiplier",
    "max_price_age_s": "risk_max_price_age_s",
    "bucket_caps.trend": "risk_bucket_trend",
    "bucket_caps.event": "risk_bucket_event",
    "bucket_caps.mean_reversion": "risk_bucket_mean_reversion",
}


def _sources(settings: Settings) -> dict[str, LimitSourceOut]:
    return {
        name: LimitSourceOut(
            variable=variable_of(field),
            set_by="environment" if field in settings.model_fields_set else "default",
        )
        for name, field in _FIELDS.items()
    }
