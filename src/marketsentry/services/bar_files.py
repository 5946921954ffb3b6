"""Read bars from files without a record: every row is checked as an import checks it."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from marketsentry.core.market.bars import BarSeries
from marketsentry.core.market.intake import take_bars
from marketsentry.core.market.interval import Interval
from marketsentry.core.market.records import DataKind
from marketsentry.core.market.validation import Reason
from marketsentry.exceptions import DataQualityError, InputError, NotFoundError
from marketsentry.ports.files import FileHints, FileIdentity, MarketFile, MarketFiles


@dataclass(frozen=True, slots=True)
class BarsWanted:
    """Which bars to take: `symbols` of the files, all if empty; of several bar lengths `interval` must name one.

    Rows that an import would refuse are an error, unless `skips_bad_rows` leaves them out.
    """

    symbols: tuple[str, ...] = ()
    interval: Interval | None = None
    skips_bad_rows: bool = False


def read_bar_files(
    paths: Sequence[Path], *, files: MarketFiles, wanted: BarsWanted, now_ns: int
) -> tuple[BarSeries, ...]:
    """Read the bars of several symbols; several files of one symbol are put together.

    Parameters
    ----------
    paths
        Files, and folders of which every file of bars is taken.
    files
        Reads them.
    wanted
        Which bars.
    now_ns
        Bars that close later are bad rows.

    Returns
    -------
    tuple of BarSeries
        In the order of `wanted.symbols`, else by name. Of bars with the same time the last read one counts.

    Raises
    ------
    NotFoundError
        If a path or a wanted symbol is not there, or there are no bars at all.
    InputError
        If the files hold several bar lengths and none is named, or a name leaves symbol or length open.
    DataQualityError
        If a row is bad and bad rows are not left out, a file is damaged, or two sources share a symbol.
    """
    found, _ = files.find(paths)
    pieces: dict[tuple[str, Interval], list[BarSeries]] = {}
    for path in found:
        with files.open(path, FileHints()) as file:
            identity = file.identity()
            if identity is None or identity.kind is not DataKind.BARS or not _is_wanted(identity, wanted):
                continue
            assert identity.interval is not None, "bars have a length"
            pieces.setdefault((identity.symbol, identity.interval), []).extend(
                _series(file, identity, wanted, now_ns)
            )
    intervals = sorted({interval for _, interval in pieces}, key=lambda one: one.ns)
    where = ", ".join(map(str, paths))
    if not intervals:
        raise NotFoundError(f"there are no such bars in {where}")
    if len(intervals) > 1:
        raise InputError(f"interval must be one of {', '.join(map(str, intervals))}: {where} holds them all")
    by_symbol = {symbol: _joined(parts) for (symbol, _), parts in pieces.items()}
    absent = [symbol for symbol in wanted.symbols if symbol not in by_symbol]
    if absent:
        raise NotFoundError(
            f"there are no bars of {', '.join(absent)} in {where}; there are of {', '.join(by_symbol)}"
        )
    return tuple(by_symbol[symbol] for symbol in wanted.symbols or sorted(by_symbol))


def _is_wanted(identity: FileIdentity, wanted: BarsWanted) -> bool:
    is_symbol = not wanted.symbols or identity.symbol in wanted.symbols
    return is_symbol and wanted.interval in (None, identity.interval)


def _series(file: MarketFile, identity: FileIdentity, wanted: BarsWanted, now_ns: int) -> list[BarSeries]:
    """Give the good rows of a file block by block."""
    assert identity.interval is not None
    out, bad = [], Counter[str]()
    with closing(file.blocks()) as blocks:
        for block in blocks:
            taken = take_bars(
                block.columns,
                block.reason,
                symbol=identity.symbol,
                source=identity.source,
                interval=identity.interval,
                now_ns=now_ns,
            )
            bad.update(Reason(reason).code for reason in taken.reason[taken.reason != 0])
            if taken.records.series.ts_ns.size:
                out.append(taken.records.series)
    if bad and not wanted.skips_bad_rows:
        reasons = ", ".join(f"{code} {n}" for code, n in bad.most_common())
        raise DataQualityError(f"{file.path}: {bad.total()} rows are bad ({reasons})")
    if not out:
        raise DataQualityError(f"{file.path}: none of its rows is good")
    return out


def _joined(parts: Sequence[BarSeries]) -> BarSeries:
    sources = {part.source for part in parts}
    first = parts[0]
    if len(sources) > 1:
        raise DataQualityError(
            f"{first.symbol} {first.interval} must come from one source, was {', '.join(sorted(sources))}"
        )
    ts_ns = np.concatenate([part.ts_ns for part in parts])
    values = np.concatenate([part.values for part in parts])
    order = np.argsort(ts_ns, kind="stable")
    is_last = np.append(np.diff(ts_ns[order]) > 0, True)
    rows = order[is_last]
    return BarSeries(first.symbol, first.interval, first.source, ts_ns[rows], values[rows])
