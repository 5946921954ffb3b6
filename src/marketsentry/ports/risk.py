"""Where the risk plane is kept: the kill switch with its history, events, and the limits that were in force."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.risk.hard_rules import LossFigures
from marketsentry.core.risk.kill_switch import SwitchRow, Transition
from marketsentry.core.risk.positions import Position
from marketsentry.core.risk.profiles import Profile

if TYPE_CHECKING:
    from marketsentry.ports import Stores


class Severity(StrEnum):
    """How much an event matters."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class ChangedBy:
    """Who changes a switch: the principal, and the request that asked."""

    actor: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class RiskEvent:
    """One entry of the audit stream, to be appended. `code` may be of any length (K-07)."""

    severity: Severity
    code: str
    message: str
    decision_id: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredRiskEvent:
    """An event read back."""

    id: int
    decision_id: str | None
    severity: Severity
    code: str
    message: str
    payload: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to list; None means any."""

    severity: Severity | None = None
    code: str | None = None
    decision_id: str | None = None


@dataclass(frozen=True, slots=True)
class SwitchReading:
    """Rows of the switch and the database's clock, read by one statement (K-37)."""

    rows: tuple[SwitchRow, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class SwitchEvent:
    """One transition of a switch, as history keeps it."""

    id: int
    track: str
    scope: str
    action: str
    reason: str
    source: str
    actor: str
    request_id: str | None
    state: str
    mode: str
    until_cleared: tuple[str, ...]
    expires_at: datetime | None
    before: Mapping[str, Any] | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PricePath:
    """Prices of one target: UTC epoch ns (n,), ascending, and quote currency (n,)."""

    ts_ns: NDArray[np.int64]
    prices: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AccountState:
    """What the ledger knows of a strategy on a track: losses, and what is held as weights of equity."""

    figures: LossFigures
    positions: tuple[Position, ...]


class AccountFigures(Protocol):
    """Reads losses and holdings from the ledger; what cannot be read is an error, never no loss (K-38)."""

    async def __call__(self, stores: "Stores", *, track: str, strategy_id: str) -> AccountState:
        """Read in the given transaction.

        Drawdown and daily loss are those of the whole track, the streak that of the strategy (for `global` the worst of
        the track), holdings those of the whole track. Raises `DependencyError` when a figure cannot be told.
        """
        ...


class RiskStore(Protocol):
    """Switches, events and limits. Locks last until the transaction ends."""

    async def lock_switches(self, tracks: Sequence[str]) -> None:
        """Hold the switches of tracks as they are, beside others who do: the last lock of what admits an order.

        Then read them by a statement of its own. Whoever pulls a switch waits for the admissions under way and holds up
        those that come, so that none commits after the call has returned that pulled it.
        """
        ...

    async def lock_switch_for_change(self, track: str) -> None:
        """Wait until nobody holds the switches of a track, and hold up all who want to."""
        ...

    async def lock_budget(self, track: str) -> None:
        """Wait for the admissions of a track, so that check and reservation are one (K-44); before any other lock."""
        ...

    async def lock_budgets_of(self, decision_id: str) -> None:
        """Do so for each track of the orders of a decision."""
        ...

    async def read_switches(self, tracks: Sequence[str], strategy_ids: Sequence[str]) -> SwitchReading:
        """Read the rows of strategies, and of the whole track, with the clock of the database, by one statement."""
        ...

    async def all_switches(self) -> SwitchReading:
        """Read every row, by track and strategy."""
        ...

    async def save_transition(self, transition: Transition, *, by: ChangedBy, reason: str) -> None:
        """Store what became of a row, and append it to the history with the `reason` that was given."""
        ...

    async def history(self, track: str, scope: str | None, *, limit: int) -> Sequence[SwitchEvent]:
        """List transitions, newest first."""
        ...

    async def registered_labels(self, targets: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Profile]:
        """Read sector and style of (track, target) from the entity registry; a perpetual has those of its asset."""
        ...

    async def add_events(self, events: Sequence[RiskEvent]) -> Sequence[int]:
        """Append events; returns their ids."""
        ...

    async def page_events(
        self, wanted: EventFilter, *, before_id: int | None, limit: int
    ) -> Sequence[StoredRiskEvent]:
        """List events with an id below `before_id`, newest first."""
        ...

    async def record_limits(self, version: str, limits: Mapping[str, Any]) -> datetime:
        """Note that a set of limits is in force; returns when it first was."""
        ...

    async def spot_prices(self, symbol: str, *, as_of: datetime) -> PricePath:
        """Read of the last two days the newest 97 prices, and the last one of each five minutes."""
        ...

    async def bar_closes(self, symbol: str, *, as_of: datetime) -> PricePath:
        """Read the closes of the last two days of the shortest bars that are stored."""
        ...
