"""Sliding means, variances and maxima that never subtract: O(1) a bar, no drift, exact on constants.

A window of `width` rows is cut where a block of `width` bars began. Of the bars before the cut the block
keeps the mean (sum of squared deviations, maximum) of every suffix; of the bars since the cut it keeps one
running value. The value of the window is the merge of the suffix that is still inside with the running value.
When a block is full it is turned into suffixes from its end: `width` merges every `width` bars. Means and
squared deviations are merged by Chan, Golub and LeVeque (1979), so a constant gives its own mean and exactly
zero variance, and a spike that has left the window leaves nothing behind.

A block holds `width + 1` rows of `n_columns` numbers from `base` on: row `p` of the current block is raw
until the next cut, rows after `p` are suffixes of the block before, and the last row stays zero. The running
values stand in `n_columns` numbers from `running` on. Squared deviations have the same two parts of their
own.
"""

from numba import njit


@njit(error_model="numpy", nogil=True)
def cut_means(state, i, base, running, n_columns, width):
    """Turn a full block of raw values into suffix means and start the running means at zero."""
    for q in range(n_columns):
        state[i, running + q] = 0.0
    for row in range(width - 2, -1, -1):
        share = 1.0 / (width - row)
        at = base + row * n_columns
        for q in range(n_columns):
            later = state[i, at + n_columns + q]
            state[i, at + q] = later + (state[i, at + q] - later) * share


@njit(error_model="numpy", nogil=True)
def cut_squares(state, i, base, n_columns, squares, squares_running, n_squares, width):
    """Make suffix sums of squared deviations of the first `n_squares` columns; call before `cut_means`."""
    last = width - 1
    for q in range(n_squares):
        state[i, squares_running + q] = 0.0
        state[i, squares + last * n_squares + q] = 0.0
        mean = state[i, base + last * n_columns + q]
        total = 0.0
        for row in range(last - 1, -1, -1):
            share = 1.0 / (width - row)
            value = state[i, base + row * n_columns + q]
            delta = value - mean
            mean += delta * share
            total += delta * (value - mean)
            state[i, squares + row * n_squares + q] = total


@njit(error_model="numpy", nogil=True, forceinline=True)
def push_mean(state, i, at, running, n_columns, share_new, share_old, value):
    """Take in one value and return the mean of the window.

    `at` is the cell of this bar, `share_new` is one over the bars since the cut, `share_old` the part of the
    window that lies before the cut.
    """
    mean = state[i, running]
    mean += (value - mean) * share_new
    state[i, running] = mean
    state[i, at] = value
    return mean + (state[i, at + n_columns] - mean) * share_old


@njit(error_model="numpy", nogil=True, forceinline=True)
def push_square(
    state,
    i,
    at,
    running,
    n_columns,
    squares_at,
    squares_running,
    n_squares,
    share_new,
    share_old,
    n_new,
    value,
):
    """Take in one value and return the mean and the sum of squared deviations of the window."""
    mean = state[i, running]
    delta = value - mean
    mean += delta * share_new
    state[i, running] = mean
    total = state[i, squares_running] + delta * (value - mean)
    state[i, squares_running] = total
    state[i, at] = value
    apart = state[i, at + n_columns] - mean
    merged = total + state[i, squares_at + n_squares] + apart * apart * (share_old * n_new)
    return mean + apart * share_old, merged


@njit(error_model="numpy", nogil=True)
def cut_maxima(state, i, base, running, n_columns, width):
    """Turn a full block of raw values into suffix maxima and start the running maxima anew."""
    for q in range(n_columns):
        state[i, running + q] = -1e300
    for row in range(width - 2, -1, -1):
        at = base + row * n_columns
        for q in range(n_columns):
            state[i, at + q] = max(state[i, at + q], state[i, at + n_columns + q])


@njit(error_model="numpy", nogil=True, forceinline=True)
def push_maximum(state, i, at, running, n_columns, has_old, value):
    """Take in one value and return the maximum; `has_old` tells if a part lies before the cut."""
    high = max(state[i, running], value)
    state[i, running] = high
    state[i, at] = value
    older = state[i, at + n_columns]
    return max(high, older) if has_old else high
