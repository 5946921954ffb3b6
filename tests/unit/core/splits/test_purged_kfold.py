import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.splits.purged_kfold import purged_kfold
from marketsentry.exceptions import InputError


@given(
    n_bars=st.integers(40, 200),
    n_splits=st.integers(2, 6),
    horizon=st.integers(1, 8),
    embargo=st.integers(0, 4),
)
def test_labels_of_training_and_test_rows_never_share_a_bar(
    n_bars: int, n_splits: int, horizon: int, embargo: int
) -> None:
    try:
        folds = purged_kfold(n_bars, n_splits=n_splits, horizon_bars=horizon, embargo_bars=embargo)
    except InputError:
        assert n_bars / n_splits + 2 * (horizon + embargo) + 2 >= n_bars / 2, (
            "only a short history is refused"
        )
        return
    assert [t for fold in folds for t in range(fold.test.start, fold.test.stop)] == list(range(n_bars))
    for fold in folds:
        train = [t for span in fold.train for t in range(span.start, span.stop)]
        seen_by_test = {b for t in range(fold.test.start, fold.test.stop) for b in range(t, t + horizon + 1)}
        for t in train:
            assert not seen_by_test & set(range(t, t + horizon + 1))
        kept = n_bars - (fold.test.stop - fold.test.start)
        assert len(train) >= kept - 2 * (horizon + embargo), "no more is dropped than the purge on both sides"


def test_a_short_purge_is_refused() -> None:
    with pytest.raises(InputError, match=r"horizon 12 \+ embargo 2 = 14, was 12"):
        purged_kfold(100, n_splits=5, horizon_bars=12, embargo_bars=2, purge_bars=12)


def test_one_split_is_refused() -> None:
    with pytest.raises(InputError, match=r"n_splits must be in 2\.\.n_bars \(100\), was 1"):
        purged_kfold(100, n_splits=1, horizon_bars=1)
