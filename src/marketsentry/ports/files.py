"""Files of market data: how a reader hands rows to the import, block by block."""

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.interval import Interval
from marketsentry.core.market.records import DataKind

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class FileHints:
    """What the caller says about a file; it wins over what its name says."""

    kind: DataKind | None = None
    symbol: str | None = None
    interval: Interval | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What a file holds. `interval` is None for anything but bars; `symbol` is canonical, empty for news.

    `named_symbol` is what the file's name says, None where it says nothing.
    """

    kind: DataKind
    layout: str
    symbol: str
    source: str
    interval: Interval | None
    named_symbol: str | None = None


class RowBlock(Protocol):
    """Consecutive rows of a file, in file order.

    `columns` holds arrays of shape (n_rows,) by name. Bars: `ts_ns`, `open`, `high`, `low`, `close`,
    `volume`, and `trades_count`. Trades: `ts_ns`, `known_at_ns`, `price`, `size`, `side`, `trade_id`.
    Quotes: `ts_ns`, `known_at_ns`, `bid`, `bid_size`, `ask`, `ask_size`. Books, one row per changed level: `ts_ns`,
    `known_at_ns`, `price`, `size` (0 takes the level out), `side` (+1 bid), `is_snapshot`, `first_id`, `last_id`,
    `prev_id` (-1 where not told). Funding: `ts_ns`, `rate`. News: `ts_ns`, `known_at_ns`, `title`, `url`,
    `source_name`, `payload`.
    `reason` (n_rows,) uint8 is a `Reason`, 0 where the reader could read the row. `line` (n_rows,) int64:
    line of a text file or row of a table, from 1.
    """

    @property
    def columns(self) -> Columns: ...
    @property
    def reason(self) -> NDArray[np.uint8]: ...
    @property
    def line(self) -> NDArray[np.int64]: ...
    @property
    def done_frac(self) -> float: ...

    def content_hash(self, reason: NDArray[np.uint8]) -> str:
        """Name the block by its values, in file order, and by what was found wrong with each row."""
        ...

    def text(self, row: int) -> str:
        """Return the row as it stands in the file, for the reject file."""
        ...


class MarketFile(Protocol):
    """An opened file."""

    path: Path
    size_bytes: int
    sha256: str

    def identity(self) -> FileIdentity | None:
        """Tell what the file holds, None where its columns are of no kind that is imported.

        Raises `InputError` where name, content and hints leave symbol, source or interval open, and
        `DataQualityError` where they contradict each other.
        """
        ...

    def refuse_if_changed(self) -> None:
        """Raise `DataQualityError` when the file is not the one that was opened any more."""
        ...

    def blocks(self) -> Generator[RowBlock]:
        """Read all rows in blocks of at most 65,536. `DataQualityError` when the file is damaged."""
        ...


@dataclass(frozen=True, slots=True)
class Reject:
    """One refused row."""

    file: str
    line: int
    reason: str
    text: str


class RejectLog(Protocol):
    """The reject file of one import; it exists only if a row was refused."""

    @property
    def path(self) -> Path | None: ...

    def add(self, rejects: Sequence[Reject]) -> None:
        """Append rows."""
        ...


class MarketFiles(Protocol):
    """Files on disk."""

    def find(self, paths: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[tuple[Path, str], ...]]:
        """List data files under the paths, sorted, and what was passed over with the reason."""
        ...

    def open(self, path: Path, hints: FileHints) -> AbstractContextManager[MarketFile]:
        """Open, hash and recognise one file. `DataQualityError` or `InputError` names it when that fails."""
        ...

    def reject_log(self, file: MarketFile) -> AbstractContextManager[RejectLog]:
        """Open the reject file that belongs to `file`; what an earlier import left there is replaced."""
        ...
