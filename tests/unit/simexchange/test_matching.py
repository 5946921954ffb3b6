"""The book against a twin that sorts a list, and the rules of price-time priority."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from marketsentry.simexchange.matching import Book, Resting
from marketsentry.simexchange.orders import Side

OWNERS = ("ann", "bob", "cat")

order = st.tuples(
    st.sampled_from(OWNERS),
    st.sampled_from(tuple(Side)),
    st.integers(95, 105).map(Decimal),
    st.integers(1, 9).map(Decimal),
)
actions = st.lists(st.one_of(order, st.integers(0, 30)), max_size=60)


class NaiveBook:
    """Keeps orders in the order they came and looks at all of them each time."""

    def __init__(self):
        self.waiting = []

    def take(self, owner, side, price, quantity):
        done = []
        while quantity > 0:
            there = [
                one
                for one in self.waiting
                if one[2] is not side and (one[3] <= price if side is Side.BUY else one[3] >= price)
            ]
            if not there:
                break
            best = min(there, key=lambda one: one[3] * side.sign)
            if best[1] == owner:
                break
            filled = min(quantity, best[4])
            done.append((best[0], best[3], filled))
            best[4] -= filled
            quantity -= filled
            self.waiting = [one for one in self.waiting if one[4] > 0]
        return done, quantity


def take(book, owner, side, price, quantity):
    done = []

    def left(_=None):
        return quantity - sum(filled for _, _, filled in done)

    for execution in book.take(side, owner, price, left):
        done.append((execution.maker_id, execution.price, execution.quantity))  # noqa: PERF401 - `left` reads it
    return done, left()


@given(actions)
def test_the_book_does_what_a_sorted_list_does(actions):
    book, naive = Book(), NaiveBook()
    for number, action in enumerate(actions):
        if isinstance(action, int):
            removed = book.remove(str(action))
            expected = [one for one in naive.waiting if one[0] == str(action)]
            assert (removed is not None) == bool(expected)
            naive.waiting = [one for one in naive.waiting if one[0] != str(action)]
            continue
        owner, side, price, quantity = action
        done, left = take(book, owner, side, price, quantity)
        assert (done, left) == naive.take(owner, side, price, quantity)
        front = book.front(side, price)
        if left and front is None:
            book.add(Resting(str(number), owner, side, price, left))
            naive.waiting.append([str(number), owner, side, price, left])
    for side in Side:
        prices = {one[3] for one in naive.waiting if one[2] is side}
        expected = [
            (price, sum(o[4] for o in naive.waiting if o[2] is side and o[3] == price)) for price in prices
        ]
        assert book.depth(side) == sorted(expected, key=lambda level: -side.sign * level[0])


@given(actions)
def test_changes_alone_rebuild_the_book(actions):
    book = Book()
    seen = {}
    for number, action in enumerate(actions):
        if isinstance(action, int):
            book.remove(str(action))
        else:
            owner, side, price, quantity = action
            _, left = take(book, owner, side, price, quantity)
            if left and book.front(side, price) is None:
                book.add(Resting(str(number), owner, side, price, left))
        for side, price, quantity in book.drain_changed():
            seen[side, price] = quantity
    for side in Side:
        expected = dict(book.depth(side))
        assert {price: q for (where, price), q in seen.items() if where is side and q} == expected


def test_a_better_price_goes_first_and_an_older_order_before_a_younger():
    book = Book()
    for order_id, price in (("old", 100), ("young", 100), ("better", 99)):
        book.add(Resting(order_id, "ann", Side.SELL, Decimal(price), Decimal(2)))
    done, left = take(book, "bob", Side.BUY, Decimal(100), Decimal(5))
    assert done == [("better", 99, 2), ("old", 100, 2), ("young", 100, 1)]
    assert left == 0


def test_a_partly_filled_order_keeps_its_place():
    book = Book()
    book.add(Resting("first", "ann", Side.BUY, Decimal(100), Decimal(3)))
    book.add(Resting("second", "cat", Side.BUY, Decimal(100), Decimal(3)))
    take(book, "bob", Side.SELL, Decimal(100), Decimal(1))
    done, _ = take(book, "bob", Side.SELL, Decimal(100), Decimal(3))
    assert done == [("first", 100, 2), ("second", 100, 1)]


def test_a_taker_stops_at_its_own_order():
    book = Book()
    book.add(Resting("mine", "ann", Side.SELL, Decimal(100), Decimal(1)))
    book.add(Resting("other", "bob", Side.SELL, Decimal(101), Decimal(1)))
    assert take(book, "ann", Side.BUY, Decimal(101), Decimal(2)) == ([], 2)
    assert book.available(Side.BUY, "ann", None) == 0
    assert book.available(Side.BUY, "cat", None) == 2
