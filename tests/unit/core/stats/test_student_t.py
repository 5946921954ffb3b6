"""The expansion of Student's quantile against scipy's exact one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from marketsentry.core.stats.student_t import student_quantile
from marketsentry.exceptions import InputError


@given(st.floats(0.01, 0.99), st.floats(4.0, 1e6))
def test_it_is_within_two_thousandths_of_the_exact_quantile(probability, dof):
    exact = stats.t.ppf(probability, dof)
    assert student_quantile(probability, dof) == pytest.approx(exact, rel=2e-3, abs=1e-12)


def test_many_degrees_of_freedom_are_the_normal():
    assert student_quantile(0.975, 1e9) == pytest.approx(stats.norm.ppf(0.975), abs=1e-8)


def test_out_of_range_is_refused():
    with pytest.raises(InputError, match="dof must be >= 4, was 3"):
        student_quantile(0.9, 3)
    with pytest.raises(InputError, match="dof must be >= 4, was nan"):
        student_quantile(0.9, float("nan"))
    with pytest.raises(InputError, match="probability must be in"):
        student_quantile(1.0, 9)
