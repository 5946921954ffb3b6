"""What an import says of itself: one line per file, sums over all, and how far it is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from marketsentry.core.market.records import DataKind
from marketsentry.exceptions import MarketSentryError
from marketsentry.ports.files import Reject

N_SHOWN_REJECTS = 10


class ImportStatus(StrEnum):
    """What became of a file."""

    IMPORTED = "imported"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file of an import. Rows are counted in the file; `inserted`, `updated`, `unchanged` in the store.

    `rows` = `inserted` + `updated` + `unchanged` + `duplicates` + `rejected`. `reasons` counts rejected rows by
    code; `first_rejects` holds the first ten; `reject_file` holds all. Of a book `inserted` and `unchanged` count books
    and `duplicates` the rows that are folded into one.
    """

    path: str
    status: ImportStatus
    seconds: float
    size_bytes: int = 0
    kind: str | None = None
    layout: str | None = None
    symbol: str | None = None
    interval: str | None = None
    source: str | None = None
    rows: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicates: int = 0
    rejected: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    first_rejects: tuple[Reject, ...] = ()
    reject_file: str | None = None
    note: str | None = None
    error: MarketSentryError | None = None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """All files of one call, in the order they were read."""

    files: tuple[FileReport, ...]
    seconds: float

    @property
    def rows(self) -> int:
        """Rows read from all files."""
        return sum(file.rows for file in self.files)

    @property
    def rejected(self) -> int:
        """Rows refused in all files."""
        return sum(file.rejected for file in self.files)

    @property
    def failed(self) -> tuple[FileReport, ...]:
        """Files of which nothing was loaded because something was wrong with them."""
        return tuple(file for file in self.files if file.status is ImportStatus.FAILED)

    @property
    def series(self) -> tuple[tuple[str, str], ...]:
        """Bar series that the call touched, as (symbol, interval), each once."""
        loaded = (f for f in self.files if f.kind == DataKind.BARS and f.status is not ImportStatus.FAILED)
        return tuple(dict.fromkeys((f.symbol or "", f.interval or "") for f in loaded))


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import is: the current file, bytes of all files done and in total, rows read so far."""

    path: str
    done_bytes: int
    total_bytes: int
    rows: int


OnProgress = Callable[[ImportProgress], None]
