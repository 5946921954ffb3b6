import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from marketsentry.core.training.rows import select_rows
from marketsentry.exceptions import InputError

SHAPES = st.tuples(st.integers(1, 20), st.integers(1, 4))


@given(st.data(), SHAPES)
def test_every_present_cell_is_one_row_in_time_order(data: st.DataObject, shape: tuple[int, int]) -> None:
    known = data.draw(arrays(np.bool_, shape))
    present = data.draw(arrays(np.bool_, shape))
    rows = select_rows(np.where(known, 0.5, np.nan), present)
    cells = [(t, n) for t in range(shape[0]) for n in range(shape[1]) if present[t, n]]
    for kind, wanted in ((rows.labelled, True), (rows.unlabelled, False)):
        assert list(zip(kind.bar, kind.symbol, strict=True)) == [c for c in cells if bool(known[c]) is wanted]
        assert kind.n_rows == sum(bool(known[c]) is wanted for c in cells)


@given(st.data(), SHAPES)
def test_the_rows_of_a_span_of_bars_are_one_range(data: st.DataObject, shape: tuple[int, int]) -> None:
    present = data.draw(arrays(np.bool_, shape))
    start = data.draw(st.integers(0, shape[0]))
    stop = data.draw(st.integers(start, shape[0]))
    kind = select_rows(np.zeros(shape), present).labelled
    inside: NDArray[np.bool_] = (kind.bar >= start) & (kind.bar < stop)
    assert list(range(*kind.span(slice(start, stop)).indices(kind.n_rows))) == list(np.flatnonzero(inside))


def test_infinite_labels_are_refused() -> None:
    with pytest.raises(InputError, match="finite or NaN"):
        select_rows(np.array([[np.inf]]), np.array([[True]]))


def test_shapes_must_agree() -> None:
    with pytest.raises(InputError, match=r"were \(2, 1\) and \(1, 1\)"):
        select_rows(np.zeros((2, 1)), np.ones((1, 1), dtype=np.bool_))
