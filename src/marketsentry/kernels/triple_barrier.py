"""The path walk behind the triple-barrier label."""

from numba import njit


@njit(error_model="numpy", nogil=True, cache=True)
def triple_barrier_kernel(high, low, close, horizon, upper, lower, outcome, exit_bars, exit_return):
    """Fill `outcome`, `exit_bars`, `exit_return` (T, N); they come in as NaN."""
    n_bars, n_symbols = close.shape
    for i in range(n_symbols):
        for t in range(n_bars - horizon):
            start = close[t, i]
            top = start * (1.0 + upper[t, i])
            bottom = start * (1.0 - lower[t, i])
            if not (start > 0.0 and top > bottom):
                continue
            for k in range(1, horizon + 1):
                if not low[t + k, i] <= high[t + k, i]:
                    break
                if low[t + k, i] <= bottom:
                    outcome[t, i] = -1.0
                    exit_bars[t, i] = k
                    exit_return[t, i] = -lower[t, i]
                    break
                if high[t + k, i] >= top:
                    outcome[t, i] = 1.0
                    exit_bars[t, i] = k
                    exit_return[t, i] = upper[t, i]
                    break
                if k == horizon:
                    outcome[t, i] = 0.0
                    exit_bars[t, i] = k
                    exit_return[t, i] = close[t + k, i] / start - 1.0
