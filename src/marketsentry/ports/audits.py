"""Stored results of the data-quality gate, and how far downloads came."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from marketsentry.core.market.interval import Interval


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One judgement of one series. `result` holds the contract's keys, the checks with limits, the gaps."""

    symbol: str
    interval: Interval
    source: str
    as_of: datetime
    passed: bool
    reasons: tuple[str, ...]
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DownloadKey:
    """What is downloaded. `until_ns` is `OPEN_END_NS` where it goes up to the present each time."""

    venue: str
    symbol: str
    interval: Interval
    since_ns: int
    until_ns: int


OPEN_END_NS = 4_102_444_800 * 1_000_000_000
"""2100-01-01: stands for an end that was not given."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a download came: every bar that opens before `next_ns` was asked for and answered."""

    key: DownloadKey
    next_ns: int
    n_bars: int
    is_done: bool


class AuditStore(Protocol):
    """Stored results of the data-quality gate, and how far downloads came."""

    async def add_audit(self, record: AuditRecord) -> int:
        """Append a judgement; returns its id."""
        ...

    async def last_audit(self, symbol: str, interval: Interval) -> AuditRecord | None:
        """Read the newest judgement of a series."""
        ...

    async def checkpoint(self, key: DownloadKey) -> Checkpoint | None:
        """Read how far a download came, and hold it until this transaction ends."""
        ...

    async def save_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Store how far a download came, in the transaction that stores its bars."""
        ...
