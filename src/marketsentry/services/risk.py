"""The risk check as a use case: read labels, ledger and switch, judge, enforce (contract 1.5).

The ledger's figures count when they are worse than the caller's, and its holdings where the caller names none (K-35).
Without a ledger only the caller's numbers are known. A hard rule pulls its switch, and the violations are
stored, in one transaction: when that fails nothing was approved (K-07).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from marketsentry.core.risk.codes import GLOBAL
from marketsentry.core.risk.hard_rules import LossFigures, worse_of
from marketsentry.core.risk.kill_switch import EffectiveSwitch, apply_trigger
from marketsentry.core.risk.limits import RiskLimits
from marketsentry.core.risk.positions import LIQUID, Position
from marketsentry.core.risk.profiles import Profile
from marketsentry.ports import Clock, Stores, Transactions
from marketsentry.ports.quick import quick
from marketsentry.ports.risk import (
    AccountFigures,
    AccountState,
    ChangedBy,
    EventFilter,
    RiskEvent,
    Severity,
    StoredRiskEvent,
    SwitchReading,
)
from marketsentry.ports.together import together
from marketsentry.services.paging import Page, page_of
from marketsentry.services.risk_switch import (
    effective_switches,
    hard_block,
    pull_hard,
    release_cleared,
    with_row,
)

if TYPE_CHECKING:
    from marketsentry.core.risk.check import Judgement, RiskVerdict  # brings numba


@dataclass(slots=True)
class LimitRecord:
    """Remembers the name of the limits in force and when they first were, so that each is made once."""

    first_seen_at: datetime | None = None
    _version: str | None = None

    def version_of(self, limits: RiskLimits) -> str:
        """Name the limits in force, always the same ones."""
        if self._version is None:
            self._version = limits.version
        return self._version


def _short_id() -> str:
    return uuid4().hex[:12]


@dataclass(frozen=True, slots=True)
class RiskParts:
    """What the risk plane needs. `account` None: there is no ledger, and only a caller's numbers are known."""

    transactions: Transactions
    limits: RiskLimits
    clock: Clock
    account: AccountFigures | None = None
    record: LimitRecord = field(default_factory=LimitRecord)
    new_id: Callable[[], str] = _short_id


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What a caller wants judged.

    `current` None means what the ledger holds. Without `enforce` nothing is pulled and nothing is stored: the answer is
    what an enforced check would say.
    """

    proposed: tuple[Position, ...]
    current: tuple[Position, ...] | None = None
    figures: LossFigures = field(default_factory=LossFigures)
    strategy_id: str = GLOBAL
    max_sector_exposure: float | None = None
    max_style_exposure: float | None = None
    enforce: bool = True


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The verdict; `decision_id` is that of the stored events, None where none were stored."""

    verdict: "RiskVerdict"
    decision_id: str | None


@dataclass(frozen=True, slots=True)
class _World:
    """What was read for one check."""

    labels: Mapping[tuple[str, str], Profile]
    accounts: Mapping[str, AccountState]
    switches: SwitchReading


async def check_risk(request: CheckRequest, parts: RiskParts, *, by: ChangedBy) -> CheckResult:
    """Judge positions and losses, and enforce what hard rules demand.

    Parameters
    ----------
    request
        What is to be judged.
    parts
        The record, limits and ledger.
    by
        Who asks.

    Returns
    -------
    CheckResult

    Raises
    ------
    DependencyError
        If the record or the ledger cannot be read or written: then nothing is approved.
    """
    from marketsentry.core.risk.check import conclude

    async with parts.transactions() as stores:
        world = await _read_world(request, parts, stores)
    if request.enforce:
        world = await _release(request, parts, world, by=by)
    judgement = await quick(_judge, request, parts.limits, world)
    pairs = [(track, request.strategy_id) for track in judgement.tracks]
    if not request.enforce:
        reading = _as_if_pulled(judgement, world.switches, parts.limits)
        return CheckResult(conclude(judgement, effective_switches(reading, pairs)), None)
    switches = effective_switches(world.switches, pairs)
    if not judgement.violations and not any(one.triggered for one in switches):
        return CheckResult(conclude(judgement, switches), None)
    return await _enforce(judgement, pairs, parts, by=by)


async def list_events(
    wanted: EventFilter, *, before_id: int | None, limit: int, transactions: Transactions
) -> Page[StoredRiskEvent, int]:
    """Read one page of risk events, newest first.

    Parameters
    ----------
    wanted
        Which ones.
    before_id
        Only ids below it.
    limit
        At most so many.
    transactions
        The record.

    Returns
    -------
    Page
    """
    async with transactions() as stores:
        found = await stores.risk.page_events(wanted, before_id=before_id, limit=limit + 1)
    return page_of(found, limit, lambda one: one.id)


async def record_limits(parts: RiskParts) -> datetime:
    """Note that the limits are in force; returns when they first were (K-43)."""
    if parts.record.first_seen_at is None:
        async with parts.transactions() as stores:
            parts.record.first_seen_at = await stores.risk.record_limits(
                parts.limits.version, parts.limits.document()
            )
    return parts.record.first_seen_at


async def _read_world(request: CheckRequest, parts: RiskParts, stores: Stores) -> _World:
    tracks = tuple(dict.fromkeys(one.track for one in request.proposed)) or (LIQUID,)
    keys = tuple(dict.fromkeys(one.key for one in request.proposed))
    labels, switches, accounts = await together(
        stores.risk.registered_labels(keys),
        stores.risk.read_switches(tracks, [request.strategy_id]),
        _accounts(request, parts, stores, tracks),
    )
    return _World(labels, accounts, switches)


async def _accounts(
    request: CheckRequest, parts: RiskParts, stores: Stores, tracks: Sequence[str]
) -> Mapping[str, AccountState]:
    if parts.account is None:
        return {}
    return {
        track: await parts.account(stores, track=track, strategy_id=request.strategy_id) for track in tracks
    }


async def _release(request: CheckRequest, parts: RiskParts, world: _World, *, by: ChangedBy) -> _World:
    """Let go of blocks whose breach has ended by the ledger, and read again when one was (K-41)."""
    waiting = {row.track for row in world.switches.rows if row.until_cleared} & world.accounts.keys()
    released = [
        await release_cleared(
            track,
            request.strategy_id,
            world.accounts[track].figures,
            limits=parts.limits,
            by=by,
            transactions=parts.transactions,
        )
        for track in sorted(waiting)
    ]
    if not any(released):
        return world
    async with parts.transactions() as stores:
        return await _read_world(request, parts, stores)


def _judge(request: CheckRequest, limits: RiskLimits, world: _World) -> "Judgement":
    from marketsentry.core.risk.check import RiskRequest, judge

    tracks = tuple(dict.fromkeys(one.track for one in request.proposed)) or (LIQUID,)
    held = tuple(one for state in world.accounts.values() for one in state.positions)
    asked = RiskRequest(
        proposed=request.proposed,
        current=held if request.current is None else request.current,
        figures={track: _worse(request.figures, world.accounts.get(track)) for track in tracks},
        strategy_id=request.strategy_id,
        max_sector_exposure=request.max_sector_exposure,
        max_style_exposure=request.max_style_exposure,
    )
    return judge(asked, limits, world.labels)


def _worse(said: LossFigures, known: AccountState | None) -> LossFigures:
    return said if known is None else worse_of(said, known.figures)


def _as_if_pulled(judgement: "Judgement", reading: SwitchReading, limits: RiskLimits) -> SwitchReading:
    for hard in judgement.triggers:
        wanted = hard_block(hard, reading, limits=limits, metadata={})
        row = next((one for one in reading.rows if (one.track, one.scope) == (hard.track, hard.scope)), None)
        reading = with_row(reading, apply_trigger(row, wanted, now=reading.now).after)
    return reading


async def _enforce(
    judgement: "Judgement", pairs: Sequence[tuple[str, str]], parts: RiskParts, *, by: ChangedBy
) -> CheckResult:
    """Pull the switches, read what holds then, and store each violation, in one transaction."""
    from marketsentry.core.risk.check import conclude

    decision_id = f"risk-check-{parts.new_id()}"
    async with parts.transactions() as stores:
        await pull_hard(
            stores,
            judgement.triggers,
            limits=parts.limits,
            by=by,
            metadata={"source": "risk_check", "decision_id": decision_id},
        )
        reading = await stores.risk.read_switches([track for track, _ in pairs], [s for _, s in pairs])
        switches: tuple[EffectiveSwitch, ...] = effective_switches(reading, pairs)
        verdict = conclude(judgement, switches)
        await stores.risk.add_events(_events(verdict, decision_id))
    return CheckResult(verdict, decision_id)


def _events(verdict: "RiskVerdict", decision_id: str) -> list[RiskEvent]:
    judged = verdict.judgement
    return [
        RiskEvent(
            Severity.WARNING,
            one.code,
            f"{one.rule} was {one.figure:.6g}, the limit is {one.limit:.6g}: {one.cure}",
            decision_id,
            {
                "gross_exposure": round(judged.gross_exposure, 6),
                "turnover": round(judged.expected_turnover, 6),
                "figure": one.figure,
                "limit": one.limit,
                "cure": str(one.cure),
            },
        )
        for one in verdict.violations
    ]
