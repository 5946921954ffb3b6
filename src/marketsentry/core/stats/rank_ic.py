"""Rank information coefficient: Spearman correlation of a prediction with what came of it."""

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.stats.ic import known_pairs, pearson


def rank_ic(prediction: NDArray[np.float64], outcome: NDArray[np.float64]) -> float | None:
    """Correlate the ranks of predictions and outcomes; a few wild returns cannot make or break it.

    Parameters
    ----------
    prediction
        What was said, any shape.
    outcome
        What came, same shape. A pair counts where both are finite. Equal values share the mean of their
        ranks.

    Returns
    -------
    float or None
        In -1..1. None with fewer than three pairs or when either side does not vary.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    x, y = known_pairs(prediction, outcome)
    return pearson(average_ranks(x), average_ranks(y))


def average_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank from 1, lowest first; ties share the mean of the ranks they cover. `values` (n,) finite."""
    order = np.argsort(values)  # in any order among equals: they share one rank
    ordered = values[order]
    differs = ordered[1:] != ordered[:-1]
    ranks = np.empty(values.size)
    if differs.all():
        ranks[order] = np.arange(1.0, values.size + 1.0)
        return ranks
    first_of_group = np.flatnonzero(np.r_[True, differs])
    sizes = np.diff(np.r_[first_of_group, values.size])
    ranks[order] = np.repeat(first_of_group + (sizes + 1) / 2, sizes)
    return ranks
