"""When a bar counts: anything else is lost."""

import numpy as np
from numba import njit


@njit(error_model="numpy", nogil=True, forceinline=True)
def is_whole(start, high, low, close, volume):
    """Say if 0 < low <= open, close <= high, all finite, and 0 <= volume finite; NaN fails every comparison."""
    return low > 0.0 and low <= start <= high and low <= close <= high < np.inf and 0.0 <= volume < np.inf
