"""Where datasets are recorded: the manifest row, the feature snapshots, indicators and labelled samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.interval import Interval


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """The record of a dataset. `lineage_ids` go with `symbols`; empty without snapshots."""

    content_hash: str
    track: str
    symbols: tuple[str, ...]
    timeframe: str
    data_version: str
    feature_version: str
    schema_hash: str
    lineage_ids: tuple[str, ...]
    path: str
    n_rows: int
    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SnapshotStamp:
    """What all snapshots of one symbol and writer share. `dataset_id` is None for those of inference."""

    target: str
    track: str
    feature_version: str
    data_version: str
    schema_hash: str
    lineage_id: str
    dataset_id: int | None


@dataclass(frozen=True, slots=True)
class SnapshotRows:
    """Snapshots of one lineage, oldest first.

    `event_time_ns` (n,) int64 bar ends; `values` (n, F) float64, NaN = missing.
    """

    names: tuple[str, ...]
    event_time_ns: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class IndicatorRows:
    """Indicators of one symbol on its bars, oldest first; all arrays (n,), NaN = not yet known.

    `event_time_ns` are bar ends; moving averages and MACD in quote currency, `rsi` 0..100.
    """

    symbol: str
    interval: Interval
    event_time_ns: NDArray[np.int64]
    ma_7: NDArray[np.float64]
    ma_30: NDArray[np.float64]
    rsi: NDArray[np.float64]
    macd: NDArray[np.float64]
    macd_signal: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SampleRows:
    """Labelled windows of one symbol, oldest first; all arrays (n,).

    `start_ns` and `end_ns` are the bar ends between which the price moved; `pct_change` is a fraction;
    `direction` float64 is 1 up, 0 neutral, -1 down.
    """

    symbol: str
    horizon_hours: int
    start_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    price_start: NDArray[np.float64]
    price_end: NDArray[np.float64]
    pct_change: NDArray[np.float64]
    direction: NDArray[np.float64]


class DatasetStore(Protocol):
    """Datasets and what is written with them; another content is another lineage."""

    async def find(self, content_hash: str) -> tuple[int, DatasetRecord] | None:
        """Read a dataset and its id by content hash."""
        ...

    async def lock(self, content_hash: str) -> None:
        """Wait until no other transaction builds this content; held until this transaction ends."""
        ...

    async def add(self, record: DatasetRecord) -> int:
        """Insert a dataset, or give a stored one without snapshots its lineages; returns its id."""
        ...

    async def reserve_lineage(self, symbols: Sequence[str], at: datetime) -> tuple[str, ...]:
        """Choose lineage ids `train-{UTC yyyymmddHHMMSS}-{symbol}`, one per symbol and of one second.

        The second is that of `at`, or the next one in which nobody, committed or not, has these ids.
        """
        ...

    async def write_snapshots(
        self,
        stamp: SnapshotStamp,
        names: Sequence[str],
        known_at_ns: NDArray[np.int64],
        values: NDArray[np.float64],
        rows: NDArray[np.int64],
    ) -> int:
        """Insert one snapshot per row in bulk; returns how many.

        `known_at_ns` (T,) bar ends, when all inputs of the bar were known; `values` (T, F), NaN = missing;
        `rows` (n,) which of the T bars to write, ascending.
        """
        ...

    async def read_snapshots(
        self,
        lineage_id: str,
        target: str,
        names: Sequence[str],
        *,
        schema_hash: str,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> SnapshotRows:
        """Read the snapshots of a lineage whose event time lies in [start_ns, stop_ns), bit for bit.

        `names` are the features of the schema, in the order in which the columns are wanted. Raises
        `ConflictError` when the lineage has snapshots of another schema.
        """
        ...

    async def newest_lineage(self, target: str, track: str, data_version: str, timeframe: str) -> str | None:
        """Name the lineage of the newest dataset with snapshots of this target."""
        ...

    async def write_indicators(self, rows: IndicatorRows) -> int:
        """Insert indicators; those of bars that have others are replaced. Returns how many rows changed."""
        ...

    async def write_samples(self, dataset_id: int, rows: SampleRows) -> int:
        """Insert the labelled samples of a symbol and horizon that are not there yet; returns how many."""
        ...
