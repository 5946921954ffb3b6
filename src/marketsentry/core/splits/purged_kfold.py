"""Purged k-fold: every bar is tested once, trained on both sides of its block, never across a label."""

import itertools
from dataclasses import dataclass

from marketsentry.core.splits.walk_forward import purge_length
from marketsentry.exceptions import InputError


@dataclass(frozen=True, slots=True)
class PurgedFold:
    """One test block and the one or two training spans around it; ranges of bars (`stop` exclusive)."""

    index: int
    train: tuple[slice, ...]
    test: slice


def purged_kfold(
    n_bars: int, *, n_splits: int, horizon_bars: int, embargo_bars: int = 0, purge_bars: int | None = None
) -> tuple[PurgedFold, ...]:
    """Cut a history into `n_splits` test blocks, dropping `purge` rows on both sides of each.

    Before the block the purge drops rows whose label reaches into it; after it, rows whose own bars lie in
    the labels of the block. Unlike walk-forward it trains on what came later, so it tells how stable a fit
    is, not what could have been earned.

    Parameters
    ----------
    n_bars
        Length of the history.
    n_splits
        Number of blocks, >= 2; their lengths differ by at most one bar.
    horizon_bars
        The longest label horizon in use, in bars, >= 1.
    embargo_bars
        Further bars to drop beside a test span, >= 0.
    purge_bars
        The gap wanted, in bars; horizon plus embargo if left out.

    Returns
    -------
    tuple of PurgedFold
        In time order.

    Raises
    ------
    InputError
        If the purge is too short, or a fold would have no training rows.
    """
    gap = purge_length(horizon_bars=horizon_bars, embargo_bars=embargo_bars, purge_bars=purge_bars)
    if not 2 <= n_splits <= n_bars:
        raise InputError(f"n_splits must be in 2..n_bars ({n_bars}), was {n_splits}")
    edges = [n_bars * k // n_splits for k in range(n_splits + 1)]
    folds = []
    for k, (start, stop) in enumerate(itertools.pairwise(edges)):
        sides = (slice(0, max(start - gap, 0)), slice(min(stop + gap, n_bars), n_bars))
        train = tuple(side for side in sides if side.stop > side.start)
        if not train:
            raise InputError(
                f"n_bars must leave training rows beside {n_splits} blocks and a purge of {gap}, was {n_bars}"
            )
        folds.append(PurgedFold(k, train, slice(start, stop)))
    return tuple(folds)
