"""Which features of a dataset have no value at all: they can teach nothing, and nobody should think they did."""

import numpy as np

from marketsentry.core.dataset import Dataset
from marketsentry.exceptions import InputError

BLOCK_BARS = 1_024


def absent_features(dataset: Dataset) -> tuple[str, ...]:
    """Name the features that are missing at every bar of every symbol.

    Parameters
    ----------
    dataset
        Its features (T, N, F).

    Returns
    -------
    tuple of str
        In the order of the schema.

    Raises
    ------
    InputError
        If no feature has a value.

    Notes
    -----
    Reads block by block and looks on only for what was not seen yet, so a usual dataset costs one block for most
    features.
    """
    names, values = dataset.features.names, dataset.features.values
    unseen = np.arange(len(names))
    for start in range(0, values.shape[0], BLOCK_BARS):
        if not unseen.size:
            break
        block = values[start : start + BLOCK_BARS][:, :, unseen]
        unseen = unseen[np.isnan(block).all(axis=(0, 1))]
    if unseen.size == len(names):
        raise InputError(f"at least one of {len(names)} features must have a value, none has")
    return tuple(names[f] for f in unseen)
