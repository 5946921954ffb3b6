"""What blocks openings and why, for a person: the facts of `ms risk status` and `ms risk explain`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from marketsentry.core.risk.explain import RiskFact, explain_losses, explain_switch, explain_volatility
from marketsentry.core.risk.kill_switch import EffectiveSwitch, effective_switch
from marketsentry.services.risk import RiskParts
from marketsentry.services.risk_volatility import judge_targets


@dataclass(frozen=True, slots=True)
class RiskStatus:
    """Every scope that ever had a switch, and the limits in force."""

    switches: tuple[EffectiveSwitch, ...]
    limits: dict[str, Any]
    limits_version: str

    def document(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        switches = [{**asdict(one), "triggered": one.triggered, "code": one.code} for one in self.switches]
        return {"switches": switches, "limits": self.limits, "limits_version": self.limits_version}


async def read_status(parts: RiskParts) -> RiskStatus:
    """Read every switch as it holds now."""
    async with parts.transactions() as stores:
        reading = await stores.risk.all_switches()
    switches = tuple(
        effective_switch(reading.rows, track=row.track, strategy_id=row.scope, now=reading.now)
        for row in reading.rows
    )
    return RiskStatus(switches, parts.limits.document(), parts.limits.version)


async def explain_scope(
    track: str, strategy_id: str, targets: Sequence[str], parts: RiskParts
) -> tuple[RiskFact, ...]:
    """Find everything that blocks openings of a strategy.

    Parameters
    ----------
    track
        Whose switch.
    strategy_id
        The strategy, or `global`.
    targets
        Symbols whose prices are judged too.
    parts
        The record, limits and ledger; without a ledger losses are not judged.

    Returns
    -------
    tuple of RiskFact
        Empty when nothing blocks.
    """
    async with parts.transactions() as stores:
        reading = await stores.risk.read_switches([track], [strategy_id])
        account = (
            None
            if parts.account is None
            else await parts.account(stores, track=track, strategy_id=strategy_id)
        )
        market = await judge_targets(stores, targets, parts) if targets else None
    switch = effective_switch(reading.rows, track=track, strategy_id=strategy_id, now=reading.now)
    facts = [*explain_switch(switch)]
    if account is not None:
        facts += explain_losses(track, account.figures, parts.limits)
    if market is not None:
        facts += explain_volatility(market.verdicts)
    return tuple(facts)
