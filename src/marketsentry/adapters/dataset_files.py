"""Datasets as Parquet files: bars, features and labels of each symbol, the context inputs, one manifest.

```
<root>/<content hash>/manifest.json
                      bars/BTC.parquet      ts_ns, open, high, low, close, volume, state
                      features/BTC.parquet  ts_ns, one column a feature, null = missing
                      labels/BTC.parquet    ts_ns, one column a horizon
                      context/*.parquet     funding, imbalance, onchain, events
```

Rows are the bars from a symbol's listing to its last bar. A dataset is whole or absent. Numbers come back bit
for bit.
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
from marketsentry.core.market.interval import parse_interval
from marketsentry.exceptions import ConflictError, DependencyError, NotFoundError

MANIFEST = "manifest.json"
_READ_BARS = 65_536
_KNOWN = ("funding", "imbalance", "onchain")
_EVENT_FIELDS = (
    "occurred_at_ns",
    "known_at_ns",
    "event_type",
    "source_tier",
    "importance",
    "confidence",
    "novelty",
)

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
        DependencyError
            If the disk refuses.
        """
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
            connection.execute(f"SET memory_limit = '{self._memory_limit_mib}MiB'")
            yield connection
        finally:
            connection.close()


def _write_symbols(connection: duckdb.DuckDBPyConnection, place: Path, dataset: Dataset) -> None:
    for name in ("bars", "features", "labels"):
        (place / name).mkdir()
    panel = dataset.panel
    for n, symbol in enumerate(panel.symbols):
        rows = _listed_rows(panel.state[:, n])
        ts_ns = {"ts_ns": panel.ts_ns[rows]}
        bars = {name: panel.values[rows, n, i] for i, name in enumerate(FIELDS)}
        features = {
            name: dataset.features.values[rows, n, i] for i, name in enumerate(dataset.features.names)
        }
        labels = {name: label[rows, n] for name, label in dataset.labels.items()}
        state = {"state": panel.state[rows, n]}
        _write_file(connection, place / "bars" / f"{symbol}.parquet", ts_ns | bars | state)
        _write_file(connection, place / "features" / f"{symbol}.parquet", ts_ns | features)
        _write_file(connection, place / "labels" / f"{symbol}.parquet", ts_ns | labels)


def _listed_rows(state: NDArray[np.uint8]) -> slice:
    """Rows from the first to the last bar: outside them there is nothing to keep."""
    listed = np.flatnonzero(state != BarState.UNLISTED)
    return slice(int(listed[0]), int(listed[-1]) + 1) if listed.size else slice(0, 0)


def _write_context(connection: duckdb.DuckDBPyConnection, place: Path, inputs: ContextInputs) -> None:
    (place / "context").mkdir()
    for kind in _KNOWN:
        series: Mapping[str, KnownSeries] = getattr(inputs, kind)
        columns = {
            "symbol": _repeat(series, [one.values.size for one in series.values()]),
            "known_at_ns": _join([one.known_at_ns for one in series.values()], np.int64),
            "value": _join([one.values for one in series.values()], np.float64),
        }
        _write_file(connection, place / "context" / f"{kind}.parquet", columns)
    events = {"symbol": _repeat(inputs.events, [one.known_at_ns.size for one in inputs.events.values()])}
    for field in _EVENT_FIELDS:
        parts = [getattr(one, field) for one in inputs.events.values()]
        events[field] = _join(parts, parts[0].dtype if parts else np.int64)
    _write_file(connection, place / "context" / "events.parquet", events)


def _repeat(symbols: Mapping[str, Any], counts: Sequence[int]) -> NDArray[Any]:
    return np.repeat(np.array(list(symbols), dtype=np.str_), counts)


def _join(parts: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _write_file(connection: duckdb.DuckDBPyConnection, path: Path, columns: Columns) -> None:
    connection.register("columns_to_write", columns)
    try:
        connection.execute(
            "COPY (SELECT * FROM columns_to_write) TO $path (FORMAT parquet, COMPRESSION zstd)",
            {"path": str(path)},
        )
    finally:
        connection.unregister("columns_to_write")


def _describe(dataset: Dataset, values_sha256: Mapping[str, str], files: Mapping[str, str]) -> dict[str, Any]:
    panel, schema = dataset.panel, dataset.features.schema
    inputs = {kind: list(getattr(dataset.inputs, kind)) for kind in (*_KNOWN, "events")}
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
    for path in sorted(place.rglob("*.parquet")):
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
        for rows, columns in _blocks(connection, place / "bars" / f"{symbol}.parquet", ts_ns):
            for i, name in enumerate(FIELDS):
                bars[rows, n, i] = _floats(columns[name])
            state[rows, n] = columns["state"]
        for rows, columns in _blocks(connection, place / "features" / f"{symbol}.parquet", ts_ns):
            for i, name in enumerate(schema.names):
                features[rows, n, i] = _floats(columns[name])
        for rows, columns in _blocks(connection, place / "labels" / f"{symbol}.parquet", ts_ns):
            for name, label in labels.items():
                label[rows, n] = _floats(columns[name])
    return Dataset(
        panel=BarPanel(symbols, interval, tuple(manifest["sources"]), ts_ns, bars, state),
        features=FeatureMatrix(symbols, interval, ts_ns, features, schema),
        labels=labels,
        inputs=_read_context(connection, place / "context", manifest["inputs"]),
        parts=manifest["parts"],
        content_hash=manifest["content_hash"],
        data_version=manifest["data_version"],
    )


def _blocks(
    connection: duckdb.DuckDBPyConnection, path: Path, ts_ns: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], Columns]]:
    """Read a file in blocks of time, with the rows of the grid they belong to."""
    step = int(ts_ns[1] - ts_ns[0]) if ts_ns.size > 1 else 1
    for start in range(0, ts_ns.size, _READ_BARS):
        last = ts_ns[min(start + _READ_BARS, ts_ns.size) - 1]
        found: Columns = connection.execute(
            "SELECT * FROM read_parquet($path) WHERE ts_ns BETWEEN $first AND $last",
            {"path": str(path), "first": int(ts_ns[start]), "last": int(last)},
        ).fetchnumpy()
        yield (found["ts_ns"] - ts_ns[0]) // step, found


def _floats(column: NDArray[Any]) -> NDArray[Any]:
    return column.filled(np.nan) if isinstance(column, np.ma.MaskedArray) else column


def _read_context(
    connection: duckdb.DuckDBPyConnection, place: Path, symbols: Mapping[str, Sequence[str]]
) -> ContextInputs:
    known = {}
    for kind in _KNOWN:
        found = _table(connection, place / f"{kind}.parquet")
        known[kind] = {
            symbol: KnownSeries(rows["known_at_ns"], rows["value"])
            for symbol, rows in _by_symbol(found, symbols[kind])
        }
    found = _table(connection, place / "events.parquet")
    events = {
        symbol: EventSeries(symbol, **{field: rows[field] for field in _EVENT_FIELDS})
        for symbol, rows in _by_symbol(found, symbols["events"])
    }
    return ContextInputs(**known, events=events)


def _table(connection: duckdb.DuckDBPyConnection, path: Path) -> Columns:
    return connection.execute("SELECT * FROM read_parquet($path)", {"path": str(path)}).fetchnumpy()


def _by_symbol(columns: Columns, symbols: Sequence[str]) -> Iterator[tuple[str, Columns]]:
    for symbol in symbols:
        rows = columns["symbol"] == symbol
        yield symbol, {name: column[rows] for name, column in columns.items()}
