"""What risk says of orders that are to be executed: checks 4 to 6 of contract 1.6, and what a refusal leaves."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from marketsentry.core.account.figures import Figures
from marketsentry.core.risk.codes import GLOBAL, Rule, blocked_detail, exceeded
from marketsentry.core.risk.hard_rules import HardTrigger, LossFigures, judge_losses, triggers_of
from marketsentry.core.risk.losses import execution_shortfall_ratio
from marketsentry.core.risk.positions import Position
from marketsentry.core.risk.worsened import worsened
from marketsentry.exceptions import DataQualityError
from marketsentry.ports import Stores
from marketsentry.ports.accounts import Account
from marketsentry.ports.risk import ChangedBy, RiskEvent, Severity
from marketsentry.services.account_figures import read_track_figures
from marketsentry.services.execution_request import AdmitParts, RunRequest, Sized
from marketsentry.services.ledger import mark, open_ledger
from marketsentry.services.risk_switch import hold_switches, pull_hard
from marketsentry.services.risk_volatility import enforce_market, judge_targets

_SHORTFALL_WINDOW = timedelta(hours=24)
_SHORTFALL_ORDERS = 5000


class Refusal(Exception):  # noqa: N818 - it never leaves the services: `LockedError` does
    """Risk says no: it leaves the transaction, so that nothing of it stays.

    `triggers` are pulled and `codes` stored as events after it. A refusal by a switch is told by its code alone, and
    one that has been told already is `is_told`.
    """

    def __init__(
        self,
        codes: Sequence[str],
        *,
        by_switch: bool = False,
        is_told: bool = False,
        triggers: tuple[HardTrigger, ...] = (),
        severity: Severity = Severity.WARNING,
    ) -> None:
        super().__init__(*codes)
        self.codes, self.triggers, self.severity = tuple(codes), triggers, severity
        self.is_told = is_told or by_switch
        self.detail = self.codes[0] if by_switch else blocked_detail(self.codes)


async def judge_market(
    opening: Iterable[tuple[str, str]], parts: AdmitParts, *, by: ChangedBy
) -> frozenset[tuple[str, str]]:
    """Run the breaker over tracks and targets that are to be opened; returns what it let pass."""
    asked = frozenset(opening)
    codes: list[str] = []
    for track in sorted({track for track, _ in asked}):
        targets = sorted(target for one, target in asked if one == track)
        verdict = await judge_targets(targets, parts.risk)
        await enforce_market(verdict, track, parts.risk, by=by)
        codes += verdict.codes
    if codes:
        raise Refusal(codes, is_told=True)
    return asked


async def judge_risk(
    stores: Stores,
    parts: AdmitParts,
    account: Account,
    sized: Sequence[Sized],
    prices: Mapping[str, Decimal],
) -> None:
    """Checks 5 and 6 for one track: the streak of each strategy, then what the decision makes worse."""
    now = parts.clock.now()
    track = sized[0].order.track
    strategies = tuple(dict.fromkeys(one.order.strategy_id for one in sized if one.opens))
    streaks: dict[str, int] = {}
    figures: Figures | None = None
    for strategy in strategies:
        ledger = await open_ledger(
            stores, account, strategy_id=strategy, track=track, paper_capital=parts.paper_capital, at=now
        )
        try:
            await mark(stores, ledger, prices, at=now, decision_id=sized[0].order.decision_id)
            figures = await read_track_figures(
                stores,
                track=track,
                strategy_id=strategy,
                at=now,
                max_mark_age=timedelta(seconds=parts.risk.limits.breaker.max_price_age_s),
                account_id=account.id,
            )
        except DataQualityError as error:
            raise Refusal(("insufficient_market_data:account",)) from error
        streaks[strategy] = 0 if figures is None else figures.losing_streak
        if streaks[strategy] > parts.risk.limits.max_consecutive_losses:
            raise Refusal(
                (exceeded(Rule.CONSECUTIVE_LOSS, strategy),),
                triggers=(HardTrigger(track, strategy, (Rule.CONSECUTIVE_LOSS,)),),
                severity=Severity.CRITICAL,
            )
    if figures is None or not figures.equity_quote > 0:
        raise Refusal((exceeded(Rule.DRAWDOWN),))
    shortfall = await _shortfall(stores, track, now)
    await _refuse_worse(stores, parts, figures, sized, prices, max(streaks.values()), shortfall)


async def _refuse_worse(
    stores: Stores,
    parts: AdmitParts,
    figures: Figures,
    sized: Sequence[Sized],
    prices: Mapping[str, Decimal],
    streak: int,
    shortfall: float,
) -> None:
    """Judge what the decision makes worse, losses, and the switch; all that is found is told."""
    track, limits = sized[0].order.track, parts.risk.limits
    before = [Position(target, float(weight), track) for target, weight in figures.weights.items()]
    ordered = [
        Position(one.order.target, float(one.notional(prices) / figures.equity_quote), track) for one in sized
    ]
    losses = LossFigures(
        max(0.0, float(figures.drawdown_frac)), max(0.0, float(figures.daily_loss_frac), shortfall), streak
    )
    strategies = {one.order.strategy_id for one in sized}
    strategy = strategies.pop() if len(strategies) == 1 else GLOBAL
    labels = await stores.risk.registered_labels([one.key for one in (*before, *ordered)])
    hard = judge_losses({track: losses}, limits)
    found = (*worsened(before, (*before, *ordered), limits, labels), *hard)
    switches = await hold_switches(stores, [(track, strategy)])
    codes = [*(one.code for one in found), *(one.code for one in switches if one.code is not None)]
    if codes:
        raise Refusal(codes, triggers=triggers_of(hard, strategy))


async def _shortfall(stores: Stores, track: str, now: datetime) -> float:
    outcomes = await stores.orders.outcomes(track, since=now - _SHORTFALL_WINDOW, limit=_SHORTFALL_ORDERS)
    return execution_shortfall_ratio([one.edge for one in outcomes], [one.notional for one in outcomes])


async def tell_refusal(refusal: Refusal, request: RunRequest, parts: AdmitParts, *, by: ChangedBy) -> None:
    """Pull what a hard rule pulls and store the codes: after the refusal, in a transaction of its own."""
    if refusal.is_told:
        return
    async with parts.transactions() as stores:
        await pull_hard(
            stores,
            refusal.triggers,
            limits=parts.risk.limits,
            by=by,
            metadata={
                "source": "execution",
                "decision_id": request.decision_id,
                "violations": list(refusal.codes),
            },
        )
        await stores.risk.add_events(
            [
                RiskEvent(refusal.severity, code, "execution refused", request.decision_id)
                for code in refusal.codes
            ]
        )
