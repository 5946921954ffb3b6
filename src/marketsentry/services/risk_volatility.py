"""Judge whether prices let targets be opened: spot prices where enough are known, else closes of bars (K-39)."""

from collections.abc import Iterable
from datetime import datetime

from marketsentry.core.risk.breaker import BreakerVerdict, MarketVerdict, judge_market, judge_volatility
from marketsentry.core.risk.codes import GLOBAL, VOLATILITY_REASON
from marketsentry.ports import Stores
from marketsentry.ports.risk import ChangedBy, PricePath, RiskEvent, Severity
from marketsentry.services.risk import RiskParts
from marketsentry.services.risk_switch import pull_automatic


async def judge_targets(
    targets: Iterable[str], parts: RiskParts, *, as_of: datetime | None = None
) -> MarketVerdict:
    """Judge distinct targets without any effect.

    Parameters
    ----------
    targets
        Symbols; each is judged once.
    parts
        The record and the limits.
    as_of
        Judge by what was known then; None means now.

    Returns
    -------
    MarketVerdict
        A target of which neither prices nor bars are known well enough is blocked.
    """
    now = as_of or parts.clock.now()
    async with parts.transactions() as stores:
        verdicts = [await _judge_one(target, parts, stores, now) for target in dict.fromkeys(targets)]
    return judge_market(verdicts)


async def enforce_market(verdict: MarketVerdict, track: str, parts: RiskParts, *, by: ChangedBy) -> None:
    """Store a critical event for each target that tripped, and stop the track when the market is involved.

    Parameters
    ----------
    verdict
        Of `judge_targets`.
    track
        Whose targets they are.
    parts
        The record and the limits.
    by
        Who ran the rule.
    """
    if not verdict.tripped:
        return
    decision_id = f"risk-precheck-{parts.new_id()}"
    if verdict.is_market_wide:
        await pull_automatic(
            track,
            GLOBAL,
            reason=VOLATILITY_REASON,
            minutes=parts.limits.hard_block_minutes,
            by=by,
            metadata={
                "source": VOLATILITY_REASON,
                "targets": [one.target for one in verdict.tripped],
                "decision_id": decision_id,
            },
            transactions=parts.transactions,
        )
    async with parts.transactions() as stores:
        await stores.risk.add_events([_event(one, decision_id) for one in verdict.tripped])


async def _judge_one(target: str, parts: RiskParts, stores: Stores, now: datetime) -> BreakerVerdict:
    spot = _judge_path(target, await stores.risk.spot_prices(target, as_of=now), parts, now)
    if spot.code is None or spot.tripped:
        return spot
    bars = _judge_path(target, await stores.risk.bar_closes(target, as_of=now), parts, now)
    return bars if bars.code is None or bars.tripped else spot


def _judge_path(target: str, path: PricePath, parts: RiskParts, now: datetime) -> BreakerVerdict:
    return judge_volatility(target, path.ts_ns, path.prices, now=now, limits=parts.limits.breaker)


def _event(verdict: BreakerVerdict, decision_id: str) -> RiskEvent:
    assert verdict.code is not None
    return RiskEvent(
        Severity.CRITICAL,
        verdict.code,
        f"largest return was {verdict.worst_abs_return:.6g}, the limit is {verdict.threshold:.6g}",
        decision_id,
        {"worst_abs_return": verdict.worst_abs_return, "threshold": verdict.threshold},
    )
