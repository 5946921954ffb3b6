import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.splits.walk_forward import (
    Fold,
    WalkForward,
    purge_length,
    walk_forward,
    walk_forward_windows,
)
from marketsentry.exceptions import InputError

HORIZONS = st.integers(1, 12)
EMBARGOES = st.integers(0, 6)


def rows(span: slice) -> list[int]:
    return list(range(span.start, span.stop))


def assert_no_label_reaches_a_test_span(folds: list[Fold], horizon_bars: int) -> None:
    """The definition, row by row: the label of t ends at t + horizon, before the first test bar."""
    for fold in folds:
        for t in rows(fold.train):
            assert t + horizon_bars < fold.test.start


def every_fold(plan: WalkForward) -> list[Fold]:
    return [*plan.folds, *([plan.final] if plan.final else [])]


@given(
    n_bars=st.integers(60, 400),
    n_folds=st.integers(1, 6),
    horizon_bars=HORIZONS,
    embargo_bars=EMBARGOES,
    final_bars=st.integers(0, 50),
    rolling=st.booleans(),
)
def test_folds_are_ordered_and_no_training_label_sees_a_test_bar(
    n_bars: int, n_folds: int, horizon_bars: int, embargo_bars: int, final_bars: int, rolling: bool
) -> None:
    try:
        plan = walk_forward(
            n_bars,
            n_folds=n_folds,
            horizon_bars=horizon_bars,
            embargo_bars=embargo_bars,
            final_bars=final_bars,
            rolling=rolling,
        )
    except InputError:
        assert n_bars < final_bars + (n_folds + 2) * (horizon_bars + embargo_bars + 1) + n_folds
        return
    assert len(plan.folds) == n_folds
    assert_no_label_reaches_a_test_span(every_fold(plan), horizon_bars)
    for fold in every_fold(plan):
        assert rows(fold.train)
        assert rows(fold.test)
        assert fold.test.start - fold.train.stop >= horizon_bars + embargo_bars
        assert fold.test.stop <= n_bars
    tested = [t for fold in plan.folds for t in rows(fold.test)]
    last = n_bars - final_bars - (plan.purge_bars if final_bars else 0)
    assert tested == list(range(plan.folds[0].test.start, last)), (
        "each bar after the first test bar is judged once"
    )


@given(
    n_bars=st.integers(30, 300),
    train_bars=st.integers(1, 80),
    test_bars=st.integers(1, 30),
    extra_step=st.integers(0, 10),
    horizon_bars=HORIZONS,
    final_bars=st.integers(0, 40),
)
def test_windows_agree_with_the_contracts_slices(
    n_bars: int, train_bars: int, test_bars: int, extra_step: int, horizon_bars: int, final_bars: int
) -> None:
    step = test_bars + extra_step
    expected = naive_windows(n_bars, train_bars, test_bars, step, horizon_bars, final_bars)
    arguments = {
        "train_bars": train_bars,
        "test_bars": test_bars,
        "step_bars": step,
        "horizon_bars": horizon_bars,
        "final_bars": final_bars,
    }
    if not expected:
        with pytest.raises(InputError, match=f"was {n_bars}"):
            walk_forward_windows(n_bars, **arguments)
        return
    plan = walk_forward_windows(n_bars, **arguments)
    assert [(fold.train, fold.test) for fold in plan.folds] == expected
    assert_no_label_reaches_a_test_span(every_fold(plan), horizon_bars)


def naive_windows(
    n_bars: int, train: int, test: int, step: int, purge: int, final: int
) -> list[tuple[slice, slice]]:
    """Contract 4.4: train [s, s+T), test [s+T+purge, +test); stop before labels reach the final block."""
    end = n_bars - final - purge if final else n_bars
    found, s = [], 0
    while s + train + purge + test <= end:
        found.append((slice(s, s + train), slice(s + train + purge, s + train + purge + test)))
        s += step
    return found


def test_a_purge_shorter_than_horizon_plus_embargo_is_refused_with_both_named() -> None:
    with pytest.raises(InputError, match=r"horizon 48 \+ embargo 12 = 60, was 12"):
        purge_length(horizon_bars=48, embargo_bars=12, purge_bars=12)


def test_a_longer_purge_is_kept() -> None:
    assert purge_length(horizon_bars=4, purge_bars=9) == 9


def test_nothing_in_the_folds_touches_the_final_block() -> None:
    plan = walk_forward(1000, n_folds=5, horizon_bars=10, embargo_bars=5, final_bars=100)
    assert plan.final is not None
    assert plan.final.test == slice(900, 1000)
    for fold in plan.folds:
        assert fold.test.stop - 1 + 10 < 900, "not even the label of the last test row"


def test_rolling_trains_on_windows_of_one_length() -> None:
    plan = walk_forward(700, n_folds=6, horizon_bars=5, rolling=True)
    assert {fold.train.stop - fold.train.start for fold in plan.folds} == {95}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_folds": 0, "horizon_bars": 1}, "n_folds must be >= 1, was 0"),
        ({"n_folds": 2, "horizon_bars": 0}, "horizon_bars must be >= 1, was 0"),
        ({"n_folds": 2, "horizon_bars": 1, "embargo_bars": -1}, "embargo_bars must be >= 0, was -1"),
        ({"n_folds": 2, "horizon_bars": 1, "final_bars": -3}, "final_bars must be >= 0, was -3"),
        ({"n_folds": 5, "horizon_bars": 30}, "n_bars must hold 5 folds"),
    ],
)
def test_impossible_splits_name_the_limit(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        walk_forward(100, **arguments)


def test_a_step_shorter_than_the_test_span_would_judge_bars_twice() -> None:
    with pytest.raises(InputError, match="step_bars must be >= 10, was 5"):
        walk_forward_windows(200, train_bars=50, test_bars=10, step_bars=5, horizon_bars=1)
