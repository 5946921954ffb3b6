import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.core.backtest.scorers import NO_SCORER, Scorer, choose_scorers, scorers_of
from marketsentry.core.market.interval import parse_interval
from marketsentry.exceptions import ConflictError

HOUR = parse_interval("1h")
MANIFEST = {
    "recipe": {
        "folds": [{"train": [0, 100], "test": [112, 150]}, {"train": [0, 150], "test": [162, 200]}],
        "final": {"train": [0, 200], "test": [212, 250]},
        "purge_bars": 12,
    }
}


def test_spans_are_read_on_the_time_axis():
    scorers = scorers_of(MANIFEST, 1_000 * HOUR.ns, HOUR)
    assert scorers[1] == Scorer(1_000 * HOUR.ns, 1_150 * HOUR.ns, 1_162 * HOUR.ns)
    assert len(scorers) == 3


def test_a_manifest_without_spans_is_refused():
    with pytest.raises(ConflictError, match="manifest"):
        scorers_of({"recipe": {"folds": []}}, 0, HOUR)


def test_every_bar_is_scored_by_the_newest_model_that_had_not_seen_it():
    scorers = scorers_of(MANIFEST, 0, HOUR)
    chosen = choose_scorers(scorers, np.arange(400) * HOUR.ns, min_train_ns=0)
    assert chosen[:112].tolist() == [NO_SCORER] * 112
    assert set(chosen[112:162]) == {0}
    assert set(chosen[162:212]) == {1}
    assert set(chosen[212:]) == {2}


def test_a_model_with_too_little_history_scores_nothing():
    scorers = scorers_of(MANIFEST, 0, HOUR)
    chosen = choose_scorers(scorers, np.arange(250) * HOUR.ns, min_train_ns=150 * HOUR.ns)
    assert (chosen[:162] == NO_SCORER).all()
    assert chosen[162] == 1


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50), st.integers(0, 9)), min_size=1, max_size=5),
    st.integers(0, 30),
)
def test_no_bar_is_ever_scored_by_a_model_that_saw_it(spans, least):
    scorers = [Scorer(start, start + length, start + length + purge) for start, length, purge in spans]
    chosen = choose_scorers(scorers, np.arange(120), min_train_ns=least)
    for bar, index in enumerate(chosen):
        allowed = [
            k for k, one in enumerate(scorers)
            if bar >= one.scores_from_ns and one.train_stop_ns - one.train_start_ns >= least
        ]  # fmt: skip
        assert (index == NO_SCORER) == (not allowed)
        if allowed:
            assert index in allowed
            assert scorers[index].scores_from_ns == max(scorers[k].scores_from_ns for k in allowed)
