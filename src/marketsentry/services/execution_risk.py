"""What risk says of orders that are to be executed: checks 4 to 6 of contract 1.6, and what a refusal leaves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from marketsentry.core.risk.breaker import MarketVerdict
from marketsentry.core.risk.codes import GLOBAL, Rule, blocked_detail, exceeded
from marketsentry.core.risk.hard_rules import HardTrigger, LossFigures, judge_losses, triggers_of
from marketsentry.core.risk.limits import RiskLimits
from marketsentry.core.risk.losses import OrderOutcomes, execution_shortfall_ratio
from marketsentry.core.risk.positions import Position
from marketsentry.core.risk.profiles import Profile
from marketsentry.core.risk.violations import Cure, Violation
from marketsentry.core.risk.worsened import worsened
from marketsentry.exceptions import DataQualityError
from marketsentry.ports import Stores
from marketsentry.ports.accounts import Account, KnownPrice, LedgerState, SubLedger
from marketsentry.ports.risk import ChangedBy, RiskEvent, Severity
from marketsentry.ports.together import together
from marketsentry.services.account_figures import MAX_TRIPS, STREAK_WINDOW, figures_of
from marketsentry.services.execution_request import AdmitParts, RunRequest, Sized
from marketsentry.services.ledger import Marked, mark, mark_states, open_ledger
from marketsentry.services.risk_switch import pull_hard
from marketsentry.services.risk_volatility import enforce_market, judge_targets

NO_ACCOUNT_DATA = "insufficient_market_data:account"
_SHORTFALL_WINDOW = timedelta(hours=24)
_SHORTFALL_ORDERS = 5000


class Refusal(Exception):  # noqa: N818 - it never leaves the services: `LockedError` does
    """Risk says no: it leaves the transaction, so that nothing of it stays.

    `triggers` are pulled and `codes` stored as events after it, with the figures of `violations` and what is `known`
    beside them. A refusal by a switch is told by its code alone, and one by the breaker by its `verdicts`, of a track
    each.
    """

    def __init__(
        self,
        codes: Sequence[str],
        *,
        by_switch: bool = False,
        verdicts: Mapping[str, MarketVerdict] | None = None,
        triggers: tuple[HardTrigger, ...] = (),
        severity: Severity = Severity.WARNING,
        violations: Iterable[Violation] = (),
        known: Mapping[str, float] | None = None,
        why: str = "",
    ) -> None:
        super().__init__(*codes)
        self.codes, self.triggers, self.severity = tuple(codes), triggers, severity
        self.violations, self.known, self.why = {one.code: one for one in violations}, known or {}, why
        self.verdicts = verdicts or {}
        self.is_told = by_switch or bool(self.verdicts)
        self.detail = self.codes[0] if by_switch else blocked_detail(self.codes)

    @property
    def hard_tracks(self) -> tuple[str, ...]:
        """Tracks that a hard rule stops."""
        return tuple(dict.fromkeys(one.track for one in self.triggers))


async def judge_market(
    stores: Stores, opening: Iterable[tuple[str, str]], parts: AdmitParts
) -> frozenset[tuple[str, str]]:
    """Run the breaker over tracks and targets that are to be opened; returns them all, or raises `Refusal`."""
    asked = frozenset(opening)
    verdicts = {
        track: await judge_targets(
            stores, sorted(target for one, target in asked if one == track), parts.risk
        )
        for track in sorted({track for track, _ in asked})
    }
    codes = [code for verdict in verdicts.values() for code in verdict.codes]
    if codes:
        raise Refusal(codes, verdicts=verdicts)
    return asked


async def mark_strategies(
    stores: Stores,
    parts: AdmitParts,
    account: Account,
    sized: Sequence[Sized],
    known: Sequence[KnownPrice],
    states: Mapping[SubLedger, LedgerState],
) -> Mapping[SubLedger, Marked]:
    """Mark the strategies that want to open in a track, and the track; each on paper begins with its capital.

    A price marks as of its own time, so that one that stands still grows old. `states` were read under the lock of the
    account; a strategy that was marked before has its capital.
    """
    now, order = parts.clock.now(), sized[0].order
    prices, times = {one.target: one.price for one in known}, {one.target: one.at for one in known}
    ledgers = [SubLedger(account.id, one, order.track) for one in _opening(sized)]
    try:
        if all(_was_marked(states.get(one)) for one in ledgers):
            return await mark_states(
                stores,
                account,
                [states[one] for one in (*ledgers, ledgers[0].whole)],
                prices,
                at=now,
                marked_at=times,
                decision_id=order.decision_id,
            )
        for one in ledgers:
            await open_ledger(
                stores,
                account,
                strategy_id=one.strategy_id,
                track=one.track,
                paper_capital=parts.paper_capital,
                at=now,
            )
        return await mark(
            stores,
            ledgers,
            prices,
            at=now,
            marked_at=times,
            decision_id=order.decision_id,
            trips_since=now - STREAK_WINDOW,
            max_trips=MAX_TRIPS,
        )
    except DataQualityError as error:
        raise _unreadable(error) from error


def _was_marked(state: LedgerState | None) -> bool:
    return state is not None and state.last is not None and not state.ledger.is_whole


@dataclass(frozen=True, slots=True)
class TrackFacts:
    """What risk must know of a track beside its ledger: sector and style of targets, and how its orders fared."""

    labels: Mapping[tuple[str, str], Profile]
    outcomes: OrderOutcomes


async def read_track_facts(
    stores: Stores, track: str, targets: Iterable[str], parts: AdmitParts
) -> TrackFacts:
    """Read them for all that is held or traded; the newest orders of a day count."""
    since = parts.clock.now() - _SHORTFALL_WINDOW
    labels, outcomes = await together(
        stores.risk.registered_labels([(track, one) for one in dict.fromkeys(targets)]),
        stores.orders.outcomes(track, since=since, limit=_SHORTFALL_ORDERS),
    )
    return TrackFacts(labels, outcomes)


def judge_risk(
    marked: Marked,
    sized: Sequence[Sized],
    prices: Mapping[str, Decimal],
    facts: TrackFacts,
    parts: AdmitParts,
) -> None:
    """Checks 5 and 6 for one track: the streak of each strategy, then what the decision makes worse.

    Parameters
    ----------
    marked
        The whole track in the account, with its round trips of a day.
    sized
        The orders of the track.
    prices
        The newest of what is held, on its way or traded: an order counts at the larger of this and its estimate.
    facts
        Of what is held and traded.
    parts
        Limits and time.

    Raises
    ------
    Refusal
        By which codes.
    """
    track, limits, now = sized[0].order.track, parts.risk.limits, parts.clock.now()
    streak = 0
    for strategy in _opening(sized):
        try:
            figures = figures_of(
                marked.state,
                marked.mark,
                strategy,
                at=now,
                max_mark_age=timedelta(seconds=limits.breaker.max_price_age_s),
                market=prices,
            )
        except DataQualityError as error:
            raise _unreadable(error) from error
        if figures.losing_streak > limits.max_consecutive_losses:
            raise _streak_refusal(track, strategy, figures.losing_streak, limits)
        streak = max(streak, figures.losing_streak)
    if not figures.equity_quote > 0:
        why = f"equity must be > 0, was {figures.equity_quote}"
        raise Refusal((exceeded(Rule.DRAWDOWN),), why=why)
    before = [Position(target, float(weight), track) for target, weight in figures.weights.items()]
    ordered = [
        Position(one.order.target, float(one.notional(prices) / figures.equity_quote), track) for one in sized
    ]
    shortfall = execution_shortfall_ratio([facts.outcomes.edge_quote], [facts.outcomes.notional_quote])
    losses = LossFigures(
        max(0.0, float(figures.drawdown_frac)), max(0.0, float(figures.daily_loss_frac), shortfall), streak
    )
    hard = judge_losses({track: losses}, limits)
    found = (*worsened(before, (*before, *ordered), limits, facts.labels), *hard)
    if found:  # all of it is told
        strategies = {one.order.strategy_id for one in sized}
        of = strategies.pop() if len(strategies) == 1 else GLOBAL
        raise Refusal(
            [one.code for one in found],
            triggers=triggers_of(hard, of),
            violations=found,
            known={"execution_shortfall_ratio": shortfall},
        )


def _unreadable(error: DataQualityError) -> Refusal:
    return Refusal((NO_ACCOUNT_DATA,), severity=Severity.CRITICAL, why=str(error))


def _streak_refusal(track: str, strategy: str, streak: int, limits: RiskLimits) -> Refusal:
    code, limit = exceeded(Rule.CONSECUTIVE_LOSS, strategy), float(limits.max_consecutive_losses)
    found = Violation(
        Rule.CONSECUTIVE_LOSS,
        code,
        Cure.BREACH,
        float(streak),
        limit,
        strategy,
        is_hard=True,
        tracks=(track,),
    )
    return Refusal(
        (code,),
        triggers=(HardTrigger(track, strategy, (Rule.CONSECUTIVE_LOSS,)),),
        severity=Severity.CRITICAL,
        violations=(found,),
        known={"streak": streak},
    )


def _opening(sized: Sequence[Sized]) -> Sequence[str]:
    return tuple(dict.fromkeys(one.order.strategy_id for one in sized if one.opens))


async def tell_refusal(refusal: Refusal, request: RunRequest, parts: AdmitParts, *, by: ChangedBy) -> None:
    """Pull what a hard rule pulls and store the codes: after the refusal, in a transaction of its own."""
    for track, verdict in refusal.verdicts.items():
        await enforce_market(verdict, track, parts.risk, by=by)
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
                **refusal.known,
            },
        )
        await stores.risk.add_events([_event(code, refusal, request) for code in refusal.codes])


def _event(code: str, refusal: Refusal, request: RunRequest) -> RiskEvent:
    why, payload = refusal.why, dict[str, object](refusal.known)
    if (one := refusal.violations.get(code)) is not None:
        why = f"{one.rule} was {one.figure:.6g}, the limit is {one.limit:.6g}"
        payload |= {"figure": one.figure, "limit": one.limit, "hard": one.is_hard}
    message = f"execution refused: {why}" if why else "execution refused"
    return RiskEvent(refusal.severity, code, message, request.decision_id, payload)
