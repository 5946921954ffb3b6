"""Datasets as Parquet files: bars, features and labels by symbol, the context inputs, one manifest.

```
<root>/<content hash>/manifest.json
                      bars.parquet      symbol, ts_ns, open, high, low, close, volume, state
                      features.parquet  symbol, ts_ns, one column a feature, null = missing
                      labels.parquet    symbol, ts_ns, one column a horizon
                      funding.parquet, events.parquet, ...   the context inputs that there are
```

Rows are the bars from a symbol's listing to its last bar, symbol by symbol. A dataset is whole or absent.
Numbers come back bit for bit.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from hashlib import file_digest
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from marketsentry.adapters.whole_directory import whole_directory
from marketsentry.core.dataset import Dataset, content_hash
from marketsentry.core.features.context import ContextInputs, KnownSeries
from marketsentry.core.features.matrix import FeatureMatrix
from marketsentry.core.features.schema import FeatureDef, FeatureSchema
from marketsentry.core.market.bars import FIELDS, BarPanel, BarState
from marketsentry.core.market.events import EventSeries
from marketsentry.core.market.interval import Interval, parse_interval
from marketsentry.exceptions import ConflictError, DependencyError, InputError, NotFoundError

MANIFEST = "manifest.json"
BARS, FEATURES, LABELS = "bars.parquet", "features.parquet", "labels.parquet"
_READ_BARS = 65_536
_GROUP_BYTES = 24 << 20  # of one Parquet row group before compression: what the writer holds, per core
_SERIES = ("known_at_ns", "values")
_EVENTS = (
    "occurred_at_ns",
    "known_at_ns",
    "event_type",
    "source_tier",
    "importance",
    "confidence",
    "novelty",
)
_CONTEXT = {"funding": _SERIES, "imbalance": _SERIES, "onchain": _SERIES, "events": _EVENTS}

Columns = dict[str, NDArray[Any]]


class ParquetDatasets:
    """`DatasetFiles` under one directory.

    Parameters
    ----------
    root : Path
        Holds one directory per dataset; made when it is needed.
    memory_limit_mib : int
        What the Parquet reader and writer may use beside the arrays.
    """

    def __init__(self, root: Path, *, memory_limit_mib: int = 512) -> None:
        self._root = root
        self._memory_limit_mib = memory_limit_mib

    def path_of(self, content_hash: str) -> str:
        """Name the directory of a dataset, whether it is there or not."""
        return str(self._root / content_hash)

    def manifest(self, content_hash: str) -> Mapping[str, Any] | None:
        """Read a dataset's manifest; None when the dataset is not there."""
        try:
            text = (self._root / content_hash / MANIFEST).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise DependencyError(f"dataset {content_hash} cannot be read: {exc.strerror}") from exc
        manifest: dict[str, Any] = json.loads(text)
        return manifest

    def save(self, dataset: Dataset, values_sha256: Mapping[str, str]) -> Mapping[str, Any]:
        """Write a dataset unless it is there; returns its manifest.

        Parameters
        ----------
        dataset : Dataset
            What to write.
        values_sha256 : mapping of str to str
            Hashes of what was computed, see `core.dataset.values_hash`.

        Returns
        -------
        mapping
            The manifest as it lies on the disk.

        Raises
        ------
        InputError
            If a feature has the name of a key column.
        DependencyError
            If the disk refuses.
        """
        taken = sorted({"symbol", "ts_ns"} & set(dataset.features.names))
        if taken:
            raise InputError(f"a feature must not be called {taken[0]}: the files have a column of that name")
        there = self.manifest(dataset.content_hash)
        if there is not None:
            return there
        try:
            with whole_directory(self._root / dataset.content_hash) as draft:
                with self._connection() as connection:
                    _write_symbols(connection, draft, dataset)
                    _write_context(connection, draft, dataset.inputs)
                manifest = _describe(dataset, values_sha256, _hash_files(draft))
                (draft / MANIFEST).write_text(json.dumps(manifest, indent=1, allow_nan=False) + "\n")
        except (OSError, duckdb.Error) as exc:
            raise DependencyError(f"dataset {dataset.content_hash} cannot be written: {exc}") from exc
        return manifest

    def load(self, content_hash: str) -> Dataset:
        """Read a dataset and verify every file against the manifest and the manifest against its name.

        Parameters
        ----------
        content_hash : str
            The dataset's name.

        Returns
        -------
        Dataset
            Without lineages and blocked symbols: those belong to the run that built it.

        Raises
        ------
        NotFoundError
            If it is not there.
        ConflictError
            If a byte differs from what was written.
        DependencyError
            If the disk refuses.
        """
        manifest = self.manifest(content_hash)
        if manifest is None:
            raise NotFoundError(f"there is no dataset {content_hash} in {self._root}")
        place = self._root / content_hash
        try:
            _verify(place, content_hash, manifest)
            with self._connection() as connection:
                return _read(connection, place, manifest)
        except (OSError, duckdb.Error) as exc:
            raise DependencyError(f"dataset {content_hash} cannot be read: {exc}") from exc

    @contextmanager
    def _connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        connection = duckdb.connect()
        try:
            connection.execute(
                "SET enable_progress_bar = false"
            )  # it would draw on stdout, which belongs to JSON
            connection.execute(
                "SET threads = 1"
            )  # each thread holds row groups of its own; the disk is the limit
            connection.execute(f"SET memory_limit = '{self._memory_limit_mib}MiB'")
            yield connection
        finally:
            connection.close()


def _write_symbols(connection: duckdb.DuckDBPyConnection, place: Path, dataset: Dataset) -> None:
    panel, features = dataset.panel, dataset.features
    bars: dict[str, Columns] = {}
    values: dict[str, Columns] = {}
    labels: dict[str, Columns] = {}
    for n, symbol in enumerate(panel.symbols):
        rows = _listed_rows(panel.state[:, n])
        ts_ns = {"ts_ns": panel.ts_ns[rows]}
        prices = {name: panel.values[rows, n, i] for i, name in enumerate(FIELDS)}
        bars[symbol] = ts_ns | prices | {"state": panel.state[rows, n]}
        values[symbol] = ts_ns | {name: features.values[rows, n, i] for i, name in enumerate(features.names)}
        labels[symbol] = ts_ns | {name: label[rows, n] for name, label in dataset.labels.items()}
    _write_file(connection, place / BARS, bars)
    _write_file(connection, place / FEATURES, values)
    _write_file(connection, place / LABELS, labels)


def _listed_rows(state: NDArray[np.uint8]) -> slice:
    """Rows from the first to the last bar: outside them there is nothing to keep."""
    listed = np.flatnonzero(state != BarState.UNLISTED)
    return slice(int(listed[0]), int(listed[-1]) + 1) if listed.size else slice(0, 0)


def _write_context(connection: duckdb.DuckDBPyConnection, place: Path, inputs: ContextInputs) -> None:
    for kind, names in _CONTEXT.items():
        series: Mapping[str, KnownSeries | EventSeries] = getattr(inputs, kind)
        if series:
            columns = {symbol: {name: getattr(one, name) for name in names} for symbol, one in series.items()}
            _write_file(connection, place / f"{kind}.parquet", columns)


def _write_file(connection: duckdb.DuckDBPyConnection, path: Path, by_symbol: Mapping[str, Columns]) -> None:
    """Write the columns of every symbol, one symbol after the other; the arrays are read where they lie."""
    parts = []
    for n, columns in enumerate(by_symbol.values()):
        connection.register(f"part_{n}", columns)
        parts.append(f"SELECT $symbol_{n} AS symbol, * FROM part_{n}")  # noqa: S608 - numbers of ours
    named = {f"symbol_{n}": symbol for n, symbol in enumerate(by_symbol)}
    n_columns = 1 + max((len(columns) for columns in by_symbol.values()), default=0)
    group = max(2_048, _GROUP_BYTES // (8 * n_columns) // 2_048 * 2_048)
    options = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {group}"
    query = f"COPY ({' UNION ALL '.join(parts)}) TO $path ({options})"
    try:
        connection.execute(query, named | {"path": str(path)})
    finally:
        for n in range(len(parts)):
            connection.unregister(f"part_{n}")


def _describe(dataset: Dataset, values_sha256: Mapping[str, str], files: Mapping[str, str]) -> dict[str, Any]:
    panel, schema = dataset.panel, dataset.features.schema
    inputs = {kind: list(getattr(dataset.inputs, kind)) for kind in _CONTEXT}
    return {
        "content_hash": dataset.content_hash,
        "parts": dict(dataset.parts),
        "symbols": list(panel.symbols),
        "sources": list(panel.sources),
        "interval": panel.interval.name,
        "first_ts_ns": int(panel.ts_ns[0]),
        "n_bars": panel.n_bars,
        "n_rows": dataset.n_rows,
        "data_version": dataset.data_version,
        "feature_schema": {
            "version": schema.version,
            "hash": schema.hash,
            "features": [asdict(feature) for feature in schema.features],
        },
        "labels": list(dataset.labels),
        "inputs": inputs,
        "values_sha256": dict(values_sha256),
        "files": dict(files),
    }


def _verify(place: Path, name: str, manifest: Mapping[str, Any]) -> None:
    if manifest.get("content_hash") != name or content_hash(manifest["parts"]) != name:
        raise ConflictError(f"the manifest of dataset {name} belongs to another: it was changed or moved")
    found = _hash_files(place)
    for file, sha256 in manifest["files"].items():
        if found.get(file) != sha256:
            raise ConflictError(
                f"{file} of dataset {name} has SHA-256 {found.get(file)}, written was {sha256}"
            )


def _hash_files(place: Path) -> dict[str, str]:
    hashes = {}
    for path in sorted(place.glob("*.parquet")):
        with path.open("rb") as file:
            hashes[path.relative_to(place).as_posix()] = file_digest(file, "sha256").hexdigest()
    return hashes


def _read(connection: duckdb.DuckDBPyConnection, place: Path, manifest: Mapping[str, Any]) -> Dataset:
    symbols, interval = tuple(manifest["symbols"]), parse_interval(manifest["interval"])
    ts_ns = manifest["first_ts_ns"] + interval.ns * np.arange(manifest["n_bars"], dtype=np.int64)
    described = manifest["feature_schema"]
    schema = FeatureSchema(described["version"], tuple(FeatureDef(**one) for one in described["features"]))
    grid = (ts_ns.size, len(symbols))
    bars = np.full((*grid, len(FIELDS)), np.nan)
    state = np.full(grid, BarState.UNLISTED, dtype=np.uint8)
    features = np.full((*grid, len(schema.features)), np.nan)
    labels = {name: np.full(grid, np.nan) for name in manifest["labels"]}
    for n, symbol in enumerate(symbols):
        for rows, columns in _blocks(connection, place / BARS, symbol, ts_ns, interval):
            for i, name in enumerate(FIELDS):
                bars[rows, n, i] = _floats(columns[name])
            state[rows, n] = columns["state"]
        for rows, columns in _blocks(connection, place / FEATURES, symbol, ts_ns, interval):
            for i, name in enumerate(schema.names):
                features[rows, n, i] = _floats(columns[name])
        for rows, columns in _blocks(connection, place / LABELS, symbol, ts_ns, interval):
            for name, label in labels.items():
                label[rows, n] = _floats(columns[name])
    return Dataset(
        panel=BarPanel(symbols, interval, tuple(manifest["sources"]), ts_ns, bars, state),
        features=FeatureMatrix(symbols, interval, ts_ns, features, schema),
        labels=labels,
        inputs=_read_context(connection, place, manifest["inputs"]),
        parts=manifest["parts"],
        content_hash=manifest["content_hash"],
        data_version=manifest["data_version"],
    )


def _blocks(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    symbol: str,
    ts_ns: NDArray[np.int64],
    interval: Interval,
) -> Iterator[tuple[NDArray[np.int64], Columns]]:
    """Read the rows of a symbol in blocks of time, with the rows of the grid they belong to."""
    for start in range(0, ts_ns.size, _READ_BARS):
        found: Columns = connection.execute(
            "SELECT * EXCLUDE (symbol) FROM read_parquet($path)"
            " WHERE symbol = $symbol AND ts_ns >= $first AND ts_ns < $stop",
            {
                "path": str(path),
                "symbol": symbol,
                "first": int(ts_ns[start]),
                "stop": int(ts_ns[start]) + _READ_BARS * interval.ns,
            },
        ).fetchnumpy()
        yield (found["ts_ns"] - ts_ns[0]) // interval.ns, found


def _floats(column: NDArray[Any]) -> NDArray[Any]:
    return column.filled(np.nan) if isinstance(column, np.ma.MaskedArray) else column


def _read_context(
    connection: duckdb.DuckDBPyConnection, place: Path, symbols: Mapping[str, Sequence[str]]
) -> ContextInputs:
    found: dict[str, dict[str, Any]] = {}
    for kind in _CONTEXT:
        found[kind] = {}
        for symbol in symbols[kind]:
            columns = connection.execute(
                "SELECT * EXCLUDE (symbol) FROM read_parquet($path) WHERE symbol = $symbol",
                {"path": str(place / f"{kind}.parquet"), "symbol": symbol},
            ).fetchnumpy()
            found[kind][symbol] = (
                EventSeries(symbol, **columns) if kind == "events" else KnownSeries(**columns)
            )
    return ContextInputs(**found)
