"""What the store remembers of imported files, so that the same file costs a hash."""

from dataclasses import dataclass
from typing import Protocol

from marketsentry.core.market.records import DataKind


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """One file as it was imported. `timeframe` is empty for anything but bars; hashes are hex."""

    path: str
    sha256: str
    size_bytes: int
    kind: DataKind
    layout: str
    symbol: str
    timeframe: str
    source: str
    n_rows: int
    n_rejected: int
    block_hashes: tuple[str, ...]


class ImportStore(Protocol):
    """Files that were imported, by content."""

    async def same_content(self, sha256: str) -> tuple[ImportedFile, ...]:
        """Find imports of exactly these bytes, newest first."""
        ...

    async def last_of_path(
        self, path: str, kind: DataKind, symbol: str, timeframe: str, source: str
    ) -> ImportedFile | None:
        """Find the newest import of a path into one series: what its blocks were the last time."""
        ...

    async def record(self, imported: ImportedFile) -> None:
        """Remember an import; the same content into the same series replaces its older line."""
        ...

    async def has_rows(self, imported: ImportedFile) -> bool:
        """Tell whether what the file brought still exists (a series may have been deleted since)."""
        ...
