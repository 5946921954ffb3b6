"""Export the labelled windows of a dataset: from each bar to the end of the horizon, and which way it went."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from marketsentry.core.dataset import Dataset, horizon_bars
from marketsentry.core.labels.direction import DEFAULT_THRESHOLD_FRAC, direction
from marketsentry.core.market.interval import NS_PER_S
from marketsentry.exceptions import InputError, NotFoundError
from marketsentry.ports import Transactions
from marketsentry.ports.datasets import SampleRows

HOUR_NS = 3_600 * NS_PER_S


def training_samples(
    dataset: Dataset, horizons: Sequence[str], *, threshold_frac: float = DEFAULT_THRESHOLD_FRAC
) -> Iterator[SampleRows]:
    """Make the samples of a dataset, one symbol and horizon at a time.

    Parameters
    ----------
    dataset : Dataset
        Where prices and labels come from.
    horizons : sequence of str
        Labels of the dataset, e.g. `1h`.
    threshold_frac : float
        Half-width of the band in which a move is neutral.

    Yields
    ------
    SampleRows
        Only windows whose both ends have a bar.

    Raises
    ------
    InputError
        If the dataset has no such label, or no label at all.
    """
    unknown = [name for name in horizons if name not in dataset.labels]
    if unknown or not horizons:
        raise InputError(f"horizons must be among {', '.join(dataset.labels)}, were {list(horizons)}")
    panel = dataset.panel
    for name in horizons:
        bars = horizon_bars(panel.interval)[name]
        for n, symbol in enumerate(panel.symbols):
            change = dataset.labels[name][:, n]
            rows = np.flatnonzero(np.isfinite(change))
            yield SampleRows(
                symbol=symbol,
                horizon_hours=bars * panel.interval.ns // HOUR_NS,
                start_ns=panel.known_at_ns[rows],
                end_ns=panel.known_at_ns[rows + bars],
                price_start=panel.close[rows, n],
                price_end=panel.close[rows + bars, n],
                pct_change=change[rows],
                direction=direction(change[rows], threshold_frac),
            )


async def store_samples(
    dataset: Dataset,
    horizons: Sequence[str],
    *,
    transactions: Transactions,
    threshold_frac: float = DEFAULT_THRESHOLD_FRAC,
    on_progress: Callable[[str, float], None] = lambda step, share: None,
) -> int:
    """Write the samples of a recorded dataset to the table of training samples.

    Parameters
    ----------
    dataset : Dataset
        As `build_dataset` returned it.
    horizons : sequence of str
        Labels of the dataset.
    transactions : Transactions
        The record.
    threshold_frac : float
        Half-width of the neutral band.
    on_progress : callable
        Called with the step and its done share.

    Returns
    -------
    int
        Rows that were not there yet.

    Raises
    ------
    InputError
        If the dataset has no such label.
    NotFoundError
        If the dataset is not in the record.
    """
    written = 0
    n_parts = len(horizons) * len(dataset.panel.symbols)
    async with transactions() as stores:
        found = await stores.datasets.find(dataset.content_hash)
        if found is None:
            raise NotFoundError(f"dataset {dataset.content_hash} is not in the record; build it first")
        for part, rows in enumerate(training_samples(dataset, horizons, threshold_frac=threshold_frac)):
            written += await stores.datasets.write_samples(found[0], rows)
            on_progress("samples", (part + 1) / n_parts)
    return written
