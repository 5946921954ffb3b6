"""Import files of market data: check every row, load a file whole or not at all, remember what was imported."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import ExitStack, aclosing, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from marketsentry.core.market.book import BookBlock
from marketsentry.core.market.book_build import BookBuilder, take_books
from marketsentry.core.market.intake import (
    Taken,
    take_bars,
    take_funding,
    take_news,
    take_quotes,
    take_trades,
)
from marketsentry.core.market.records import DataKind
from marketsentry.core.market.timestamps import datetime_to_ns
from marketsentry.core.market.validation import Reason
from marketsentry.exceptions import ConflictError, DataQualityError, InputError, NotFoundError
from marketsentry.ports import Clock, Stores, Transactions
from marketsentry.ports.bars import MergeCounts
from marketsentry.ports.files import (
    FileHints,
    FileIdentity,
    MarketFile,
    MarketFiles,
    Reject,
    RejectLog,
    RowBlock,
)
from marketsentry.ports.imports import ImportedFile
from marketsentry.services.import_report import (
    N_SHOWN_REJECTS,
    FileReport,
    ImportProgress,
    ImportReport,
    ImportStatus,
    OnProgress,
)


async def import_files(
    paths: Sequence[Path],
    *,
    files: MarketFiles,
    transactions: Transactions,
    clock: Clock,
    hints: FileHints | None = None,
    force: bool = False,
    on_progress: OnProgress | None = None,
) -> ImportReport:
    """Import files and folders of market data.

    Parameters
    ----------
    paths : sequence of Path
        Files, and folders of which every data file is taken.
    files : MarketFiles
        Reads them.
    transactions : Transactions
        One is opened per file: a file lands whole (its good rows) or not at all.
    clock : Clock
        Rows later than its present are refused.
    hints : FileHints, optional
        What holds for all files and wins over their names.
    force : bool
        Read and compare a file although the same bytes were imported before.
    on_progress : callable, optional
        Called after every block of rows.

    Returns
    -------
    ImportReport
        One entry per file. A file that failed carries its error; the others landed.

    Raises
    ------
    NotFoundError
        If a path does not exist; nothing is imported then.
    DependencyError
        If the record fails; files before it have landed.
    """
    started = time.perf_counter()
    found, passed = await asyncio.to_thread(files.find, paths)
    call = _Call(files, transactions, clock, hints or FileHints(), force, set(map(Path, paths)))
    meter = _Meter(on_progress, sum(path.stat().st_size for path in found if path.is_file()))
    reports = []
    for path in found:
        reports.append(await _import_file(path, call, meter))
        meter.done_bytes += reports[-1].size_bytes
        meter.rows += reports[-1].rows
    skipped = [FileReport(str(path), ImportStatus.SKIPPED, 0.0, note=why) for path, why in passed]
    return ImportReport((*reports, *skipped), time.perf_counter() - started)


@dataclass(frozen=True, slots=True)
class _Call:
    files: MarketFiles
    transactions: Transactions
    clock: Clock
    hints: FileHints
    force: bool
    named: set[Path]
    first_named: dict[str, str] = field(default_factory=dict)

    def refuse_mixture(self, path: Path, identity: FileIdentity) -> None:
        """One name for all files must not put different markets into one series."""
        if self.hints.symbol is None or identity.named_symbol is None:
            return
        first = self.first_named.setdefault(identity.symbol, identity.named_symbol)
        if first != identity.named_symbol:
            raise InputError(
                f"{path}: {identity.symbol} cannot name both {first} and {identity.named_symbol}"
            )


@dataclass(slots=True)
class _Meter:
    """Progress over all files: what is behind, and where the current file stands."""

    on_progress: OnProgress | None
    total_bytes: int
    done_bytes: int = 0
    rows: int = 0

    def show(self, file: MarketFile, done_frac: float, rows: int) -> None:
        if self.on_progress is not None:
            done = self.done_bytes + int(done_frac * file.size_bytes)
            self.on_progress(ImportProgress(str(file.path), done, self.total_bytes, self.rows + rows))


@dataclass(slots=True)
class _Tally:
    """What is known of a file so far; also of one that fails later."""

    size_bytes: int = 0
    identity: FileIdentity | None = None
    rows: int = 0
    stored: MergeCounts = field(default_factory=MergeCounts)
    duplicates: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    first: list[Reject] = field(default_factory=list)
    reject_file: Path | None = None
    hashes: list[str] = field(default_factory=list)

    def report(self, path: Path, status: ImportStatus, seconds: float, **more: Any) -> FileReport:
        identity = self.identity
        stored = MergeCounts() if status is ImportStatus.FAILED else self.stored
        return FileReport(
            path=str(path),
            status=status,
            seconds=seconds,
            size_bytes=self.size_bytes,
            kind=identity.kind if identity else None,
            layout=identity.layout if identity else None,
            symbol=identity.symbol if identity else None,
            interval=str(identity.interval) if identity and identity.interval else None,
            source=identity.source if identity else None,
            rows=self.rows,
            inserted=stored.inserted,
            updated=stored.updated,
            unchanged=stored.unchanged,
            duplicates=self.duplicates,
            rejected=self.reasons.total(),
            reasons=dict(self.reasons),
            first_rejects=tuple(self.first),
            reject_file=str(self.reject_file) if self.reject_file else None,
            **more,
        )


async def _import_file(path: Path, call: _Call, meter: _Meter) -> FileReport:
    started = time.perf_counter()
    tally = _Tally()
    try:
        with ExitStack() as stack:
            file = await asyncio.to_thread(stack.enter_context, call.files.open(path, call.hints))
            tally.size_bytes = file.size_bytes
            tally.identity = await asyncio.to_thread(file.identity)
            if tally.identity is None:
                return _unknown(path, call, tally, time.perf_counter() - started)
            call.refuse_mixture(path, tally.identity)
            known = None if call.force else await _same_content(file, tally.identity, call.transactions)
            if known is None:
                await _load(file, tally.identity, call, tally, meter)
    except (DataQualityError, InputError, ConflictError, NotFoundError) as error:
        return tally.report(path, ImportStatus.FAILED, time.perf_counter() - started, error=error)
    seconds = time.perf_counter() - started
    if known is not None:
        tally.rows, tally.stored = known.n_rows, MergeCounts(unchanged=known.n_rows)
        return tally.report(path, ImportStatus.UNCHANGED, seconds)
    return tally.report(path, ImportStatus.IMPORTED, seconds)


def _unknown(path: Path, call: _Call, tally: _Tally, seconds: float) -> FileReport:
    """A file of no kind that is imported: an error where it was named, passed over in a folder."""
    why = "its columns are not those of bars, trades, books, funding rates or news"
    if path in call.named:
        error = InputError(f"{path}: {why}")
        return tally.report(path, ImportStatus.FAILED, seconds, error=error)
    return tally.report(path, ImportStatus.SKIPPED, seconds, note=why)


async def _same_content(
    file: MarketFile, identity: FileIdentity, transactions: Transactions
) -> ImportedFile | None:
    """Find an import of these bytes into this series that is still whole and refused no row.

    A refused row may be good now (a bar that was not closed then), so such a file is read again.
    """
    async with transactions() as stores:
        for known in await stores.imports.same_content(file.sha256):
            same = (identity.kind, identity.symbol, _timeframe(identity), identity.source)
            is_same = same == (known.kind, known.symbol, known.timeframe, known.source)
            if is_same and known.n_rejected == 0 and await stores.imports.has_rows(known):
                return known
    return None


async def _load(file: MarketFile, identity: FileIdentity, call: _Call, tally: _Tally, meter: _Meter) -> None:
    now_ns = datetime_to_ns(call.clock.now())
    with closing(file.blocks()) as blocks, call.files.reject_log(file) as log:
        async with call.transactions() as stores:
            before = () if call.force else await _last_hashes(file, identity, stores)
            builder = BookBuilder()
            async with aclosing(_ahead(blocks, identity, now_ns, builder)) as taken_blocks:
                async for block, taken, content in taken_blocks:
                    index = len(tally.hashes)
                    tally.hashes.append(content)
                    _count(file, block, taken, tally, log)
                    if index < len(before) and before[index] == content:
                        n_good = int((taken.reason == 0).sum())
                        tally.stored += MergeCounts(unchanged=n_good - taken.n_duplicates)
                    else:
                        tally.stored += await _store(taken.records, identity.kind, stores, now_ns)
                    meter.show(file, block.done_frac, tally.rows)
            if rest := builder.finish():
                tally.stored += await stores.books.add_books(
                    BookBlock(identity.symbol, identity.source, (*rest,))
                )
                tally.duplicates -= len(rest)  # its rows were counted as folded into a book to come
            _refuse_if_useless(file, tally)
            file.refuse_if_changed()
            await stores.imports.record(_imported(file, identity, tally))


async def _last_hashes(file: MarketFile, identity: FileIdentity, stores: Stores) -> tuple[str, ...]:
    known = await stores.imports.last_of_path(
        str(file.path.absolute()), identity.kind, identity.symbol, _timeframe(identity), identity.source
    )
    return known.block_hashes if known is not None and await stores.imports.has_rows(known) else ()


_Step = tuple[RowBlock, Taken[Any], str]


async def _ahead(
    blocks: Generator[RowBlock], identity: FileIdentity, now_ns: int, builder: BookBuilder
) -> AsyncGenerator[_Step, None]:
    """Read and check the next block in a thread while the last one is being stored."""

    def step() -> _Step | None:
        block = next(blocks, None)
        if block is None:
            return None
        taken = _take(block, identity, now_ns, builder)
        return block, taken, block.content_hash(taken.reason)

    task = asyncio.create_task(asyncio.to_thread(step))
    try:
        while (done := await asyncio.shield(task)) is not None:
            task = asyncio.create_task(asyncio.to_thread(step))
            yield done
    finally:
        await asyncio.wait({task})  # the reader must be still before its file is closed
        task.exception()  # it was raised above, or the caller has an error of its own


def _take(block: RowBlock, identity: FileIdentity, now_ns: int, builder: BookBuilder) -> Taken[Any]:
    columns, reason, symbol, source = block.columns, block.reason, identity.symbol, identity.source
    match identity.kind, identity.interval:
        case DataKind.BARS, interval if interval is not None:
            return take_bars(columns, reason, symbol=symbol, source=source, interval=interval, now_ns=now_ns)
        case DataKind.FUNDING, _:
            return take_funding(columns, reason, symbol=symbol, source=source, now_ns=now_ns)
        case DataKind.TRADES, _:
            return take_trades(columns, reason, symbol=symbol, source=source, now_ns=now_ns)
        case DataKind.QUOTES, _:
            return take_quotes(columns, reason, symbol=symbol, source=source, now_ns=now_ns)
        case DataKind.BOOK, _:
            return take_books(builder, columns, reason, symbol=symbol, source=source, now_ns=now_ns)
        case _:
            return take_news(columns, reason, source=source, now_ns=now_ns)


async def _store(records: Any, kind: DataKind, stores: Stores, now_ns: int) -> MergeCounts:
    if kind is DataKind.BARS:
        return await stores.bars.merge(records.series, trades_count=records.trades_count)
    if kind is DataKind.FUNDING:
        return await stores.events.add_funding(records)
    if kind is DataKind.TRADES:
        return await stores.events.add_trades(records)
    if kind is DataKind.QUOTES:
        return await stores.books.add_quotes(records)
    if kind is DataKind.BOOK:
        return await stores.books.add_books(records)
    added = await stores.events.add_events(records, now_ns=now_ns)
    return MergeCounts(inserted=added.inserted, unchanged=added.deduplicated)


def _count(file: MarketFile, block: RowBlock, taken: Taken[Any], tally: _Tally, log: RejectLog) -> None:
    tally.rows += int(block.line.size)
    tally.duplicates += taken.n_duplicates
    bad = np.flatnonzero(taken.reason)
    if bad.size == 0:
        return
    rejects = [
        Reject(str(file.path), int(block.line[row]), Reason(taken.reason[row]).code, block.text(int(row)))
        for row in bad
    ]
    log.add(rejects)
    tally.reject_file = log.path
    tally.reasons.update(reject.reason for reject in rejects)
    tally.first += rejects[: N_SHOWN_REJECTS - len(tally.first)]


def _refuse_if_useless(file: MarketFile, tally: _Tally) -> None:
    if tally.rows == 0:
        raise DataQualityError(f"{file.path}: there are no rows in it")
    if tally.reasons.total() == tally.rows:
        reasons = ", ".join(f"{code} {n}" for code, n in tally.reasons.most_common())
        raise DataQualityError(f"{file.path}: none of its {tally.rows} rows is good ({reasons})")


def _imported(file: MarketFile, identity: FileIdentity, tally: _Tally) -> ImportedFile:
    return ImportedFile(
        path=str(file.path.absolute()),
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        kind=identity.kind,
        layout=identity.layout,
        symbol=identity.symbol,
        timeframe=_timeframe(identity),
        source=identity.source,
        n_rows=tally.rows,
        n_rejected=tally.reasons.total(),
        block_hashes=tuple(tally.hashes),
    )


def _timeframe(identity: FileIdentity) -> str:
    return str(identity.interval) if identity.interval else ""
