"""Checking that training and serving wrote the same features of the same bars (contract 1.9, K-55, K-66)."""

import asyncio

from marketsentry.core.quality.lineage_check import (
    SnapshotComparison,
    Tolerance,
    compare_snapshots,
    writer_of,
)
from marketsentry.ports import Transactions
from marketsentry.ports.lineage import LineageQuery

MAX_BARS = 1_000


async def check_lineage(
    query: LineageQuery,
    tolerance: Tolerance,
    *,
    transactions: Transactions,
    other_lineage_id: str | None = None,
) -> SnapshotComparison:
    """Compare the snapshots of a lineage with those of the other writer, bar by bar.

    Parameters
    ----------
    query
        The lineage. One that a writer named (`train-...`, `infer-...`) is compared with the newest snapshots of
        the other writer, on the newest `MAX_BARS` bars that both have written. Any other has no other
        writer: the two newest snapshots of each of its targets are compared.
    tolerance
        How much may differ.
    transactions
        The record.
    other_lineage_id
        Compare with this lineage instead, on the newest `MAX_BARS` bars of both: two builds of a dataset, for
        example.

    Returns
    -------
    SnapshotComparison
        `insufficient_snapshots` when there is nothing to compare, also for an unknown lineage.
    """
    writer = writer_of(query.lineage_id)
    async with transactions() as stores:
        if other_lineage_id is not None:
            pairs = await stores.lineage.lineage_pairs(query, other_lineage_id, limit=MAX_BARS)
        elif writer is None:
            pairs = await stores.lineage.newest_pairs(query)
        else:
            pairs = await stores.lineage.writer_pairs(query, writer, limit=MAX_BARS)
    return await asyncio.to_thread(compare_snapshots, pairs, tolerance)
