"""Where the numbers of one symbol stand in its row of state: plain float64, so that it can be stored.

A row of zeros is the fresh state: `COUNT` is the number of bars since the last loss.
"""

_size = 0


def _take(n_cells: int) -> int:
    """Reserve cells and return the first."""
    global _size
    start = _size
    _size += n_cells
    return start


def _window(width: int, n_columns: int, n_squares: int = 0) -> tuple[int, int, int, int]:
    """Reserve a block for means of `n_columns` and squares of the first `n_squares` of them."""
    base = _take((width + 1) * n_columns)
    running = _take(n_columns)
    squares = _take((width + 1) * n_squares)
    return base, running, squares, _take(n_squares)


COUNT = _take(1)
PAIR_COUNT = _take(1)
LOG_RETURNS = _take(2)  # of the last two bars, newest first
LAST_HIGH = _take(1)  # log(high / close) of the bar before
LAST_LOW = _take(1)
VOLUME_MEAN = _take(1)  # of the 12 bars up to the one before
VOLUME_SQUARES = _take(1)
AVERAGE_GAIN = _take(1)
AVERAGE_LOSS = _take(1)
AVERAGE_RANGE = _take(1)
EMA_12 = _take(1)
EMA_26 = _take(1)
SIGNAL_9 = _take(1)
MEAN_24, MEAN_96 = _take(1), _take(1)  # mean log return of the bar before, for autocorrelation
SQUARES_24, SQUARES_96 = _take(1), _take(1)

# The count is masked so that the compiler knows it is not negative; 2**52 bars never come.
COUNT_MASK = (1 << 52) - 1
RING_MASK = 511
CLOSES = _take(RING_MASK + 1)

# Columns: close
W7, W7_RUN, _, _ = _window(7, 1)
# Columns: log return, volume | high-low, Garman-Klass, Rogers-Satchell, price impact, traded
W12, W12_RUN, W12_SQ, W12_SQ_RUN = _window(12, 7, 2)
# Columns: close
W20, W20_RUN, W20_SQ, W20_SQ_RUN = _window(20, 1, 1)
# Columns: log return | up, absolute return, lagged product, spread, signed volume, volume, traded value
W24, W24_RUN, W24_SQ, W24_SQ_RUN = _window(24, 8, 1)
# Columns: close
W30, W30_RUN, _, _ = _window(30, 1)
# Columns: log return, log volume | high-low, Garman-Klass, Rogers-Satchell, impact, traded, square, square of
# falls, lagged absolute product
W48, W48_RUN, W48_SQ, W48_SQ_RUN = _window(48, 10, 2)
# Columns: log return | close, volume, up, lagged product, spread, impact, traded, square, cube, fourth power
W96, W96_RUN, W96_SQ, W96_SQ_RUN = _window(96, 11, 1)
# Columns: log return | impact, traded
W288, W288_RUN, W288_SQ, W288_SQ_RUN = _window(288, 3, 1)
# Columns: own return, market return | product
PAIR, PAIR_RUN, PAIR_SQ, PAIR_SQ_RUN = _window(96, 3, 2)
# Columns: high, minus low
X24, X24_RUN, _, _ = _window(24, 2)
X96, X96_RUN, _, _ = _window(96, 2)
X288, X288_RUN, _, _ = _window(288, 1)

STATE_SIZE = _size
