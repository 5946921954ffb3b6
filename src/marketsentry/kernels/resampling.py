"""Sums over the blocks of a resample: what a bootstrap of sums does most."""

import numpy as np

from marketsentry.kernels.compiling import unlocked


@unlocked
def add_blocks(whole: np.ndarray, starts: np.ndarray, sums: np.ndarray) -> None:
    """Add to `sums` (n_resamples, k) the rows of `whole` (n_bars, k) that `starts` (n_resamples, n_blocks) names.

    `sums[i]` grows by the sum of ``whole[starts[i]]``, added up in the order of the blocks from zero.
    """
    for i in range(starts.shape[0]):
        for k in range(whole.shape[1]):
            total = 0.0
            for j in range(starts.shape[1]):
                total += whole[starts[i, j], k]
            sums[i, k] += total
