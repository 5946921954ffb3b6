"""Where signals are kept: what a prediction was taken to mean, and by which decision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class SignalRecord:
    """A signal to be stored. `score` and `confidence` are None together: nobody answered, so `action` is `hold`."""

    track: str
    target: str
    horizon: str
    score: float | None
    confidence: float | None
    action: str
    policy: str
    strategy_bucket: str
    strategy_id: str
    decision_id: str
    prediction_id: int | None
    expires_at: datetime
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredSignal:
    """A signal read back."""

    id: int
    track: str
    target: str
    horizon: str
    score: float | None
    confidence: float | None
    action: str
    policy: str
    strategy_bucket: str
    strategy_id: str
    decision_id: str
    prediction_id: int | None
    expires_at: datetime
    metadata: Mapping[str, Any]
    created_at: datetime


class SignalStore(Protocol):
    """Signals; they are appended and never changed."""

    async def add(self, signal: SignalRecord) -> StoredSignal:
        """Append a signal."""
        ...

    async def add_many(self, signals: Sequence[SignalRecord]) -> Sequence[StoredSignal]:
        """Append signals; returns them in their order."""
        ...

    async def put_many(self, signals: Sequence[SignalRecord]) -> None:
        """Append signals in their order: their success is told by a later answer."""
        ...

    async def get(self, signal_id: int) -> StoredSignal:
        """Read a signal; raises `NotFoundError`."""
        ...

    async def get_many(self, signal_ids: Sequence[int]) -> Sequence[StoredSignal]:
        """Read the signals that exist among these, in no order."""
        ...

    async def of_decision(self, decision_id: str) -> Sequence[StoredSignal]:
        """Read the signals of a decision, oldest first."""
        ...

    async def page(
        self,
        *,
        track: str | None,
        target: str | None,
        strategy_id: str | None,
        before_id: int | None,
        limit: int,
    ) -> Sequence[StoredSignal]:
        """List signals with an id below `before_id`, newest first."""
        ...
