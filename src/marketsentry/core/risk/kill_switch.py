"""The kill switch as values: how blocks combine, what really blocks, and what may end it (K-33, K-34, K-36, K-41).

There is one row per track and scope; the scope is a strategy, or `global` for the whole track. A block may grow by
another trigger and ends by its expiry, by the end of the breach that it waits for, or by a reset. Nothing else weakens
it. Times carry an offset, and `now` is the clock of the database (K-37).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from marketsentry.core.risk.codes import GLOBAL, Rule, kill_switch_code
from marketsentry.exceptions import InputError

NOT_SET = "not_set"


class SwitchState(StrEnum):
    """`armed` lets trade, `triggered` blocks."""

    ARMED = "armed"
    TRIGGERED = "triggered"


class Mode(StrEnum):
    """How much a block demands, weakest first. No mode admits an opening, and each lets positions be closed."""

    NO_NEW = "no_new"  # orders that are already working may still fill
    REDUCE_ONLY = "reduce_only"  # working orders that open are cancelled
    FLATTEN = "flatten"  # and what is held is to be closed

    @property
    def severity(self) -> int:
        """Order of the modes: 0 is the weakest."""
        return _MODES.index(self)

    @property
    def cancels_openings(self) -> bool:
        """Whether working orders that open have to be cancelled."""
        return self is not Mode.NO_NEW

    @property
    def demands_closing(self) -> bool:
        """Whether what is held has to be closed."""
        return self is Mode.FLATTEN


_MODES = tuple(Mode)


class Source(StrEnum):
    """Who pulled the switch: a person or a rule."""

    MANUAL = "manual"
    AUTOMATIC = "automatic"


class Action(StrEnum):
    """What a transition did. `kept` changed nothing, because a block as strong stood already."""

    TRIGGERED = "triggered"
    EXTENDED = "extended"
    KEPT = "kept"
    RELEASED = "released"  # a breach that a block waited for has ended
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Trigger:
    """A wish to block a scope. `expires_at` None holds until a reset.

    A block `until_cleared` outlives its expiry as long as one of these rules is still broken.
    """

    track: str
    scope: str
    reason: str
    source: Source
    mode: Mode = Mode.REDUCE_ONLY
    expires_at: datetime | None = None
    until_cleared: frozenset[Rule] = frozenset()
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SwitchRow:
    """The switch of one scope as it is stored."""

    track: str
    scope: str
    state: SwitchState
    reason: str
    source: Source
    mode: Mode
    until_cleared: frozenset[Rule]
    metadata: Mapping[str, Any]
    triggered_at: datetime | None
    expires_at: datetime | None
    updated_at: datetime

    def blocks_at(self, now: datetime) -> bool:
        """Tell whether the row blocks: triggered, and neither expired nor waiting for nothing more."""
        if self.state is not SwitchState.TRIGGERED:
            return False
        return self.expires_at is None or self.expires_at > now or bool(self.until_cleared)

    def ends_at(self, now: datetime) -> datetime | None:
        """Return when the block ends by itself; None where only a reset, or the end of a breach, ends it."""
        return self.expires_at if self.expires_at is not None and self.expires_at > now else None


@dataclass(frozen=True, slots=True)
class Transition:
    """What became of a row."""

    action: Action
    before: SwitchRow | None
    after: SwitchRow


def apply_trigger(row: SwitchRow | None, wanted: Trigger, *, now: datetime) -> Transition:
    """Pull a switch: a block that stands is made stronger, never weaker (K-34).

    Parameters
    ----------
    row
        What is stored for the scope; None where nothing is.
    wanted
        The block to add.
    now
        The database's clock.

    Returns
    -------
    Transition
        The later expiry, the stricter mode and every rule waited for; open-ended beats timed. A person's reason is
        kept against a rule's; of two of a kind the one that lasts longer names the block, then the newer.
    """
    _refuse_other_scope(row, wanted)
    if row is None or not row.blocks_at(now):
        return Transition(Action.TRIGGERED, row, _fresh(wanted, now))
    named = wanted if _names_the_block(row, wanted) else row
    expires_at = (
        None if None in (row.expires_at, wanted.expires_at) else _latest(row.expires_at, wanted.expires_at)
    )
    combined = replace(
        row,
        reason=named.reason,
        metadata=named.metadata,
        source=Source.MANUAL if Source.MANUAL in (row.source, wanted.source) else Source.AUTOMATIC,
        mode=max(row.mode, wanted.mode, key=lambda mode: mode.severity),
        until_cleared=row.until_cleared | wanted.until_cleared,
        expires_at=expires_at,
    )
    if combined == row:
        return Transition(Action.KEPT, row, row)
    return Transition(Action.EXTENDED, row, replace(combined, updated_at=now))


def apply_reset(
    row: SwitchRow | None, *, track: str, scope: str, reason: str, now: datetime, metadata: Mapping[str, Any]
) -> Transition:
    """Arm one scope again, whatever blocked it; no other scope changes."""
    after = SwitchRow(
        track=track,
        scope=scope,
        state=SwitchState.ARMED,
        reason=reason,
        source=Source.MANUAL,
        mode=Mode.REDUCE_ONLY,
        until_cleared=frozenset(),
        metadata=metadata,
        triggered_at=None,
        expires_at=None,
        updated_at=now,
    )
    return Transition(Action.RESET, row, after)


def apply_release(row: SwitchRow, cleared: Iterable[Rule], *, now: datetime) -> Transition:
    """Note that breaches have ended: the block goes on until its expiry, or for what else it waits (K-41)."""
    left = row.until_cleared - frozenset(cleared)
    if left == row.until_cleared:
        return Transition(Action.KEPT, row, row)
    return Transition(Action.RELEASED, row, replace(row, until_cleared=left, updated_at=now))


@dataclass(frozen=True, slots=True)
class Block:
    """One row that blocks now. `expires_at` is None where it does not end by time."""

    scope: str
    reason: str
    source: Source
    mode: Mode
    expires_at: datetime | None
    remaining_seconds: int
    until_cleared: frozenset[Rule]


@dataclass(frozen=True, slots=True)
class EffectiveSwitch:
    """What holds for a strategy of a track.

    State, reason, times and metadata are those of the row that blocks; the strategy's own comes first. `blocks` lists
    every row that does, `mode` is the strictest of theirs, None where nothing blocks.
    """

    track: str
    strategy_id: str
    state: SwitchState
    reason: str
    updated_at: datetime | None
    expires_at: datetime | None
    remaining_seconds: int
    metadata: Mapping[str, Any]
    mode: Mode | None
    blocks: tuple[Block, ...]

    @property
    def triggered(self) -> bool:
        """Whether openings are blocked."""
        return bool(self.blocks)

    @property
    def code(self) -> str | None:
        """Code of the block; None where nothing blocks."""
        return kill_switch_code(self.track, self.blocks[0].scope) if self.blocks else None


def effective_switch(
    rows: Sequence[SwitchRow], *, track: str, strategy_id: str, now: datetime
) -> EffectiveSwitch:
    """Tell what holds for a strategy (K-36).

    Parameters
    ----------
    rows
        The rows of the track; those of other scopes do not count.
    track
        Whose switch.
    strategy_id
        Whom to judge; `global` is the track itself.
    now
        The database's clock.

    Returns
    -------
    EffectiveSwitch
        An expired row reads `armed`. Without a row of its own a strategy that nothing blocks reads `not_set`.
    """
    own = _row_of(rows, track, strategy_id)
    whole = None if strategy_id == GLOBAL else _row_of(rows, track, GLOBAL)
    blocking = [row for row in (own, whole) if row is not None and row.blocks_at(now)]
    blocks = tuple(_block(row, now) for row in blocking)
    shown = blocking[0] if blocking else own
    return EffectiveSwitch(
        track=track,
        strategy_id=strategy_id,
        state=SwitchState.TRIGGERED if blocking else SwitchState.ARMED,
        reason=NOT_SET if shown is None else shown.reason,
        updated_at=None if shown is None else shown.updated_at,
        expires_at=blocks[0].expires_at if blocks else None,
        remaining_seconds=blocks[0].remaining_seconds if blocks else 0,
        metadata={} if shown is None else shown.metadata,
        mode=max((block.mode for block in blocks), key=lambda mode: mode.severity, default=None),
        blocks=blocks,
    )


def _row_of(rows: Sequence[SwitchRow], track: str, scope: str) -> SwitchRow | None:
    return next((row for row in rows if row.track == track and row.scope == scope), None)


def _block(row: SwitchRow, now: datetime) -> Block:
    end = row.ends_at(now)
    left = 0 if end is None else int((end - now).total_seconds())
    return Block(row.scope, row.reason, row.source, row.mode, end, left, row.until_cleared)


def _fresh(wanted: Trigger, now: datetime) -> SwitchRow:
    return SwitchRow(
        track=wanted.track,
        scope=wanted.scope,
        state=SwitchState.TRIGGERED,
        reason=wanted.reason,
        source=wanted.source,
        mode=wanted.mode,
        until_cleared=wanted.until_cleared,
        metadata=wanted.metadata,
        triggered_at=now,
        expires_at=wanted.expires_at,
        updated_at=now,
    )


def _names_the_block(row: SwitchRow, wanted: Trigger) -> bool:
    if row.source is not wanted.source:
        return wanted.source is Source.MANUAL
    if row.expires_at is None or wanted.expires_at is None:
        return wanted.expires_at is None
    return wanted.expires_at >= row.expires_at


def _latest(*times: datetime | None) -> datetime:
    return max(time for time in times if time is not None)


def _refuse_other_scope(row: SwitchRow | None, wanted: Trigger) -> None:
    if row is not None and (row.track, row.scope) != (wanted.track, wanted.scope):
        raise InputError(
            f"a trigger of {wanted.track}:{wanted.scope} cannot change the row of {row.track}:{row.scope}"
        )
