"""How far reviewers of the same events agree."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

MAX_PAIRS = 50


@dataclass(frozen=True, slots=True)
class Review:
    """What one reviewer said of one event."""

    event_id: int
    reviewer: str
    verdict: str


@dataclass(frozen=True, slots=True)
class ReviewerPair:
    """Two reviewers, in alphabetical order: events that both judged, and the fraction on which they agreed."""

    reviewer_a: str
    reviewer_b: str
    pairs: int
    agreement: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of all pairs of reviews of one event by two reviewers; None when there is no pair."""

    total_reviews: int
    multi_review_events: int
    pairwise_agreement: float | None
    reviewer_pairs: tuple[ReviewerPair, ...]


def measure_agreement(reviews: Iterable[Review]) -> Agreement:
    """Compare the first review of each reviewer of an event with that of every other reviewer.

    Parameters
    ----------
    reviews : iterable of Review
        Oldest first.

    Returns
    -------
    Agreement
        `reviewer_pairs` holds the `MAX_PAIRS` pairs with the most events in common, most first, of equals the
        first by name; the other figures are over all pairs.
    """
    total = 0
    first: dict[int, dict[str, str]] = defaultdict(dict)
    for review in reviews:
        total += 1
        first[review.event_id].setdefault(review.reviewer, review.verdict)
    n_pairs: Counter[tuple[str, str]] = Counter()
    n_equal: Counter[tuple[str, str]] = Counter()
    for verdicts in first.values():
        for a, b in combinations(sorted(verdicts), 2):
            n_pairs[a, b] += 1
            n_equal[a, b] += verdicts[a] == verdicts[b]
    most = sorted(n_pairs, key=lambda pair: (-n_pairs[pair], pair))[:MAX_PAIRS]
    return Agreement(
        total_reviews=total,
        multi_review_events=sum(len(verdicts) > 1 for verdicts in first.values()),
        pairwise_agreement=n_equal.total() / n_pairs.total() if n_pairs else None,
        reviewer_pairs=tuple(
            ReviewerPair(a, b, n_pairs[a, b], n_equal[a, b] / n_pairs[a, b]) for a, b in most
        ),
    )
