"""Build a dataset: read, judge the bars, compute features and labels, keep files and snapshots.

A dataset is named by what goes into it, so a second build of the same content writes nothing. Files come first
and snapshots last, in one transaction: a program killed in between leaves either nothing or a whole set of
files that the next build takes up.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.dataset import (
    AllBlockedError,
    BlockedSymbol,
    Dataset,
    content_hash,
    dataset_parts,
    has_bar,
    inputs_known_by,
    make_labels,
    mask_features,
    values_hash,
)
from marketsentry.core.features.context import ContextInputs
from marketsentry.core.features.feature_set import FeatureSet
from marketsentry.core.features.indicators import Indicators, indicators_of
from marketsentry.core.features.matrix import compute_features
from marketsentry.core.gates.data_quality import QualityLimits, judge_data_quality
from marketsentry.core.lineage import first_difference
from marketsentry.core.market.bars import BarPanel, BarSeries, align_panel
from marketsentry.core.market.interval import Interval
from marketsentry.core.market.quality import measure_quality
from marketsentry.exceptions import ConflictError, InputError, NotFoundError
from marketsentry.ports import Clock, Stores, Transactions
from marketsentry.ports.dataset_files import DatasetFiles
from marketsentry.ports.datasets import DatasetRecord, IndicatorRows, SnapshotStamp
from marketsentry.services.market_inputs import load_context

TRACK = "liquid"
_WRITE_BARS = 65_536  # rows of one COPY: bounds the time of a statement and what the server keeps for its end

OnProgress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class DatasetRequest:
    """What to build.

    `since_ns` and `until_ns` bound the open times of bars, [since, until), UTC epoch ns; None takes all that
    is stored. `with_snapshots` also writes feature snapshots and chart indicators to the record.
    """

    symbols: tuple[str, ...]
    interval: Interval
    since_ns: int | None = None
    until_ns: int | None = None
    data_version: str = "v1"
    with_snapshots: bool = True

    def __post_init__(self) -> None:
        if not self.symbols or len(set(self.symbols)) < len(self.symbols):
            raise InputError(f"symbols must be distinct and at least one, were {list(self.symbols)}")
        if self.since_ns is not None and self.until_ns is not None and self.since_ns >= self.until_ns:
            raise InputError(f"since must be before until, were {self.since_ns} and {self.until_ns}")


@dataclass(frozen=True, slots=True)
class MarketHistory:
    """Bars of the wanted symbols in their order, and what stands beside them.

    `no_trade_ts_ns` are the times per symbol at which the venue is known to have had no trade; `first_ns` the first
    bar that is known of each symbol, which may lie before the span.
    """

    series: tuple[BarSeries, ...]
    no_trade_ts_ns: tuple[NDArray[np.int64], ...]
    first_ns: tuple[int, ...]
    inputs: ContextInputs

    @property
    def panel(self) -> BarPanel:
        """The bars on one grid."""
        return align_panel(self.series, no_trade_ts_ns=self.no_trade_ts_ns)


async def build_dataset(
    request: DatasetRequest,
    *,
    feature_set: FeatureSet,
    code_version: str,
    transactions: Transactions,
    files: DatasetFiles,
    clock: Clock,
    limits: QualityLimits | None = None,
    on_progress: OnProgress = lambda step, share: None,
) -> Dataset:
    """Build a dataset, or find that it is there.

    Parameters
    ----------
    request : DatasetRequest
        Symbols, bar length, span.
    feature_set : FeatureSet
        The built-in set or a user's own.
    code_version : str
        Hash of the code that computes; with a user's feature set it must cover that code too.
    transactions : Transactions
        The record.
    files : DatasetFiles
        Where the Parquet files go.
    clock : Clock
        Tells the second in the name of the training lineage.
    limits : QualityLimits, optional
        Of the data-quality gate, which judges the whole span that is read.
    on_progress : callable
        Called with the name of the step and its done share 0..1.

    Returns
    -------
    Dataset
        With its lineages and the symbols the gate blocked; `snapshots_written` is 0 when it was there already.

    Raises
    ------
    NotFoundError
        If a symbol has no bars of the interval in the span.
    AllBlockedError
        If the gate leaves no symbol; carries what was measured of each.
    ConflictError
        If the same inputs and code gave other numbers before.
    """
    on_progress("reading bars", 0.0)
    async with transactions() as stores:
        stored = await read_history(stores, request)
    on_progress("features", 0.0)
    dataset = await asyncio.to_thread(
        compute_dataset,
        stored,
        feature_set=feature_set,
        code_version=code_version,
        limits=limits or QualityLimits(),
        since_ns=request.since_ns,
        data_version=request.data_version,
    )
    on_progress("files", 0.0)
    manifest = await asyncio.to_thread(_save, dataset, files)
    record = _record_of(dataset, files.path_of(dataset.content_hash), manifest)
    async with transactions() as stores:
        return await _write(stores, dataset, record, request.with_snapshots, clock, on_progress)


async def read_history(stores: Stores, request: DatasetRequest) -> MarketHistory:
    """Read the bars and the context of a request; raises `NotFoundError` for a symbol without bars in the span."""
    span: dict[str, Any] = {"start_ns": request.since_ns, "stop_ns": request.until_ns}
    series, no_trade, first_ns = [], [], []
    for symbol in request.symbols:
        info = await stores.bars.series(symbol, request.interval)
        bars = await stores.bars.load(symbol, request.interval, **span)
        if info is None or bars.ts_ns.size == 0:
            raise NotFoundError(
                f"no {request.interval} bars of {symbol} are stored in the span; see `ms data list`"
            )
        series.append(bars)
        no_trade.append(await stores.bars.load_no_trade(symbol, request.interval, **span))
        first_ns.append(info.first_ns)
    inputs = await load_context(stores, request.symbols, as_of_ns=request.until_ns)
    return MarketHistory(tuple(series), tuple(no_trade), tuple(first_ns), inputs)


def compute_dataset(
    history: MarketHistory,
    *,
    feature_set: FeatureSet,
    code_version: str,
    limits: QualityLimits,
    since_ns: int | None = None,
    data_version: str = "v1",
) -> Dataset:
    """Judge bars, compute features and labels; nothing is stored.

    Parameters
    ----------
    history
        The bars and what stands beside them.
    feature_set
        The built-in set or a user's own.
    code_version
        Hash of the code that computes.
    limits
        Of the data-quality gate.
    since_ns
        Where the wanted span begins; None is the first bar.
    data_version
        The label under which snapshots would be stored.

    Returns
    -------
    Dataset

    Raises
    ------
    AllBlockedError
        If the gate leaves no symbol.
    """
    panel, blocked = _judge(history, since_ns, limits)
    inputs = inputs_known_by(history.inputs, panel.symbols, int(panel.known_at_ns[-1]))
    parts = dataset_parts(
        panel, inputs, feature_set.schema, code_version=code_version, data_version=data_version
    )
    features = compute_features(feature_set, panel, inputs)
    mask_features(features, panel)
    return Dataset(
        panel=panel,
        features=features,
        labels=make_labels(panel),
        inputs=inputs,
        parts=parts,
        content_hash=content_hash(parts),
        data_version=data_version,
        blocked=blocked,
    )


def _judge(
    stored: MarketHistory, since_ns: int | None, limits: QualityLimits
) -> tuple[BarPanel, tuple[BlockedSymbol, ...]]:
    """Keep the symbols whose bars pass the gate, each judged up to its own last bar: a delisted coin stays."""
    blocked, series, no_trade = [], [], []
    for bars, left_out, first_ns in zip(stored.series, stored.no_trade_ts_ns, stored.first_ns, strict=True):
        as_of_ns = int(bars.ts_ns[-1]) + bars.interval.ns
        facts = measure_quality(
            bars,
            as_of_ns=as_of_ns,
            window_ns=None if since_ns is None else as_of_ns - since_ns,
            listed_from_ns=first_ns,
            no_trade_ts_ns=left_out,
        )
        verdict = judge_data_quality(facts, limits)
        if verdict.passed:
            series.append(bars)
            no_trade.append(left_out)
        else:
            blocked.append(BlockedSymbol(bars.symbol, ",".join(verdict.reasons), verdict.result))
    if not series:
        raise AllBlockedError(blocked)
    return align_panel(series, no_trade_ts_ns=no_trade), tuple(blocked)


def _save(dataset: Dataset, files: DatasetFiles) -> dict[str, object]:
    computed = values_hash(dataset)
    manifest = dict(files.save(dataset, computed))
    different = first_difference(manifest["values_sha256"], computed)
    if different is not None:
        raise ConflictError(
            f"dataset {dataset.content_hash} was built before with other {different}: same inputs and code, "
            "other numbers; another processor or library version computes them differently"
        )
    return manifest


def _record_of(dataset: Dataset, path: str, manifest: dict[str, object]) -> DatasetRecord:
    schema = dataset.features.schema
    return DatasetRecord(
        content_hash=dataset.content_hash,
        track=TRACK,
        symbols=dataset.panel.symbols,
        timeframe=dataset.panel.interval.name,
        data_version=dataset.data_version,
        feature_version=schema.version,
        schema_hash=schema.hash,
        lineage_ids=(),
        path=path,
        n_rows=dataset.n_rows,
        manifest=manifest,
    )


async def _write(
    stores: Stores,
    dataset: Dataset,
    record: DatasetRecord,
    with_snapshots: bool,
    clock: Clock,
    on_progress: OnProgress,
) -> Dataset:
    await stores.datasets.lock(dataset.content_hash)
    found = await stores.datasets.find(dataset.content_hash)
    if found is not None and (found[1].lineage_ids or not with_snapshots):
        return replace(dataset, lineage_ids=found[1].lineage_ids)
    if not with_snapshots:
        await stores.datasets.add(record)
        return dataset
    on_progress("snapshots", 0.0)
    lineage_ids = await stores.datasets.reserve_lineage(dataset.panel.symbols, clock.now())
    dataset_id = await stores.datasets.add(replace(record, lineage_ids=lineage_ids))
    indicators = indicators_of(dataset.panel, dataset.features)
    written = 0
    for n, (symbol, lineage_id) in enumerate(zip(dataset.panel.symbols, lineage_ids, strict=True)):
        stamp = SnapshotStamp(
            target=symbol,
            track=record.track,
            feature_version=record.feature_version,
            data_version=record.data_version,
            schema_hash=record.schema_hash,
            lineage_id=lineage_id,
            dataset_id=dataset_id,
        )
        async for n_rows in _write_symbol(stores, dataset, n, stamp):
            written += n_rows
            on_progress("snapshots", written / dataset.n_rows)
        if indicators is not None:
            await stores.datasets.write_indicators(_indicator_rows(dataset.panel, n, indicators))
    return replace(dataset, lineage_ids=lineage_ids, snapshots_written=written)


async def _write_symbol(stores: Stores, dataset: Dataset, n: int, stamp: SnapshotStamp) -> AsyncIterator[int]:
    """Write the snapshots of the symbol in column `n` block by block; yields the rows of each."""
    features = dataset.features
    known_at_ns = dataset.panel.known_at_ns
    rows = np.flatnonzero(has_bar(dataset.panel)[:, n])
    for start in range(0, len(rows), _WRITE_BARS):
        block = rows[start : start + _WRITE_BARS]
        values = features.values[:, n]
        yield await stores.datasets.write_snapshots(stamp, features.names, known_at_ns, values, block)


def _indicator_rows(panel: BarPanel, n: int, indicators: Indicators) -> IndicatorRows:
    rows = np.isfinite(indicators.ma_7[:, n])
    columns = {field.name: getattr(indicators, field.name)[rows, n] for field in fields(indicators)}
    return IndicatorRows(panel.symbols[n], panel.interval, panel.known_at_ns[rows], **columns)
