"""Market data files on this machine: found, opened, recognised, read in blocks."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Self

import duckdb
import numpy as np
from numpy.typing import NDArray

from marketsentry.adapters.files import record_reader, table_reader
from marketsentry.adapters.files.layouts import Layout
from marketsentry.adapters.files.path_names import PathName, data_stem, read_path_name
from marketsentry.adapters.files.plain import Format, PlainFile, file_stamp, has_data_suffix, plain_file
from marketsentry.adapters.files.reject_log import CsvRejectLog, open_reject_log
from marketsentry.adapters.files.rows import Parts, cut_blocks, finish
from marketsentry.core.market.interval import Interval, interval_of_seconds
from marketsentry.core.market.records import DataKind
from marketsentry.core.market.symbols import canonical_symbol, check_symbol, market_of_source
from marketsentry.core.market.timestamps import MIN_TIME_NS
from marketsentry.exceptions import DataQualityError, InputError, NotFoundError
from marketsentry.ports.files import FileHints, FileIdentity, MarketFile, RowBlock

_MIN_ROWS_TO_JUDGE = 10


class LocalFiles:
    """Finds and opens files; see `ports.files.MarketFiles`."""

    def __init__(self, *, work_dir: Path, rejects_dir: Path) -> None:
        self._work_dir = work_dir
        self._rejects_dir = rejects_dir

    @classmethod
    def under(cls, home: Path) -> Self:
        """Files with their scratch copies and reject files under the program's data directory."""
        return cls(work_dir=home / "work", rejects_dir=home / "rejects")

    def find(self, paths: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[tuple[Path, str], ...]]:
        """List data files under the paths: named files as they are, of a folder what has a data suffix."""
        found: dict[Path, None] = {}
        passed: list[tuple[Path, str]] = []
        for path in paths:
            if not path.exists():
                raise NotFoundError(f"there is no file or folder {path}")
            if not path.is_dir():
                found[path] = None
                continue
            for inner in sorted(p for p in path.rglob("*") if p.is_file()):
                if has_data_suffix(inner):
                    found[inner] = None
                else:
                    passed.append((inner, "not a data file by its name"))
        return tuple(found), tuple(passed)

    @contextmanager
    def open(self, path: Path, hints: FileHints) -> Iterator[MarketFile]:
        """Open, check and hash a file."""
        with plain_file(path, self._work_dir) as plain, closing(table_reader.connect(self._work_dir)) as duck:
            yield _LocalFile(path, plain, hints, duck)

    def reject_log(self, file: MarketFile) -> AbstractContextManager[CsvRejectLog]:
        """Open the reject file of a file."""
        return open_reject_log(self._rejects_dir, file.path.name, file.sha256)


class _LocalFile:
    """One opened file; see `ports.files.MarketFile`."""

    def __init__(
        self, path: Path, plain: PlainFile, hints: FileHints, duck: duckdb.DuckDBPyConnection
    ) -> None:
        self.path = path
        self.size_bytes = plain.size_bytes
        self.sha256 = plain.sha256
        self._plain = plain
        self._hints = hints
        self._duck = duck
        self._json_names: tuple[str, ...] = ()
        self._delimited: table_reader.Delimited | None = None
        self._layout = self._recognise()

    def identity(self) -> FileIdentity | None:
        """Tell what the file holds, None when it is nothing that can be imported."""
        if self._layout is None:
            return None
        named = read_path_name(self.path.absolute())
        if self._layout.kind is DataKind.NEWS:
            return FileIdentity(
                DataKind.NEWS, self._layout.name, "", self._hints.source or data_stem(self.path), None
            )
        source = self._source(named)
        symbol = self._symbol(named, source)
        interval = self._interval(named) if self._layout.kind is DataKind.BARS else None
        return FileIdentity(self._layout.kind, self._layout.name, symbol, source, interval, named.raw_symbol)

    def refuse_if_changed(self) -> None:
        """Compare size and time of change with those at the opening."""
        if file_stamp(self.path) != self._plain.stamp:
            raise DataQualityError(f"{self.path}: changed while it was read")

    def blocks(self) -> Generator[RowBlock]:
        """Read all rows."""
        if self._layout is None:
            raise InputError(
                f"{self.path}: columns are not those of bars, trades, books, funding rates or news"
            )
        try:
            yield from cut_blocks(self._finished(self._layout))
        except DataQualityError as exc:
            raise DataQualityError(str(exc).replace(str(self._plain.path), str(self.path))) from exc

    def _recognise(self) -> Layout | None:
        layout: Layout | None
        if self._plain.format is Format.PARQUET:
            layout = table_reader.parquet_layout(self._duck, self._plain.path)
        elif self._plain.format is Format.JSON_LINES:
            layout, self._json_names = record_reader.json_layout(self._plain.path) or (None, ())
        else:
            self._delimited = table_reader.sniff_delimited(self._plain.path)
            layout = self._delimited.layout if self._delimited else None
        wanted = self._hints.kind
        if layout is not None and wanted is not None and layout.kind is not wanted:
            raise DataQualityError(f"{self.path}: holds {layout.kind}, was to hold {wanted}")
        return layout

    def _finished(self, layout: Layout) -> Iterator[Parts]:
        for raw in self._raw(layout):
            yield Parts(finish(layout.kind, raw.columns), raw.reason, raw.line, raw.done_frac, raw.text_of)

    def _raw(self, layout: Layout) -> Iterator[Parts]:
        path = self._plain.path
        if self._plain.format is Format.PARQUET:
            return table_reader.read_parquet(self._duck, path, layout)
        if self._delimited is None:
            return record_reader.read_json_lines(path, layout, self._json_names)
        if layout.kind is DataKind.NEWS:
            return record_reader.read_quoted(path, layout, self._delimited.delimiter, self._delimited.n_skip)
        return table_reader.read_delimited(self._duck, path, self._delimited)

    def _source(self, named: PathName) -> str:
        if self._hints.source:
            return self._hints.source.strip().lower()
        if (
            self._layout is not None
            and self._layout.kind is DataKind.FUNDING
            and named.market is None
            and named.venue
        ):
            return f"{named.venue}_perp"  # only perpetuals have funding
        if named.source is None:
            raise InputError(
                f"{self.path}: its name does not say venue and market; give them, as in --source binance_spot"
            )
        return named.source

    def _symbol(self, named: PathName, source: str) -> str:
        if self._hints.symbol:
            return check_symbol(self._hints.symbol)
        if named.raw_symbol is None:
            raise InputError(f"{self.path}: its name does not say the symbol; give it, as in --symbol BTC")
        try:
            return canonical_symbol(named.raw_symbol, market_of_source(source))
        except InputError as exc:
            raise InputError(f"{self.path}: {exc}; give it, as in --symbol BTC") from exc

    def _interval(self, named: PathName) -> Interval:
        said = self._hints.interval or named.interval
        with closing(self.blocks()) as blocks:
            measured = _usual_step(next(blocks, None))
        if said is None and measured is None:
            raise InputError(
                f"{self.path}: neither name nor rows say the interval; give it, as in --interval 1m"
            )
        if said is not None and measured is not None and said != measured:
            raise DataQualityError(
                f"{self.path}: mislabelled, said to hold {said} bars, its rows are {measured} apart"
            )
        return said or measured or interval_of_seconds(60)


def _usual_step(block: RowBlock | None) -> Interval | None:
    """The commonest distance between neighbouring times of a block; None where there are too few rows."""
    if block is None:
        return None
    ts_ns: NDArray[np.int64] = np.unique(block.columns["ts_ns"])
    steps = np.diff(ts_ns[ts_ns >= MIN_TIME_NS])
    if steps.size < _MIN_ROWS_TO_JUDGE:
        return None
    values, counts = np.unique(steps, return_counts=True)
    step_s, rest = divmod(int(values[np.argmax(counts)]), 1_000_000_000)
    return None if rest or step_s < 1 else interval_of_seconds(step_s)
