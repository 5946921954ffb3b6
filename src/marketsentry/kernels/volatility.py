"""Volatility of every symbol at every close, by the estimate that the sizing uses."""

import numpy as np

from marketsentry.kernels.compiling import kernel
from marketsentry.kernels.sizing import next_variance, volatility_of


@kernel
def volatility_path(close: np.ndarray, alpha: float, warmup: float, out: np.ndarray) -> None:
    """Write the deviation per bar known at each close (T, N) into `out` (T, N); 0.0 before it is known.

    A lost bar keeps the estimate; the return after it spans the gap and counts as one bar's, as in the replay.
    """
    for n in range(close.shape[1]):
        before, variance, n_returns = 0.0, 0.0, 0.0
        for t in range(close.shape[0]):
            now = close[t, n]
            if now > 0.0:
                if before > 0.0:
                    n_returns += 1.0
                    variance = next_variance(variance, now / before - 1.0, n_returns, alpha)
                before = now
            out[t, n] = volatility_of(variance, n_returns, warmup)
