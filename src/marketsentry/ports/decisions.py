"""Where decisions are kept, and the target book that each asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from marketsentry.exceptions import InputError

MAX_KEY_LENGTH = 255


class DecisionSource(StrEnum):
    """Who decided."""

    REBALANCE = "rebalance"
    ORDERS = "orders"
    SIGNAL = "signal"
    TRADER = "trader"
    FLATTEN = "flatten"


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A client's key and the hash of what it asked: the same key with another request is refused."""

    key: str
    request_hash: str

    def __post_init__(self) -> None:
        if not 1 <= len(self.key) <= MAX_KEY_LENGTH:
            raise InputError(
                f"idempotency key must have 1 to {MAX_KEY_LENGTH} characters, had {len(self.key)}"
            )


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision to be stored; its signals, positions, orders and risk events carry its id.

    `track` is the first of those decided on. `capital` is in quote currency, None where none was named. Each of
    `violations` is a JSON object that names its `code`. Orders of a decision that is not approved are never run.
    """

    decision_id: str
    track: str
    strategy_id: str
    source: DecisionSource
    as_of: datetime
    is_approved: bool
    capital: Decimal | None = None
    violations: tuple[Mapping[str, Any], ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True)
class StoredDecision:
    """A decision read back."""

    decision_id: str
    track: str
    strategy_id: str
    source: DecisionSource
    as_of: datetime
    is_approved: bool
    capital: Decimal | None
    violations: tuple[Mapping[str, Any], ...]
    metadata: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AddedDecision:
    """What `DecisionStore.add` did: `is_new` is False when the key had been used for the same request before."""

    decision: StoredDecision
    is_new: bool


@dataclass(frozen=True, slots=True)
class BookEntry:
    """The weight that a decision wants of one target: a signed fraction of capital."""

    target: str
    track: str
    weight: float
    sector: str | None = None
    style_bucket: str | None = None
    reason: str = "rebalance"


@dataclass(frozen=True, slots=True)
class StoredBookEntry:
    """A wanted weight read back."""

    id: int
    decision_id: str
    target: str
    track: str
    weight: float
    sector: str | None
    style_bucket: str | None
    reason: str
    created_at: datetime


class DecisionStore(Protocol):
    """Decisions; they are appended and never changed."""

    async def add(self, decision: Decision) -> AddedDecision:
        """Append a decision, or give the stored one of the same idempotency key and request.

        Waits for a transaction that adds the same key now. Raises `ConflictError` when the key was used for another
        request.
        """
        ...

    async def put(self, decision: Decision, entries: Sequence[BookEntry]) -> None:
        """Append a decision that has no key, with the weights that it wants: its success is told by a later answer."""
        ...

    async def find(self, idempotency: Idempotency) -> StoredDecision | None:
        """Read the decision of a key; raises `ConflictError` when it was another request."""
        ...

    async def get(self, decision_id: str) -> StoredDecision:
        """Read a decision; raises `NotFoundError`."""
        ...

    async def page(
        self, *, track: str | None, strategy_id: str | None, before_id: str | None, limit: int
    ) -> Sequence[StoredDecision]:
        """List decisions, newest first, that come after the decision `before_id`.

        Raises `NotFoundError` when there is no such decision.
        """
        ...

    async def add_book(self, decision_id: str, entries: Sequence[BookEntry]) -> None:
        """Append the weights that a decision wants."""
        ...

    async def book(self, decision_id: str) -> Sequence[StoredBookEntry]:
        """Read the weights that a decision wants, in the order in which they were added."""
        ...
