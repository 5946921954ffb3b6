"""News of a venue wake who drives the order, and nothing that news can be does more than that."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.orders.plan import limit_leg_id, market_leg_id, order_id_of
from marketsentry.ports.order_feed import FeedBegun, FeedBroken, OrderMoved
from marketsentry.services.order_stream import AGAIN_AFTER_S, OrderWatch, Wakes


class Looks:
    """Notes what it is asked to look at."""

    def __init__(self):
        self.at, self.around, self.reconciled = [], 0, 0

    def look_at(self, order_id):
        self.at.append(order_id)

    def look_around(self):
        self.around += 1

    def reconcile_soon(self):
        self.reconciled += 1


@given(st.integers(1, 10**15), st.integers(1, 99))
def test_a_leg_says_whose_it_is(order_id, n):
    assert order_id_of(limit_leg_id(order_id)) == order_id_of(market_leg_id(order_id, n)) == order_id


@given(st.text(max_size=30).filter(lambda text: not text.startswith("ms-")))
def test_no_other_name_is_a_leg(text):
    assert order_id_of(text) is None
    assert order_id_of(f"ms-{text}-l") is None or text.isdecimal()


news = st.lists(
    st.one_of(
        st.integers(1, 5).map(lambda n: OrderMoved(f"ms-{n}-l")),
        st.sampled_from([OrderMoved(""), OrderMoved("theirs"), FeedBegun(), FeedBroken("cut")]),
    )
)


@given(news, st.randoms(use_true_random=False))
def test_news_in_any_order_ask_for_the_same_looks(told, random):
    shuffled = list(told)
    random.shuffle(shuffled)
    seen = []
    for order in (told, shuffled):
        looks = Looks()
        watch = OrderWatch((), looks)
        for one in order:
            watch.hear("coinbase_live", one)
        seen.append((sorted(looks.at), looks.around, looks.reconciled))
    assert seen[0] == seen[1]
    assert seen[0][1] == sum(one in (OrderMoved(""), FeedBegun()) for one in told)
    assert seen[0][2] == told.count(OrderMoved("theirs"))  # what others trade wakes none of ours


async def test_a_task_that_rests_is_woken_and_one_that_was_woken_before_does_not_rest():
    async def forever(seconds):
        await asyncio.Event().wait()

    wakes = Wakes(forever)
    resting = asyncio.create_task(wakes.rest(1.0))
    await asyncio.sleep(0)
    wakes.wake(resting)
    await asyncio.wait_for(resting, 5)
    early = asyncio.create_task(wakes.rest(1.0))
    wakes.wake(early)
    wakes.wake(early)
    await asyncio.wait_for(early, 5)


async def test_a_task_that_nobody_wakes_rests_as_long_as_it_asked():
    asked = []

    async def sleep(seconds):
        asked.append(seconds)

    wakes = Wakes(sleep)
    await wakes.rest(0.4)
    assert asked == [0.4]


async def test_what_the_clock_of_a_rest_raises_is_raised():
    async def fails(seconds):
        raise OSError("no clock")

    resting = asyncio.create_task(Wakes(fails).rest(1.0))
    (done,), _ = await asyncio.wait({resting})
    assert isinstance(done.exception(), OSError)


class Feed:
    """A stream that does what it is told."""

    def __init__(self, name, run):
        self.name, self.run = name, run


async def test_a_stream_that_fails_takes_no_other_with_it():
    heard, looks = asyncio.Event(), Looks()

    async def fails(hear):
        raise ValueError("no such module")

    async def tells(hear):
        await asyncio.sleep(0)
        hear(OrderMoved("ms-4-l"))
        heard.set()
        await asyncio.Event().wait()

    stop = asyncio.Event()
    watch = OrderWatch((Feed("bitget_live", fails), Feed("coinbase_live", tells)), looks)
    running = asyncio.create_task(watch.run(stop))
    await asyncio.wait_for(heard.wait(), 5)
    stop.set()
    await asyncio.wait_for(running, 5)
    assert looks.at == [4]


async def test_a_stream_that_failed_is_begun_again():
    begun, waits = [], []

    async def fails_first(hear):
        begun.append(hear)
        if len(begun) < 3:
            raise ValueError("the client could not be closed")
        again.set()
        await asyncio.Event().wait()

    async def sleep(seconds):
        waits.append(seconds)

    stop, again = asyncio.Event(), asyncio.Event()
    watch = OrderWatch((Feed("coinbase_live", fails_first),), Looks(), sleep=sleep)
    running = asyncio.create_task(watch.run(stop))
    await asyncio.wait_for(again.wait(), 5)
    stop.set()
    await asyncio.wait_for(running, 5)
    assert waits == [AGAIN_AFTER_S] * 2
