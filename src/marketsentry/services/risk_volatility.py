"""Judge whether prices let targets be opened: spot prices where enough are known, else closes of bars (K-39)."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from marketsentry.core.risk.breaker import (
    MIN_PRICES,
    BreakerVerdict,
    MarketVerdict,
    judge_market,
    judge_volatility,
)
from marketsentry.core.risk.codes import GLOBAL, VOLATILITY_REASON
from marketsentry.core.risk.limits import BreakerLimits
from marketsentry.ports import Stores
from marketsentry.ports.risk import ChangedBy, PricePath, RiskEvent, Severity
from marketsentry.ports.together import together
from marketsentry.services.risk import RiskParts
from marketsentry.services.risk_switch import pull_automatic


async def judge_targets(
    stores: Stores, targets: Iterable[str], parts: RiskParts, *, as_of: datetime | None = None
) -> MarketVerdict:
    """Judge distinct targets without any effect.

    Parameters
    ----------
    stores
        Of any transaction: nothing is written.
    targets
        Symbols; each is judged once.
    parts
        The limits and the time.
    as_of
        Judge by what was known then; None means now.

    Returns
    -------
    MarketVerdict
        A target of which neither prices nor bars are known well enough is blocked.
    """
    now = as_of or parts.clock.now()
    return judge_market(await _judge_each(tuple(dict.fromkeys(targets)), parts, stores, now))


async def enforce_market(verdict: MarketVerdict, track: str, parts: RiskParts, *, by: ChangedBy) -> None:
    """Store an event for each target that may not open, and stop the track when the market is involved.

    One that tripped is critical; one of which too little is known is a warning.

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
    if not verdict.codes:
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
        await stores.risk.add_events(
            [
                _event(one, code, decision_id, parts.limits.breaker)
                for one in verdict.verdicts
                if (code := one.code) is not None
            ]
        )


async def _judge_each(
    targets: Sequence[str], parts: RiskParts, stores: Stores, now: datetime
) -> Sequence[BreakerVerdict]:
    """Judge by spot prices; by bars where those are too few to say that nothing happened."""
    paths = await together(*(stores.risk.spot_prices(one, as_of=now) for one in targets))
    found = {
        target: _judge_path(target, path, parts, now) for target, path in zip(targets, paths, strict=True)
    }
    unsure = [target for target, one in found.items() if one.code is not None and not one.tripped]
    closes = await together(*(stores.risk.bar_closes(one, as_of=now) for one in unsure))
    for target, path in zip(unsure, closes, strict=True):
        judged = _judge_path(target, path, parts, now)
        if judged.code is None or judged.tripped:
            found[target] = judged
    return tuple(found.values())


def _judge_path(target: str, path: PricePath, parts: RiskParts, now: datetime) -> BreakerVerdict:
    return judge_volatility(target, path.ts_ns, path.prices, now=now, limits=parts.limits.breaker)


def _event(verdict: BreakerVerdict, code: str, decision_id: str, limits: BreakerLimits) -> RiskEvent:
    if not verdict.tripped:
        return RiskEvent(
            Severity.WARNING,
            code,
            f"{verdict.n_prices} prices of two days are known; at least {MIN_PRICES} are needed, the newest of them "
            f"at most {limits.max_price_age_s:g} s old",
            decision_id,
            {"n_prices": verdict.n_prices},
        )
    return RiskEvent(
        Severity.CRITICAL,
        code,
        f"largest return was {verdict.worst_abs_return:.6g}, the limit is {verdict.threshold:.6g}",
        decision_id,
        {"worst_abs_return": verdict.worst_abs_return, "threshold": verdict.threshold},
    )
