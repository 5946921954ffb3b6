"""A dataset: bars, features and labels on one grid of time and symbols, named by what went into it.

Rows are time, columns are symbols. A cell without a bar (lost, or the symbol not listed) carries no feature
and no label. Features may be missing one by one (NaN, never zero); a training row needs its label and bar.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.features.context import ContextInputs
from marketsentry.core.features.matrix import FeatureMatrix
from marketsentry.core.features.schema import FeatureSchema
from marketsentry.core.labels.forward_return import forward_return
from marketsentry.core.lineage import hash_array, hash_params, hash_parts
from marketsentry.core.market.bars import BarPanel, BarState
from marketsentry.core.market.interval import Interval, parse_interval
from marketsentry.exceptions import DataQualityError, InputError

HORIZONS = ("1h", "4h", "1d", "7d")
_NO_TRADE = int(BarState.NO_TRADE)


@dataclass(frozen=True, slots=True)
class BlockedSymbol:
    """A symbol that the quality gate kept out of training, with the reason codes and what was measured."""

    symbol: str
    reason: str
    data_quality: Mapping[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """The training result of contract 4.3 for a symbol that trains nothing."""
        return {
            "symbol": self.symbol,
            "status": "blocked_by_data_quality",
            "reason": self.reason,
            "data_quality": dict(self.data_quality),
        }


class AllBlockedError(DataQualityError):
    """The quality gate left no symbol to build from."""

    def __init__(self, blocked: Sequence[BlockedSymbol]) -> None:
        self.blocked = tuple(blocked)
        reasons = "; ".join(f"{one.symbol}: {one.reason}" for one in self.blocked)
        super().__init__(f"blocked_by_data_quality, no symbol is left: {reasons}")


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a model is trained and judged on.

    `labels` maps a horizon (`1h`, `4h`, `1d`, `7d`, as far as the bars divide it) to gross forward returns
    (T, N), NaN where unknown. `parts` are the named hashes behind `content_hash`. `lineage_ids` (one per
    symbol) name the stored snapshots; empty when none were written. `blocked` are the symbols kept out by the
    quality gate. `snapshots_written` counts what this build wrote: 0 when the dataset was there already.
    """

    panel: BarPanel
    features: FeatureMatrix
    labels: dict[str, NDArray[np.float64]]
    inputs: ContextInputs
    parts: Mapping[str, str]
    content_hash: str
    data_version: str
    lineage_ids: tuple[str, ...] = ()
    blocked: tuple[BlockedSymbol, ...] = ()
    snapshots_written: int = 0

    def __post_init__(self) -> None:
        grid = (self.panel.n_bars, len(self.panel.symbols))
        if self.features.values.shape[:2] != grid:
            raise InputError(f"features must have shape {grid} + (F,), was {self.features.values.shape}")
        for name, label in self.labels.items():
            if label.shape != grid:
                raise InputError(f"labels of {name} must have shape {grid}, was {label.shape}")

    @property
    def n_rows(self) -> int:
        """Cells with a bar: the rows that are stored."""
        return int(np.count_nonzero(has_bar(self.panel)))


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Rows that can be trained on, oldest first, symbols in panel order within a bar.

    `values` (n, F) float64, NaN = missing; `label` (n,) gross forward return; `bar` (n,) int64 row in the
    panel; `symbol` (n,) int64 column in the panel.
    """

    values: NDArray[np.float64]
    label: NDArray[np.float64]
    bar: NDArray[np.int64]
    symbol: NDArray[np.int64]

    def between(self, start_bar: int, stop_bar: int) -> "TrainingRows":
        """Rows of the bars `start_bar` to `stop_bar` (exclusive), as views."""
        first, last = np.searchsorted(self.bar, (start_bar, stop_bar))
        rows = slice(int(first), int(last))
        return TrainingRows(self.values[rows], self.label[rows], self.bar[rows], self.symbol[rows])


def has_bar(panel: BarPanel) -> NDArray[np.bool_]:
    """Mark the cells (T, N) of a panel that hold a bar, traded or known to be without trades."""
    return panel.state <= _NO_TRADE


def horizon_bars(interval: Interval) -> dict[str, int]:
    """Count the bars in each label horizon that is a multiple of the bar; others are left out."""
    spans = {name: parse_interval(name) for name in HORIZONS}
    return {name: span.ns // interval.ns for name, span in spans.items() if span.ns % interval.ns == 0}


def make_labels(panel: BarPanel) -> dict[str, NDArray[np.float64]]:
    """Gross forward returns (T, N) of every horizon that the bars divide."""
    return {name: forward_return(panel.close, bars) for name, bars in horizon_bars(panel.interval).items()}


def mask_features(features: FeatureMatrix, panel: BarPanel) -> None:
    """Drop, in place, the features of cells without a bar, and write zero one way.

    Negative zeros become zeros: the record keeps numbers in jsonb, which has no negative zero, and the files,
    the record and the hash shall agree bit for bit.
    """
    np.add(features.values, 0.0, out=features.values)
    features.values[~has_bar(panel)] = np.nan


def inputs_known_by(inputs: ContextInputs, symbols: Sequence[str], as_of_ns: int) -> ContextInputs:
    """Keep what was known of `symbols` by `as_of_ns`, so that later knowledge does not rename a dataset."""

    def known(kind: str) -> dict[str, Any]:
        return {
            symbol: _known_by(one, as_of_ns)
            for symbol, one in getattr(inputs, kind).items()
            if symbol in symbols
        }

    return ContextInputs(**{field.name: known(field.name) for field in fields(inputs)})


def _known_by(series: Any, as_of_ns: int) -> Any:  # a KnownSeries or an EventSeries
    n_known = int(np.searchsorted(series.known_at_ns, as_of_ns, side="right"))
    arrays = {
        field.name: value[:n_known]
        for field in fields(series)
        if isinstance(value := getattr(series, field.name), np.ndarray)
    }
    return replace(series, **arrays)


def dataset_parts(
    panel: BarPanel, inputs: ContextInputs, schema: FeatureSchema, *, code_version: str, data_version: str
) -> dict[str, str]:
    """Name everything that decides the content of a dataset.

    Parameters
    ----------
    panel : BarPanel
        The bars, after the quality gate.
    inputs : ContextInputs
        Funding, events and the other series behind the context.
    schema : FeatureSchema
        The features to compute.
    code_version : str
        Hash of the code that computes them, see `lineage.hash_sources`.
    data_version : str
        The label under which snapshots are stored, e.g. `v1`.

    Returns
    -------
    dict of str to str
        Hashes (and short names) by part; `content_hash` makes one name of them.
    """
    return {
        "bars": hash_params(
            {
                "symbols": panel.symbols,
                "interval": panel.interval.name,
                "sources": panel.sources,
                "ts_ns": panel.ts_ns,
                "values": panel.values,
                "state": panel.state,
            }
        ),
        "context": hash_params(inputs),
        "feature_schema": schema.hash,
        "labels": hash_params({"kind": "gross_forward_return", "horizon_bars": horizon_bars(panel.interval)}),
        "code": code_version,
        "data_version": data_version,
    }


def content_hash(parts: Mapping[str, str]) -> str:
    """Name a dataset by its parts."""
    return hash_parts("dataset", parts)


def training_rows(dataset: Dataset, horizon: str) -> TrainingRows:
    """Flatten a dataset into rows that have a bar and a label.

    Parameters
    ----------
    dataset : Dataset
        Where to take the rows from.
    horizon : str
        Which label, one of `dataset.labels`.

    Returns
    -------
    TrainingRows
        Rows whose label is finite and whose cell has a bar. When no row drops out, `values` is a view of the
        feature matrix.

    Raises
    ------
    InputError
        If the dataset has no such label.
    """
    if horizon not in dataset.labels:
        raise InputError(f"horizon must be one of {', '.join(dataset.labels)}, was {horizon}")
    label = dataset.labels[horizon]
    keep = np.isfinite(label) & has_bar(dataset.panel)
    bar, symbol = np.nonzero(keep)
    values = dataset.features.values
    if keep.all():
        rows = values.reshape(-1, values.shape[2])
    else:
        rows = values[keep]
    return TrainingRows(rows, label[keep], bar, symbol)


def values_hash(dataset: Dataset) -> dict[str, str]:
    """Hash what was computed: equal parts must give equal values, and this proves it on a replay."""
    return {
        "features": hash_array(dataset.features.values),
        **{f"label_{name}": hash_array(label) for name, label in dataset.labels.items()},
    }
