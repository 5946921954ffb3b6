"""Bars made of trades: those that a slow definition gives, whatever order trades come in, and only whole ones."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.trade_bars import BarMaker, MadeBar, Print

MINUTE = parse_interval("1m")
START = 1_750_000_020 * 1_000_000_000  # the open of a minute


def told(n: int, at: int, price: int = 100, qty: str = "1") -> Print:
    return Print(START + at, Decimal(price), Decimal(qty), str(n))


def naive_bars(prints: list[Print], first_ns: int, stop_ns: int) -> tuple[MadeBar, ...]:
    """Sort, drop what comes twice, and read each bar off."""
    once = sorted(
        {one.trade_id: one for one in prints}.values(), key=lambda one: (one.at_ns, int(one.trade_id))
    )
    bars = []
    for ts_ns in range(first_ns, stop_ns, MINUTE.ns):
        inside = [one for one in once if ts_ns <= one.at_ns < ts_ns + MINUTE.ns]
        if inside:
            prices = [float(one.price) for one in inside]
            volume = float(sum(one.qty for one in inside))
            bars.append(MadeBar(ts_ns, (prices[0], max(prices), min(prices), prices[-1], volume)))
    return tuple(bars)


trades = st.lists(
    st.builds(
        told,
        st.integers(1, 40),
        st.integers(0, 4 * MINUTE.ns - 1),
        st.integers(1, 9),
        st.sampled_from(["0.1", "0.25", "3"]),
    ),
    max_size=40,
    unique_by=lambda one: one.trade_id,
)


@given(trades, st.randoms(use_true_random=False), st.integers(0, 2))
def test_bars_are_those_of_the_definition_in_any_order_and_told_twice(prints, random, n_twice):
    heard = prints * (1 + n_twice)
    random.shuffle(heard)
    maker = BarMaker(MINUTE)
    maker.begin(START)
    for one in heard:
        maker.add(one)
    assert maker.close(START + 4 * MINUTE.ns) == naive_bars(prints, START, START + 4 * MINUTE.ns)
    assert maker.close(START + 4 * MINUTE.ns) == ()


@given(trades, st.integers(0, 4 * MINUTE.ns))
def test_no_bar_is_given_that_opened_before_listening_began(prints, began):
    maker = BarMaker(MINUTE)
    maker.begin(START + began)
    for one in prints:
        maker.add(one)
    first = -(-(START + began) // MINUTE.ns) * MINUTE.ns
    assert maker.close(START + 4 * MINUTE.ns) == naive_bars(prints, first, START + 4 * MINUTE.ns)


def test_an_interruption_spoils_the_bars_it_falls_into_and_no_later_one():
    maker = BarMaker(MINUTE)
    maker.begin(START)
    maker.add(told(1, 5))
    maker.interrupt()
    maker.add(told(2, 10))
    maker.begin(START + 20)
    maker.add(told(3, 30))
    maker.add(told(4, MINUTE.ns + 1))
    assert not maker.is_whole(START)
    (bar,) = maker.close(START + 2 * MINUTE.ns)
    assert bar.ts_ns == START + MINUTE.ns


def test_being_told_again_that_listening_began_spoils_nothing():
    maker = BarMaker(MINUTE)
    maker.begin(START)
    maker.add(told(1, 5))
    maker.begin(START + 10)
    assert [one.ts_ns for one in maker.close(START + MINUTE.ns)] == [START]


def test_a_trade_of_a_bar_that_was_given_out_makes_no_second_one():
    maker = BarMaker(MINUTE)
    maker.begin(START)
    maker.add(told(1, 5))
    maker.close(START + MINUTE.ns)
    maker.add(told(2, 6))
    assert maker.close(START + 2 * MINUTE.ns) == ()
