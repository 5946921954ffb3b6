"""Read stored feature snapshots back as the matrix they came from."""

from collections.abc import Sequence

import numpy as np

from marketsentry.core.features.matrix import FeatureMatrix
from marketsentry.core.features.schema import FeatureSchema
from marketsentry.core.market.interval import Interval
from marketsentry.exceptions import NotFoundError
from marketsentry.ports import Transactions
from marketsentry.ports.datasets import SnapshotRows


async def load_features(
    targets: Sequence[str],
    interval: Interval,
    schema: FeatureSchema,
    *,
    transactions: Transactions,
    track: str = "liquid",
    data_version: str = "v1",
    start_ns: int | None = None,
    stop_ns: int | None = None,
) -> FeatureMatrix:
    """Read the newest training snapshots of several targets.

    Parameters
    ----------
    targets : sequence of str
        In the order of the matrix.
    interval : Interval
        Bar length of the dataset the snapshots belong to.
    schema : FeatureSchema
        The features wanted; snapshots of another schema are refused.
    transactions : Transactions
        The record.
    track : str
        Under which the snapshots were written.
    data_version : str
        Under which the snapshots were written.
    start_ns : int, optional
        First event time (bar end), UTC epoch ns.
    stop_ns : int, optional
        Event times lie before it.

    Returns
    -------
    FeatureMatrix
        From the first to the last bar of any target, NaN where a target has no snapshot; the numbers are those that
        were computed, bit for bit.

    Raises
    ------
    NotFoundError
        If a target has no snapshots of the interval, or none lies in the span.
    ConflictError
        If the newest snapshots of a target have another schema.
    """
    found = []
    async with transactions() as stores:
        for target in targets:
            lineage_id = await stores.datasets.newest_lineage(target, track, data_version, interval.name)
            if lineage_id is None:
                raise NotFoundError(
                    f"no {interval} features of {target} in data version {data_version}; see `ms features build`"
                )
            rows = await stores.datasets.read_snapshots(
                lineage_id, target, schema.names, schema_hash=schema.hash, start_ns=start_ns, stop_ns=stop_ns
            )
            found.append(rows)
    return _on_one_grid(tuple(targets), interval, schema, found)


def _on_one_grid(
    targets: tuple[str, ...], interval: Interval, schema: FeatureSchema, found: Sequence[SnapshotRows]
) -> FeatureMatrix:
    """Place every snapshot by the time of its bar, never by its position."""
    some = [rows.event_time_ns for rows in found if rows.event_time_ns.size]
    if not some:
        raise NotFoundError(f"no {interval} features of {', '.join(targets)} lie in the span")
    first = min(int(times[0]) for times in some)
    last = max(int(times[-1]) for times in some)
    known_at_ns = np.arange(first, last + 1, interval.ns, dtype=np.int64)
    values = np.full((known_at_ns.size, len(targets), len(schema.features)), np.nan)
    for n, rows in enumerate(found):
        values[(rows.event_time_ns - first) // interval.ns, n] = rows.values
    return FeatureMatrix(targets, interval, known_at_ns - interval.ns, values, schema)
