"""Coverage of a grid agrees with a plain set of cells, however the cells arrive."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.market.coverage import (
    coverage_from_gaps,
    coverage_of,
    empty_coverage,
    merge_coverage,
)
from marketsentry.core.market.interval import parse_interval
from marketsentry.exceptions import InputError

FIVE = parse_interval("5m")
CELLS = st.sets(st.integers(0, 60), max_size=40)


def times(cells: set[int]) -> np.ndarray:
    return np.array(sorted(cells), dtype=np.int64) * FIVE.ns


@given(st.lists(CELLS, min_size=1, max_size=6))
def test_merging_in_any_order_is_the_union(blocks: list[set[int]]) -> None:
    coverage = empty_coverage(FIVE)
    for cells in blocks:
        coverage = merge_coverage(coverage, coverage_of(FIVE, times(cells)))
    union = set().union(*blocks)
    assert coverage.n_cells == len(union)
    if not union:
        return
    missing = set(range(min(union), max(union))) - union
    assert (coverage.first_ns, coverage.last_ns) == (min(union) * FIVE.ns, max(union) * FIVE.ns)
    assert coverage.n_missing == len(missing)
    lost = {c for start, stop in coverage.gaps_ns // FIVE.ns for c in range(start, stop)}
    assert lost == missing
    again = coverage_from_gaps(FIVE, coverage.first_ns, coverage.last_ns, coverage.gaps_ns)
    assert again.runs_ns.tolist() == coverage.runs_ns.tolist()


def test_runs_that_touch_become_one() -> None:
    one, other = coverage_of(FIVE, times({1, 2})), coverage_of(FIVE, times({3, 4}))
    assert merge_coverage(other, one).runs_ns.tolist() == [[FIVE.ns, 5 * FIVE.ns]]


def test_unordered_times_and_other_grids_are_refused() -> None:
    with pytest.raises(InputError, match="strictly increasing"):
        coverage_of(FIVE, np.array([FIVE.ns, 0]))
    with pytest.raises(InputError, match="share one interval"):
        merge_coverage(empty_coverage(FIVE), empty_coverage(parse_interval("1h")))
