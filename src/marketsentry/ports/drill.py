"""A venue that a drill may break: it takes faults on order, counts them, and tells the truth afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Protocol

from marketsentry.core.orders.truth import Truth


@dataclass(frozen=True, slots=True)
class FaultOrder:
    """A fault to inject, by the venue's own name of it.

    `where` is a shell pattern over `METHOD /path`. The first `skip` matches are spared, then each is hit with
    probability `rate`, at most `times` of them. `value` is seconds, or a fraction, as the fault has it.
    """

    fault: str
    where: str
    rate: float = 1.0
    times: int | None = None
    skip: int = 0
    value: float = 0.0

    def document(self) -> dict[str, Any]:
        """Spell it as JSON values."""
        return asdict(self)


class BreakableVenue(Protocol):
    """A simulated venue with its back door; all methods raise `DependencyError` when it does not answer."""

    async def deposit(self, coin: str, amount: Decimal) -> None:
        """Bring money in from outside."""
        ...

    async def inject(self, faults: Sequence[FaultOrder]) -> None:
        """Arm faults, after those that are armed."""
        ...

    async def lift(self) -> Mapping[str, int]:
        """Disarm all faults; tells how often each has happened."""
        ...

    async def truth(self) -> Truth:
        """Tell everything that the venue knows of its client."""
        ...
