"""Places of a stratified sample."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from marketsentry.core.quality.sampling import allocate

SIZES = st.lists(st.integers(0, 200), max_size=8)


def naive_allocate(sizes: list[int], limit: int) -> tuple[int, ...]:
    places = [0] * len(sizes)
    for _ in range(min(limit, sum(sizes))):
        open_ = [i for i, size in enumerate(sizes) if places[i] < size]
        without = [i for i in open_ if places[i] == 0]
        if without:
            chosen = max(without, key=lambda i: (sizes[i], -i))
        else:
            chosen = max(open_, key=lambda i: (sizes[i] / (2 * places[i] + 1), -i))
        places[chosen] += 1
    return tuple(places)


@given(SIZES, st.integers(0, 300))
def test_places_agree_with_giving_them_one_by_one(sizes: list[int], limit: int) -> None:
    assert allocate(sizes, limit) == naive_allocate(sizes, limit)


@given(SIZES, st.integers(0, 300))
def test_all_places_are_given_and_no_stratum_has_more_than_its_rows(sizes: list[int], limit: int) -> None:
    places = allocate(sizes, limit)
    assert sum(places) == min(limit, sum(sizes))
    assert all(0 <= place <= size for place, size in zip(places, sizes, strict=True))
    if limit >= len(sizes):
        assert all(place > 0 for place, size in zip(places, sizes, strict=True) if size)


@given(SIZES, st.integers(0, 300))
def test_a_larger_sample_holds_the_smaller_one(sizes: list[int], limit: int) -> None:
    assert all(a <= b for a, b in zip(allocate(sizes, limit), allocate(sizes, limit + 1), strict=True))


@pytest.mark.parametrize(
    ("sizes", "limit", "places"),
    [([600, 300, 100], 100, (60, 30, 10)), ([5, 5], 3, (2, 1)), ([0, 4], 9, (0, 4)), ([], 5, ())],
)
def test_places_are_in_proportion(sizes: list[int], limit: int, places: tuple[int, ...]) -> None:
    assert allocate(sizes, limit) == places
