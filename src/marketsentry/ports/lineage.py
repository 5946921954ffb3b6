"""Where snapshots of two writers are found together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from marketsentry.core.quality.lineage_check import Writer

PayloadPair = tuple[Mapping[str, Any], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class LineageQuery:
    """Snapshots of one lineage; `target` and `data_version` None mean any."""

    track: str
    lineage_id: str
    target: str | None = None
    data_version: str | None = None


class LineageStore(Protocol):
    """Payloads of snapshots, side by side."""

    async def writer_pairs(
        self, query: LineageQuery, writer: Writer, *, limit: int
    ) -> tuple[PayloadPair, ...]:
        """Read what two writers wrote of the same bars, newest bars first.

        A bar is the same when target, event time, feature version and data version are. The first of each pair is of
        the lineage, which `writer` wrote; the second is the newest snapshot of the bar by the other writer.
        """
        ...

    async def lineage_pairs(
        self, query: LineageQuery, other_lineage_id: str, *, limit: int
    ) -> tuple[PayloadPair, ...]:
        """Read what two lineages hold of the same bars, whoever wrote them, newest bars first."""
        ...

    async def newest_pairs(self, query: LineageQuery) -> tuple[PayloadPair, ...]:
        """Read the two newest snapshots of each target of a lineage; a target with a single one is left out."""
        ...
