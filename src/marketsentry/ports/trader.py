"""Where a trader leaves what its next bar needs, so that a restart goes on from the record."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class TraderState:
    """State after the bar that ended at `bar_end`; `document` is that of `core.trading.decider.Decider`."""

    bar_end: datetime
    document: Mapping[str, Any]


class TraderStore(Protocol):
    """One state per strategy and account; it is replaced with each bar."""

    async def get(self, strategy_id: str, account_id: int) -> TraderState | None:
        """Read the state; None before the first bar."""
        ...

    async def put(self, strategy_id: str, account_id: int, state: TraderState) -> None:
        """Replace the state; raises `ConflictError` when one of a later bar is there."""
        ...
