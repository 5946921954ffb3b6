"""Which model of an artifact may score which bar: the newest one that had not seen it.

A walk-forward artifact holds a model per fold and the one that serves. A model has seen its training bars, and
through their labels what follows them within the purge; it may score from there on. So every bar gets an
out-of-sample score, or none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.market.interval import Interval
from marketsentry.exceptions import ConflictError

NO_SCORER = -1


@dataclass(frozen=True, slots=True)
class Scorer:
    """A model's training span, UTC epoch ns of bar opens, stop exclusive, and the first bar it may score."""

    train_start_ns: int
    train_stop_ns: int
    scores_from_ns: int


def scorers_of(manifest: Mapping[str, Any], first_ts_ns: int, interval: Interval) -> tuple[Scorer, ...]:
    """Read the training spans of an artifact: the folds in order, then the model that serves.

    Parameters
    ----------
    manifest
        Of the artifact; its `recipe` lists the spans as ranges of bars.
    first_ts_ns
        Open time of bar 0 of those ranges.
    interval
        Bar length.

    Returns
    -------
    tuple of Scorer

    Raises
    ------
    ConflictError
        If the manifest does not say what its models were trained on.
    """
    try:
        recipe = manifest["recipe"]
        trains = [fold["train"] for fold in recipe["folds"]] + [recipe["final"]["train"]]
        purge = int(recipe["purge_bars"])
    except (KeyError, TypeError) as exc:
        raise ConflictError(
            "the model's manifest does not say on which bars its models were trained"
        ) from exc
    return tuple(
        Scorer(
            first_ts_ns + int(start) * interval.ns,
            first_ts_ns + int(stop) * interval.ns,
            first_ts_ns + (int(stop) + purge) * interval.ns,
        )
        for start, stop in trains
    )


def choose_scorers(
    scorers: Sequence[Scorer], ts_ns: NDArray[np.int64], *, min_train_ns: int
) -> NDArray[np.int16]:
    """Give each bar the newest model that may score it.

    Parameters
    ----------
    scorers
        Of one artifact.
    ts_ns
        Shape (T,). Bar open times, UTC epoch ns.
    min_train_ns
        Models trained on a shorter span score nothing.

    Returns
    -------
    ndarray of shape (T,), int16
        Index into `scorers`, `NO_SCORER` where no model may.
    """
    chosen = np.full(ts_ns.size, NO_SCORER, dtype=np.int16)
    fit = [
        (one.scores_from_ns, index)
        for index, one in enumerate(scorers)
        if one.train_stop_ns - one.train_start_ns >= min_train_ns
    ]
    for scores_from_ns, index in sorted(fit):
        chosen[ts_ns >= scores_from_ns] = index
    return chosen
