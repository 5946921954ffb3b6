import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.stats.holm import holm
from marketsentry.exceptions import InputError

p_values = st.lists(st.none() | st.floats(0.0, 1.0), min_size=0, max_size=8)


def naive_rejects(p_values, level):
    """Walk up from the smallest p value; stop at the first that its share of the level does not reject."""
    order = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    rejected = set()
    for rank, (p, i) in enumerate(order):
        if p > level / (len(p_values) - rank):
            break
        rejected.add(i)
    return rejected


@given(p_values, st.sampled_from([0.01, 0.05, 0.2]))
def test_adjusted_values_reject_what_the_procedure_rejects(p_values, level):
    adjusted = holm(p_values)
    unclear = any(p is not None and math.isclose(p, level, rel_tol=1e-9) for p in adjusted)
    if not unclear:
        assert {i for i, p in enumerate(adjusted) if p is not None and p <= level} == naive_rejects(
            p_values, level
        )


@given(p_values)
def test_adjusted_values_stand_where_the_raw_ones_do_and_never_below(p_values):
    for raw, adjusted in zip(p_values, holm(p_values), strict=True):
        assert (raw is None) == (adjusted is None)
        assert raw is None or raw <= adjusted <= 1.0


def test_a_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_a_single_value_stays():
    assert holm([0.04]) == [0.04]


@pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
def test_what_is_no_p_value_is_refused(p):
    with pytest.raises(InputError, match="p value must be in"):
        holm([0.1, p])
