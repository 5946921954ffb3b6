"""Agreement of reviewers."""

from itertools import combinations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from marketsentry.core.quality.agreement import MAX_PAIRS, Review, measure_agreement

REVIEW = st.builds(
    Review,
    st.integers(1, 4),
    st.sampled_from(["ann", "bob", "cy"]),
    st.sampled_from(["correct", "incorrect"]),
)


def naive_pairs(reviews: list[Review]) -> list[tuple[Review, Review]]:
    first = [
        one
        for n, one in enumerate(reviews)
        if not any((old.event_id, old.reviewer) == (one.event_id, one.reviewer) for old in reviews[:n])
    ]
    return [(a, b) for a, b in combinations(first, 2) if a.event_id == b.event_id]


@given(st.lists(REVIEW, max_size=20))
def test_agreement_is_the_share_of_equal_pairs(reviews: list[Review]) -> None:
    pairs = naive_pairs(reviews)
    found = measure_agreement(reviews)
    assert found.total_reviews == len(reviews)
    assert found.multi_review_events == len({a.event_id for a, _ in pairs})
    if not pairs:
        assert (found.pairwise_agreement, found.reviewer_pairs) == (None, ())
        return
    assert found.pairwise_agreement == pytest.approx(
        sum(a.verdict == b.verdict for a, b in pairs) / len(pairs)
    )
    for pair in found.reviewer_pairs:
        mine = [(a, b) for a, b in pairs if {a.reviewer, b.reviewer} == {pair.reviewer_a, pair.reviewer_b}]
        assert pair.reviewer_a < pair.reviewer_b
        assert pair.pairs == len(mine)
        assert pair.agreement == pytest.approx(sum(a.verdict == b.verdict for a, b in mine) / len(mine))
    assert sum(pair.pairs for pair in found.reviewer_pairs) == len(pairs)


def test_a_second_thought_does_not_count() -> None:
    reviews = [Review(1, "ann", "correct"), Review(1, "bob", "incorrect"), Review(1, "bob", "correct")]
    assert measure_agreement(reviews).pairwise_agreement == 0.0


def test_pairs_with_the_most_events_come_first_and_are_capped() -> None:
    crowd = [Review(1, f"r{n:02d}", "correct") for n in range(12)]
    again = [Review(2, name, "uncertain") for name in ("r07", "r09")]
    found = measure_agreement([*crowd, *again])
    assert (found.multi_review_events, len(found.reviewer_pairs)) == (2, MAX_PAIRS)
    assert (found.reviewer_pairs[0].reviewer_a, found.reviewer_pairs[0].pairs) == ("r07", 2)
    assert found.pairwise_agreement == 1.0
