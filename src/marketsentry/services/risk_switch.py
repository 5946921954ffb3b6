"""Read, pull, reset and release the kill switch; each change is one transaction with its history.

What admits an order calls `hold_switches` inside the transaction that admits it, after every other lock and as late
as it can. A change waits for the admissions that are past this point, and what comes later sees it: once a call that
pulls a switch has returned, nothing later is admitted.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from marketsentry.core.risk.codes import GLOBAL, Rule
from marketsentry.core.risk.hard_rules import HardTrigger, LossFigures, breaches
from marketsentry.core.risk.kill_switch import (
    Action,
    EffectiveSwitch,
    Mode,
    Source,
    SwitchRow,
    Transition,
    Trigger,
    apply_release,
    apply_reset,
    apply_trigger,
    effective_switch,
)
from marketsentry.core.risk.limits import RiskLimits
from marketsentry.ports import Stores, Transactions
from marketsentry.ports.risk import ChangedBy, SwitchEvent, SwitchReading

MAX_STRATEGY_LENGTH = 64
MAX_REASON_LENGTH = 256
MAX_MINUTES = 10_080


@dataclass(frozen=True, slots=True)
class ManualTrigger:
    """What a person asks for; `duration_minutes` None holds until a reset."""

    track: str
    strategy_id: str = GLOBAL
    reason: str = "manual_trigger"
    duration_minutes: int | None = None
    mode: Mode = Mode.REDUCE_ONLY


async def read_switch(track: str, strategy_id: str, *, transactions: Transactions) -> EffectiveSwitch:
    """Tell what holds for a strategy of a track now."""
    async with transactions() as stores:
        reading = await stores.risk.read_switches([track], [strategy_id])
    return effective_switch(reading.rows, track=track, strategy_id=strategy_id, now=reading.now)


async def active_switches(transactions: Transactions) -> dict[tuple[str, str], bool]:
    """Tell of each (track, scope) that ever had a switch whether it blocks now."""
    async with transactions() as stores:
        reading = await stores.risk.all_switches()
    return {(row.track, row.scope): row.blocks_at(reading.now) for row in reading.rows}


async def lock_budgets(stores: Stores, pairs: Iterable[tuple[str, str]]) -> None:
    """Lock the risk budgets of the tracks of (track, strategy) pairs: the first lock of what spends them."""
    for track in _tracks(pairs):
        await stores.risk.lock_budget(track)


async def hold_switches(stores: Stores, pairs: Collection[tuple[str, str]]) -> tuple[EffectiveSwitch, ...]:
    """Lock the switches of (track, strategy) pairs until the transaction ends, and tell what holds.

    Parameters
    ----------
    stores
        Of the transaction that admits. It must not pull a switch itself: what it writes is undone when it refuses.
        Locks of budgets, orders and accounts come before this one, so that a trigger waits for no queue of theirs.
    pairs
        Whom to judge.

    Returns
    -------
    tuple of EffectiveSwitch
        One for each distinct pair, in order. Nothing may be opened where one is triggered.
    """
    await stores.risk.lock_switches(_tracks(pairs))
    return await read_each(stores, pairs)


async def read_each(stores: Stores, pairs: Iterable[tuple[str, str]]) -> tuple[EffectiveSwitch, ...]:
    """Tell what holds for (track, strategy) pairs at this moment: it may change before the transaction ends."""
    wanted = tuple(dict.fromkeys(pairs))
    reading = await stores.risk.read_switches(_tracks(wanted), [strategy for _, strategy in wanted])
    return effective_switches(reading, wanted)


def effective_switches(
    reading: SwitchReading, pairs: Iterable[tuple[str, str]]
) -> tuple[EffectiveSwitch, ...]:
    """Tell what holds for each (track, strategy) by one reading."""
    return tuple(
        effective_switch(reading.rows, track=track, strategy_id=strategy, now=reading.now)
        for track, strategy in pairs
    )


async def trigger_switch(
    wanted: ManualTrigger, *, by: ChangedBy, transactions: Transactions
) -> EffectiveSwitch:
    """Block a scope on behalf of a person.

    Parameters
    ----------
    wanted
        Scope, reason, duration and mode.
    by
        Who asks.
    transactions
        The record.

    Returns
    -------
    EffectiveSwitch
        What holds for the scope; a stronger block that stood already is still the one reported.
    """
    metadata: dict[str, Any] = {"source": str(Source.MANUAL), "duration_minutes": wanted.duration_minutes}
    if wanted.mode is not Mode.REDUCE_ONLY:
        metadata["mode"] = str(wanted.mode)
    minutes = wanted.duration_minutes
    async with transactions() as stores:
        await stores.risk.lock_switch_for_change(wanted.track)
        reading = await stores.risk.read_switches([wanted.track], [wanted.strategy_id])
        trigger = Trigger(
            track=wanted.track,
            scope=wanted.strategy_id,
            reason=wanted.reason,
            source=Source.MANUAL,
            mode=wanted.mode,
            expires_at=None if minutes is None else reading.now + timedelta(minutes=minutes),
            metadata=metadata,
        )
        reading = await _pull(stores, reading, trigger, by=by)
    return effective_switch(reading.rows, track=wanted.track, strategy_id=wanted.strategy_id, now=reading.now)


async def reset_switch(
    track: str, strategy_id: str, *, reason: str, by: ChangedBy, transactions: Transactions
) -> EffectiveSwitch:
    """Arm one scope again; another scope that blocks goes on blocking.

    Parameters
    ----------
    track
        Whose switch.
    strategy_id
        The scope; `global` is the whole track.
    reason
        Why.
    by
        Who asks.
    transactions
        The record.

    Returns
    -------
    EffectiveSwitch
        Of the scope by itself: armed.
    """
    async with transactions() as stores:
        await stores.risk.lock_switch_for_change(track)
        reading = await stores.risk.read_switches([track], [strategy_id])
        change = apply_reset(
            _row_of(reading, track, strategy_id),
            track=track,
            scope=strategy_id,
            reason=reason,
            now=reading.now,
            metadata={"source": "manual_reset"},
        )
        await stores.risk.save_transition(change, by=by, reason=reason)
    return effective_switch([change.after], track=track, strategy_id=strategy_id, now=reading.now)


async def pull_hard(
    stores: Stores,
    triggers: Sequence[HardTrigger],
    *,
    limits: RiskLimits,
    by: ChangedBy,
    metadata: Mapping[str, Any],
) -> None:
    """Pull the switches of hard rules in an open transaction, in the order of tracks and scopes.

    Parameters
    ----------
    stores
        Of a transaction of its own, that holds no switch for an admission.
    triggers
        What hard rules ask for.
    limits
        How long a block lasts at least.
    by
        Who asked for the check.
    metadata
        Kept with the block.
    """
    for hard in sorted(triggers, key=lambda one: (one.track, one.scope)):
        await stores.risk.lock_switch_for_change(hard.track)
        reading = await stores.risk.read_switches([hard.track], [hard.scope])
        await _pull(stores, reading, hard_block(hard, reading, limits=limits, metadata=metadata), by=by)


def hard_block(
    hard: HardTrigger, reading: SwitchReading, *, limits: RiskLimits, metadata: Mapping[str, Any]
) -> Trigger:
    """Make the block of a hard rule, timed by the clock of the database."""
    return Trigger(
        track=hard.track,
        scope=hard.scope,
        reason=hard.reason,
        source=Source.AUTOMATIC,
        expires_at=hard.expires_at(reading.now, limits),
        until_cleared=frozenset(hard.until_cleared),
        metadata={**metadata, "rules": [str(rule) for rule in hard.rules]},
    )


async def pull_automatic(
    track: str,
    scope: str,
    *,
    reason: str,
    minutes: int,
    by: ChangedBy,
    metadata: Mapping[str, Any],
    transactions: Transactions,
) -> EffectiveSwitch:
    """Block a scope for some minutes on behalf of a rule that does not wait for anything, such as the breaker.

    Parameters
    ----------
    track
        Whose switch.
    scope
        A strategy, or `global`.
    reason
        Code of the rule.
    minutes
        How long at least.
    by
        Who ran the rule.
    metadata
        Kept with the block.
    transactions
        The record.

    Returns
    -------
    EffectiveSwitch
        What holds for the scope.
    """
    async with transactions() as stores:
        await stores.risk.lock_switch_for_change(track)
        reading = await stores.risk.read_switches([track], [scope])
        trigger = Trigger(
            track=track,
            scope=scope,
            reason=reason,
            source=Source.AUTOMATIC,
            expires_at=reading.now + timedelta(minutes=minutes),
            metadata=metadata,
        )
        reading = await _pull(stores, reading, trigger, by=by)
    return effective_switch(reading.rows, track=track, strategy_id=scope, now=reading.now)


async def release_cleared(
    track: str,
    strategy_id: str,
    figures: LossFigures,
    *,
    limits: RiskLimits,
    by: ChangedBy,
    transactions: Transactions,
) -> tuple[Transition, ...]:
    """Let go of hard blocks whose breach has ended by the figures of the ledger (K-41).

    Parameters
    ----------
    track
        Whose switch.
    strategy_id
        Drawdown is judged for the whole track, a streak for this strategy.
    figures
        Of the ledger: never those of a caller, who could hide a loss.
    limits
        Limits in force.
    by
        Who ran the rule.
    transactions
        The record.

    Returns
    -------
    tuple of Transition
        What changed.
    """
    clear = frozenset(
        rule for rule in (Rule.DRAWDOWN, Rule.CONSECUTIVE_LOSS) if not breaches(rule, figures, limits)
    )
    changes = []
    async with transactions() as stores:
        await stores.risk.lock_switch_for_change(track)
        reading = await stores.risk.read_switches([track], [strategy_id])
        for row in reading.rows:
            # the streak of one strategy says nothing of the whole track
            known = clear if row.scope == strategy_id else clear - {Rule.CONSECUTIVE_LOSS}
            change = apply_release(row, known, now=reading.now)
            if change.action is Action.RELEASED:
                await stores.risk.save_transition(change, by=by, reason="breach_ended")
                changes.append(change)
    return tuple(changes)


async def switch_history(
    track: str, scope: str | None, *, limit: int, transactions: Transactions
) -> Sequence[SwitchEvent]:
    """List the transitions of a scope, or of all scopes of a track, newest first."""
    async with transactions() as stores:
        return await stores.risk.history(track, scope, limit=limit)


async def _pull(stores: Stores, reading: SwitchReading, wanted: Trigger, *, by: ChangedBy) -> SwitchReading:
    """Apply a trigger to what was read under the lock; returns the reading as it is afterwards."""
    change = apply_trigger(_row_of(reading, wanted.track, wanted.scope), wanted, now=reading.now)
    if change.action is not Action.KEPT or wanted.source is Source.MANUAL:
        await stores.risk.save_transition(change, by=by, reason=wanted.reason)
    return with_row(reading, change.after)


def with_row(reading: SwitchReading, row: SwitchRow) -> SwitchReading:
    """Put a row in the place of the one that was read."""
    others = tuple(one for one in reading.rows if (one.track, one.scope) != (row.track, row.scope))
    return SwitchReading((*others, row), reading.now)


def _tracks(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return sorted({track for track, _ in pairs})


def _row_of(reading: SwitchReading, track: str, scope: str) -> SwitchRow | None:
    return next((row for row in reading.rows if (row.track, row.scope) == (track, scope)), None)
