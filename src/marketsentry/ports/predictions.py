"""Where predictions are kept, and what is read of the record to make them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.serving.answer import Answer
from marketsentry.core.serving.cold_start import Price
from marketsentry.core.serving.explain import ContextEvent, Explanation


@dataclass(frozen=True, slots=True)
class ContextQuery:
    """Events about a target: its names, compared without case, and its symbols.

    With `country` or `sector` an entity of which another one is known is left out. Nothing known after `as_of_ns` is
    read, UTC epoch ns.
    """

    names: tuple[str, ...]
    symbols: tuple[str, ...]
    as_of_ns: int
    country: str | None = None
    sector: str | None = None


@dataclass(frozen=True, slots=True)
class ServedSnapshot:
    """The features that a prediction read: `values` (F,) by `names`, NaN = missing, of the bar that ends then.

    Times are UTC epoch ns.
    """

    event_time_ns: int
    as_of_ns: int
    feature_version: str
    data_version: str
    schema_hash: str
    names: tuple[str, ...]
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PredictionRecord:
    """One prediction as it is stored; `snapshot` and `model_id` are None where no model answered."""

    track: str
    target: str
    horizon: str
    answer: Answer
    feature_set_id: str
    lineage_id: str
    model_id: int | None = None
    snapshot: ServedSnapshot | None = None


@dataclass(frozen=True, slots=True)
class StoredPrediction:
    """A prediction read back with its explanation. `outputs` are those of `Answer.document`."""

    id: int
    track: str
    target: str
    score: float | None
    confidence: float | None
    outputs: dict[str, Any]
    created_at: datetime
    horizon: str | None
    model_id: int | None
    feature_set_id: str | None
    decision_id: str | None
    feature_snapshot_id: int | None
    lineage_id: str | None
    source: str
    tradeable: bool
    reason: str | None
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class BarPrediction:
    """What a model said of one target at one bar; `score` is a gross return over the horizon, finite."""

    target: str
    feature_lineage_id: str
    score: float
    confidence: float
    outputs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BarPredictions:
    """Predictions of one model on the stored snapshots of one bar that ends at `event_time_ns`, UTC epoch ns."""

    track: str
    horizon: str
    model_id: int
    model_version: str
    feature_version: str
    decision_id: str
    event_time_ns: int
    tradeable: bool
    rows: tuple[BarPrediction, ...]


class PredictionStore(Protocol):
    """Predictions; they are appended and never changed."""

    async def newest_price(self, symbol: str, *, as_of_ns: int) -> Price | None:
        """Read the newest price known: a spot price, or the close of a bar of any length when that is newer."""
        ...

    async def context_events(self, query: ContextQuery, *, limit: int) -> Sequence[ContextEvent]:
        """Read the events about a target that occurred last, newest first."""
        ...

    async def add_bar(self, predictions: BarPredictions) -> Mapping[str, int]:
        """Append the predictions of one bar in one statement; returns their ids by target.

        They have no attributions. Raises `DataQualityError` when a snapshot that was predicted on is not stored.
        """
        ...

    async def get(self, prediction_id: int) -> StoredPrediction:
        """Read a prediction; raises `NotFoundError`."""
        ...

    async def features(self, prediction_id: int) -> Mapping[str, float | None]:
        """Read the feature row that a prediction stored, by name; None is missing. Empty where it stored none."""
        ...

    async def page(
        self, *, track: str | None, target: str | None, before_id: int | None, limit: int
    ) -> Sequence[StoredPrediction]:
        """List predictions with an id below `before_id`, newest first."""
        ...
