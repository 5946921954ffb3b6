"""Reading stored predictions."""

from collections.abc import Sequence
from dataclasses import dataclass

from marketsentry.ports import Transactions
from marketsentry.ports.predictions import StoredPrediction


@dataclass(frozen=True, slots=True)
class PredictionPage:
    """Predictions, newest first; `next_before_id` asks for the page after it, None when there is none."""

    items: Sequence[StoredPrediction]
    next_before_id: int | None


async def read_prediction(prediction_id: int, *, transactions: Transactions) -> StoredPrediction:
    """Read a prediction with its explanation; raises `NotFoundError`."""
    async with transactions() as stores:
        return await stores.predictions.get(prediction_id)


async def list_predictions(
    *,
    track: str | None,
    target: str | None,
    before_id: int | None,
    limit: int,
    transactions: Transactions,
) -> PredictionPage:
    """Read one page of predictions.

    Parameters
    ----------
    track
        Only of this track; None means any.
    target
        Only of this target.
    before_id
        Only ids below it.
    limit
        At most so many.
    transactions
        The record.

    Returns
    -------
    PredictionPage
    """
    async with transactions() as stores:
        found = await stores.predictions.page(
            track=track, target=target, before_id=before_id, limit=limit + 1
        )
    items = found[:limit]
    return PredictionPage(items, items[-1].id if len(found) > limit else None)
