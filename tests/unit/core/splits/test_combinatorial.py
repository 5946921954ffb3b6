import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.splits.combinatorial import CombinatorialPlan, combinatorial_purged, parse_groups
from marketsentry.core.splits.purged_kfold import purged_kfold
from marketsentry.exceptions import InputError


def rows(spans: tuple[slice, ...]) -> list[int]:
    return [t for span in spans for t in range(span.start, span.stop)]


def naive_train(n_bars: int, test: set[int], horizon: int, embargo: int) -> list[int]:
    """Row by row: kept unless its bars and label come within the embargo of those of a test row."""
    kept = []
    for t in range(n_bars):
        near = range(t - horizon - embargo, t + horizon + embargo + 1)
        if not test & set(near):
            kept.append(t)
    return kept


def plan_or_none(n_bars: int, n: int, k: int, horizon: int, embargo: int) -> CombinatorialPlan | None:
    """The plan, or None where it is refused."""
    try:
        return combinatorial_purged(
            n_bars, n_groups=n, n_test_groups=k, horizon_bars=horizon, embargo_bars=embargo
        )
    except InputError:
        return None


@given(
    n_bars=st.integers(30, 160),
    n_groups=st.integers(2, 7),
    data=st.data(),
    horizon=st.integers(1, 6),
    embargo=st.integers(0, 4),
)
def test_combinations_and_paths_are_those_of_the_definition(
    n_bars: int, n_groups: int, data: st.DataObject, horizon: int, embargo: int
) -> None:
    k = data.draw(st.integers(1, n_groups - 1))
    plan = plan_or_none(n_bars, n_groups, k, horizon, embargo)
    edges = [n_bars * g // n_groups for g in range(n_groups + 1)]
    tests = [
        {t for g in chosen for t in range(edges[g], edges[g + 1])}
        for chosen in itertools.combinations(range(n_groups), k)
    ]
    trains = [naive_train(n_bars, test, horizon, embargo) for test in tests]
    if plan is None:
        assert not all(trains), "only a combination without training rows is refused"
        return
    assert [rows(one.train) for one in plan.combinations] == trains
    assert [set(rows(one.test)) for one in plan.combinations] == tests

    times = [sum(t in test for test in tests) for t in range(n_bars)]
    assert set(times) == {math.comb(n_groups - 1, k - 1)}, "every row is tested equally often"
    assert len(plan.paths) == k * math.comb(n_groups, k) // n_groups
    used = []
    for path in plan.paths:
        assert len(path) == n_groups, "each path covers each group once"
        for g, index in enumerate(path):
            assert g in plan.combinations[index].groups
            used.append((g, index))
    assert len(used) == len(set(used)) == sum(len(one.groups) for one in plan.combinations)


@given(
    n_bars=st.integers(40, 160),
    n_groups=st.integers(2, 6),
    horizon=st.integers(1, 5),
    embargo=st.integers(0, 3),
)
def test_labels_of_training_and_test_rows_never_share_a_bar(
    n_bars: int, n_groups: int, horizon: int, embargo: int
) -> None:
    plan = plan_or_none(n_bars, n_groups, n_groups // 2, horizon, embargo)
    for one in plan.combinations if plan else ():
        seen = {b for t in rows(one.test) for b in range(t, t + horizon + embargo + 1)}
        for t in rows(one.train):
            assert not seen & set(range(t, t + horizon + embargo + 1))


def test_one_test_group_is_a_purged_k_fold() -> None:
    plan = combinatorial_purged(100, n_groups=5, n_test_groups=1, horizon_bars=3, embargo_bars=2)
    folds = purged_kfold(100, n_splits=5, horizon_bars=3, embargo_bars=2)
    assert [(one.train, one.test) for one in plan.combinations] == [(f.train, (f.test,)) for f in folds]
    assert plan.paths == ((0, 1, 2, 3, 4),)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"n_groups": 1}, r"n_groups must be in 2\.\.n_bars \(100\), was 1"),
        ({"n_test_groups": 0}, r"n_test_groups must be in 1\.\.n_groups - 1 \(5\), was 0"),
        ({"n_test_groups": 6}, r"1\.\.n_groups - 1 \(5\), was 6"),
        ({"purge_bars": 3}, r"horizon 4 \+ embargo 0 = 4, was 3"),
        ({"n_groups": 20, "n_test_groups": 10}, "<= 200 combinations, 20 groups with 10 tested have 184,756"),
        ({"n_test_groups": 5, "horizon_bars": 20}, "must leave training rows beside 5 of 6 groups"),
    ],
)
def test_what_cannot_be_planned_is_refused(changed: dict[str, int], words: str) -> None:
    usual = {"n_groups": 6, "n_test_groups": 2, "horizon_bars": 4}
    with pytest.raises(InputError, match=words):
        combinatorial_purged(100, **{**usual, **changed})


def test_groups_are_read_from_text() -> None:
    assert parse_groups("6x2") == (6, 2)
    for wrong in ("6", "x2", "6x", "6x-2", "axb", "6*2"):
        with pytest.raises(InputError, match="NxK"):
            parse_groups(wrong)
