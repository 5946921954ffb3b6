"""Reading stored predictions."""

from marketsentry.ports import Transactions
from marketsentry.ports.predictions import StoredPrediction
from marketsentry.services.paging import Page, page_of


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
) -> Page[StoredPrediction, int]:
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
    Page
    """
    async with transactions() as stores:
        found = await stores.predictions.page(
            track=track, target=target, before_id=before_id, limit=limit + 1
        )
    return page_of(found, limit, lambda one: one.id)
