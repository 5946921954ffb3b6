"""Why openings are blocked, and what would end it: the facts of `ms risk explain`, one per block or violation."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from marketsentry.core.risk.breaker import BreakerVerdict
from marketsentry.core.risk.codes import Rule, exceeded, kill_switch_code
from marketsentry.core.risk.hard_rules import HARD_RULES, LossFigures, breaches, limit_of
from marketsentry.core.risk.kill_switch import Block, EffectiveSwitch
from marketsentry.core.risk.limits import RiskLimits
from marketsentry.core.risk.violations import Cure, Violation


@dataclass(frozen=True, slots=True)
class RiskFact:
    """One thing that blocks. `figure` and `limit` are None where no number decides; `clears` says what ends it."""

    code: str
    rule: str
    scope: str
    figure: float | None
    limit: float | None
    inputs: tuple[str, ...]
    clears: str


def explain_switch(switch: EffectiveSwitch) -> tuple[RiskFact, ...]:
    """Explain every row that blocks a strategy."""
    return tuple(_explain_block(switch.track, block) for block in switch.blocks)


def explain_losses(track: str, figures: LossFigures, limits: RiskLimits) -> tuple[RiskFact, ...]:
    """Explain every hard rule that the figures of a track break now."""
    return tuple(
        RiskFact(
            code=exceeded(rule),
            rule=rule,
            scope=track,
            figure=figures.of(rule),
            limit=limit_of(rule, limits),
            inputs=(_INPUT_OF[rule],),
            clears=_END_OF[rule],
        )
        for rule in HARD_RULES
        if breaches(rule, figures, limits)
    )


def explain_violations(violations: Iterable[Violation]) -> tuple[RiskFact, ...]:
    """Explain what a check found."""
    return tuple(
        RiskFact(
            code=one.code,
            rule=one.rule,
            scope=one.subject or ",".join(one.tracks),
            figure=one.figure,
            limit=one.limit,
            inputs=(_INPUT_OF[one.rule],),
            clears="nothing is left to do: the positions were scaled to the limit"
            if one.cure is Cure.CLIPPED
            else _END_OF[one.rule],
        )
        for one in violations
    )


def explain_volatility(verdicts: Iterable[BreakerVerdict]) -> tuple[RiskFact, ...]:
    """Explain the targets that the volatility breaker blocks."""
    return tuple(
        RiskFact(
            code=one.code,
            rule="abnormal_volatility" if one.tripped else "insufficient_market_data",
            scope=one.target,
            figure=one.worst_abs_return,
            limit=one.threshold,
            inputs=(f"{one.n_prices} prices of the last two days",),
            clears="the large return leaves the newest 96, or RISK_MAX_ABS_RETURN_SYMBOLS allows it"
            if one.tripped
            else "at least 32 prices of the last two days are stored, the newest of them fresh",
        )
        for one in verdicts
        if one.code is not None
    )


_INPUT_OF = {
    Rule.BUCKET_EXPOSURE: "sum of absolute weights of the strategy bucket",
    Rule.SINGLE_WEIGHT: "absolute weight of the target, its lines netted",
    Rule.GROSS_EXPOSURE: "sum of absolute weights",
    Rule.SECTOR_EXPOSURE: "sum of absolute weights of the sector",
    Rule.STYLE_EXPOSURE: "sum of absolute weights of the style",
    Rule.TURNOVER: "sum of absolute changes of weights against what is held",
    Rule.DRAWDOWN: "equity against its peak",
    Rule.DAILY_LOSS: "equity against that of 00:00 UTC",
    Rule.CONSECUTIVE_LOSS: "closed round trips, newest first",
    Rule.KILL_SWITCH: "rows of the kill switch",
}

_END_OF = {
    Rule.TURNOVER: "move less at once: the turnover-feasible positions are the most that one rebalance may do",
    Rule.DRAWDOWN: "equity recovers above the limit, or an operator resets the switch",
    Rule.DAILY_LOSS: "the next UTC day begins, or an operator resets the switch",
    Rule.CONSECUTIVE_LOSS: "a round trip closes without a loss, or an operator resets the switch",
    Rule.KILL_SWITCH: "the block ends or is reset; positions can be closed meanwhile",
}


def _explain_block(track: str, block: Block) -> RiskFact:
    inputs = [f"reason {block.reason}", f"pulled by a {_WHO[block.source]}", f"mode {block.mode}"]
    if block.until_cleared:
        inputs.append("waits for " + ", ".join(sorted(block.until_cleared)))
    return RiskFact(
        code=kill_switch_code(track, block.scope),
        rule=Rule.KILL_SWITCH,
        scope=block.scope,
        figure=None,
        limit=None,
        inputs=tuple(inputs),
        clears=_end_of_block(track, block, block.expires_at),
    )


_WHO = {"manual": "person", "automatic": "rule"}


def _end_of_block(track: str, block: Block, expires_at: datetime | None) -> str:
    reset = f"`ms risk reset {track} --strategy {block.scope}`"
    conditions = [_END_OF[rule].partition(",")[0] for rule in HARD_RULES if rule in block.until_cleared]
    if expires_at is not None:
        conditions.append(f"{expires_at.isoformat().replace('+00:00', 'Z')} is past")
    return f"{' and '.join(conditions)}; or {reset}" if conditions else reset
