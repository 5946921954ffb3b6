"""A book is built as the exchanges say, by the same rule that a slow and plain follower uses."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.market.book import EXACT_LEVELS, REACH_BPS, condense
from marketsentry.core.market.book_build import BookBuilder, Message, take_books

MS = 1_000_000
Level = tuple[float, float, int]


def _message(
    ts_ms: int, *levels: Level, first: int, last: int, prev: int = -1, whole: bool = False
) -> Message:
    ts_ns = 1_700_000_000_000 * MS + ts_ms * MS
    return Message(ts_ns, ts_ns + 5 * MS, whole, first, last, prev, levels)


BASE = _message(0, (100.0, 1.0, 1), (99.0, 2.0, 1), (101.0, 3.0, -1), first=10, last=10, whole=True)


def _follow(*messages: Message, step_ns: int = 1) -> list[list[list[list[float]]] | None]:
    builder = BookBuilder(step_ns=step_ns)
    books = (builder.apply(message) for message in messages)
    return [None if book is None else [book.bids.tolist(), book.asks.tolist()] for book in books]


def test_changed_levels_are_set_and_a_size_of_zero_takes_one_out() -> None:
    change = _message(100, (100.0, 0.0, 1), (99.5, 4.0, 1), (101.0, 1.0, -1), first=11, last=12)
    assert _follow(BASE, change) == [
        [[[100.0, 1.0], [99.0, 2.0]], [[101.0, 3.0]]],
        [[[99.5, 4.0], [99.0, 2.0]], [[101.0, 1.0]]],
    ]


def test_messages_before_the_first_book_are_held_back_and_old_ones_dropped() -> None:
    old = _message(-20, (100.0, 9.0, 1), first=8, last=9)
    across = _message(-10, (100.0, 7.0, 1), first=10, last=11)
    (nothing, neither, book) = _follow(old, across, BASE)
    assert (nothing, neither) == (None, None)
    assert book is not None
    assert book[0][0] == [100.0, 7.0]


def test_a_hole_in_the_ids_hides_the_book_until_the_next_whole_one() -> None:
    after = _message(10, (100.0, 5.0, 1), first=12, last=13)
    later = _message(20, (100.0, 6.0, 1), first=14, last=14)
    again = _message(30, (98.0, 1.0, 1), (99.0, 1.0, -1), first=20, last=20, whole=True)
    assert _follow(BASE, after, later, again)[1:] == [None, None, [[[98.0, 1.0]], [[99.0, 1.0]]]]


def test_the_id_of_the_message_before_proves_the_order_where_ids_jump() -> None:
    first = _message(10, (100.0, 5.0, 1), first=9, last=900, prev=3)
    second = _message(20, (100.0, 6.0, 1), first=950, last=990, prev=900)
    assert _follow(BASE, first, second)[-1] == [[[100.0, 6.0], [99.0, 2.0]], [[101.0, 3.0]]]


def test_a_crossed_book_is_not_given() -> None:
    assert _follow(BASE, _message(10, (101.5, 1.0, 1), first=11, last=11))[1] is None


def test_one_book_is_given_in_each_step() -> None:
    changes = [
        _message(ms, (100.0, 1.0 + ms, 1), first=11 + i, last=11 + i)
        for i, ms in enumerate((30, 99, 100, 140))
    ]
    given_ = _follow(BASE, *changes, step_ns=100 * MS)
    assert [book is not None for book in given_] == [True, False, False, True, False]


def _columns(messages: list[Message]) -> dict[str, np.ndarray]:
    rows = [(m, *level) for m in messages for level in m.levels]
    ints = {
        name: np.array([getattr(row[0], name) for row in rows], dtype=np.int64)
        for name in ("ts_ns", "known_at_ns", "first_id", "last_id", "prev_id")
    }
    return {
        **ints,
        "is_snapshot": np.array([row[0].is_snapshot for row in rows], dtype=np.int8),
        "price": np.array([row[1] for row in rows], dtype=np.float64),
        "size": np.array([row[2] for row in rows], dtype=np.float64),
        "side": np.array([row[3] for row in rows], dtype=np.int8),
    }


def _naive_books(messages: list[Message]) -> list[tuple[list[list[float]], list[list[float]]]]:
    """Every book after every message, from all levels that were ever set."""
    books = []
    for n in range(1, len(messages) + 1):
        start = max(i for i in range(n) if messages[i].is_snapshot)
        sizes = {(p, s): q for m in messages[start:n] for p, q, s in m.levels}
        bids = sorted(([p, q] for (p, s), q in sizes.items() if q and s > 0), reverse=True)
        asks = sorted([p, q] for (p, s), q in sizes.items() if q and s < 0)
        if bids and asks and bids[0][0] < asks[0][0]:
            books.append((bids, asks))
    return books


levels = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from([99.96, 99.97, 99.98, 99.99]), st.sampled_from([0.0, 1.0, 2.5]), st.just(1)
        ),
        st.tuples(st.sampled_from([100.0, 100.01, 100.02]), st.sampled_from([0.0, 1.0, 2.5]), st.just(-1)),
    ),
    min_size=1,
    max_size=4,
)


@given(st.lists(st.tuples(levels, st.booleans()), min_size=1, max_size=12), st.integers(1, 5))
def test_blocks_of_any_size_give_the_books_of_the_naive_follower(
    changes: list[tuple[list[Level], bool]], n_rows: int
) -> None:
    messages = [
        _message(i, *of, first=i, last=i, whole=whole or i == 0) for i, (of, whole) in enumerate(changes)
    ]
    columns, builder = _columns(messages), BookBuilder(step_ns=1)
    books, folded, total = [], 0, columns["ts_ns"].size
    for start in range(0, total, n_rows):
        block = {name: column[start : start + n_rows] for name, column in columns.items()}
        reason = np.zeros(block["ts_ns"].size, dtype=np.uint8)
        taken = take_books(builder, block, reason, symbol="X", source="x_spot", now_ns=2**62)
        books += taken.records.books
        folded += taken.n_duplicates
    rest = builder.finish()
    found = [(one.bids.tolist(), one.asks.tolist()) for one in (*books, *rest)]
    assert found == _naive_books(messages)
    assert folded - len(rest) + len(found) == total


def test_a_bad_row_hides_the_book() -> None:
    bad = _message(10, (100.0, -5.0, 1), first=11, last=11)
    columns, builder = (
        _columns([BASE, bad, _message(20, (100.0, 6.0, 1), first=12, last=12)]),
        BookBuilder(step_ns=1),
    )
    reason = np.zeros(columns["ts_ns"].size, dtype=np.uint8)
    taken = take_books(builder, columns, reason, symbol="X", source="x_spot", now_ns=2**62)
    assert int((taken.reason != 0).sum()) == 1
    assert len([*taken.records.books, *builder.finish()]) == 1


@given(
    st.lists(
        st.tuples(st.integers(1, 40_000), st.floats(0.01, 50)),
        min_size=1,
        max_size=80,
        unique_by=lambda x: x[0],
    ),
    st.sampled_from([1, -1]),
)
def test_what_is_kept_never_sells_cheaper_than_the_whole_book(
    offsets: list[tuple[int, float]], sign: int
) -> None:
    whole = np.array(sorted((1e5 - sign * ticks, size) for ticks, size in offsets)[:: -sign or 1])
    kept = condense(whole)
    assert (kept[:EXACT_LEVELS] == whole[:EXACT_LEVELS]).all()
    for wanted in (0.5, 5.0, 500.0, kept[:, 1].sum()):
        at_kept, at_whole = _prices(kept, wanted), _prices(whole, wanted)
        assert all(sign * (a - b) <= 1e-9 for a, b in zip(at_kept, at_whole, strict=False))
    assert (np.abs(kept[EXACT_LEVELS:, 0] / whole[0, 0] - 1) * 1e4 <= REACH_BPS + 1e-9).all()


def _prices(side: np.ndarray, wanted: float) -> list[float]:
    """The price of each hundredth of a quantity that is taken, as far as the side goes."""
    ends = np.cumsum(side[:, 1])
    at = np.linspace(0, wanted, 101)[1:-1]
    return [float(side[np.searchsorted(ends, q), 0]) for q in at if q < ends[-1]]
