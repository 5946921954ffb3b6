import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.backtest.tape import FILL_DTYPE, fills_between


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(0, 10), st.integers(0, 10))
def test_fills_between_are_those_a_mask_would_find(bars: list[int], start: int, stop: int) -> None:
    fills = np.zeros(len(bars), dtype=FILL_DTYPE)
    fills["bar"], fills["symbol"] = sorted(bars), range(len(bars))
    masked = fills[(fills["bar"] >= start) & (fills["bar"] < stop)]
    np.testing.assert_array_equal(fills_between(fills, start, stop), masked)
