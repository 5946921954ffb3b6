"""A venue is not asked more often than allowed, and cancels go first."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.adapters.venues.rate_budget import RateBudget
from marketsentry.ports.urgency import Urgency
from marketsentry.ports.venue import VenueRefusedError


class FakeTime:
    """Moves on only when somebody sleeps."""

    def __init__(self):
        self.now_s = 0.0

    def now(self):
        return self.now_s

    async def sleep(self, seconds):
        self.now_s += seconds
        await asyncio.sleep(0)


def budget(rate=10.0, burst=5, reserve=2):
    time = FakeTime()
    return RateBudget(rate_per_s=rate, burst=burst, reserve=reserve, now=time.now, sleep=time.sleep), time


@given(st.lists(st.sampled_from(list(Urgency)), min_size=1, max_size=60), st.integers(1, 9))
def test_no_window_holds_more_than_burst_and_rate(asked, burst):
    async def run():
        bucket, time = budget(burst=burst)
        sent = []
        for urgency in asked:
            await bucket.take(urgency, within_s=10)
            sent.append(time.now_s)
        return sent

    sent = asyncio.run(run())
    for i, start in enumerate(sent):
        for j in range(i, len(sent)):
            assert j - i + 1 <= burst + 10.0 * (sent[j] - start) + 1e-6


@pytest.mark.parametrize("urgency", [Urgency.CANCEL, Urgency.EXIT])
async def test_the_reserve_is_for_cancels_and_exits(urgency):
    bucket, time = budget()
    for _ in range(3):
        await bucket.take(Urgency.OTHER, within_s=0)
    with pytest.raises(VenueRefusedError, match="rate_budget") as refused:
        await bucket.take(Urgency.OTHER, within_s=0)
    assert refused.value.retry_after_s == pytest.approx(0.1)
    for _ in range(2):
        await bucket.take(urgency, within_s=0)
    assert time.now_s == 0


class SharedTime:
    """Moves to the next sleeper that is due when the test says so."""

    def __init__(self):
        self.now_s = 0.0
        self.sleepers = []

    def now(self):
        return self.now_s

    async def sleep(self, seconds):
        woken = asyncio.get_running_loop().create_future()
        self.sleepers.append((self.now_s + seconds, len(self.sleepers), woken))
        await woken

    async def move_on(self):
        self.sleepers.sort(key=lambda one: one[:2])
        self.now_s, _, woken = self.sleepers.pop(0)
        woken.set_result(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_a_waiting_cancel_goes_before_everything_else():
    time = SharedTime()
    bucket = RateBudget(rate_per_s=10.0, burst=2, reserve=1, now=time.now, sleep=time.sleep)
    order = []

    async def take(urgency, name):
        await bucket.take(urgency, within_s=60)
        order.append(name)

    await take(Urgency.CANCEL, "first")
    await take(Urgency.CANCEL, "second")
    asked = [(Urgency.OTHER, "order"), *((Urgency.CANCEL, f"cancel {n}") for n in range(3))]
    waiting = [asyncio.create_task(take(*one)) for one in asked]
    await asyncio.sleep(0)
    while time.sleepers:
        await time.move_on()
    await asyncio.gather(*waiting)
    assert set(order[:5]) == {"first", "second", "cancel 0", "cancel 1", "cancel 2"}
    assert order[5:] == ["order"]


async def test_an_exit_goes_before_looks_that_wait_longer_and_after_cancels():
    time = SharedTime()
    bucket = RateBudget(rate_per_s=10.0, burst=2, reserve=1, now=time.now, sleep=time.sleep)
    order = []

    async def take(urgency):
        await bucket.take(urgency, within_s=60)
        order.append(urgency)

    asked = [*[Urgency.OTHER] * 9, *[Urgency.EXIT] * 3, *[Urgency.CANCEL] * 3]
    waiting = []
    for one in asked:
        waiting.append(asyncio.create_task(take(one)))
        await asyncio.sleep(0)
    while time.sleepers:
        await time.move_on()
    await asyncio.gather(*waiting)
    late = order[-len([one for one in order if one is Urgency.OTHER]) + 1 :]
    assert set(late) == {Urgency.OTHER}  # all but the one that had a token at once
    urgent = [one for one in order if one is not Urgency.OTHER]
    assert urgent[1:4] == [Urgency.CANCEL] * 3  # one exit had the token of the reserve


async def test_a_flood_of_looks_delays_no_exit():
    """Sixteen orders are asked for as fast as they can be; what closes has its token within one of the rate."""
    time = SharedTime()
    bucket = RateBudget(rate_per_s=8.0, burst=10, reserve=3, now=time.now, sleep=time.sleep)

    async def look():
        while True:
            await bucket.take(Urgency.OTHER, within_s=1e9)

    looks = [asyncio.create_task(look()) for _ in range(16)]
    await asyncio.sleep(0)
    for _ in range(200):
        await time.move_on()
    waited = []
    for _ in range(20):
        before = time.now_s
        exit_ = asyncio.create_task(bucket.take(Urgency.EXIT, within_s=5.0))
        await asyncio.sleep(0)
        while not exit_.done():
            await time.move_on()
        waited.append(time.now_s - before)
    assert max(waited) <= 1 / 8.0 + 1e-9
    for one in looks:
        one.cancel()


async def test_after_a_refusal_nothing_is_sent_for_a_while():
    bucket, time = budget()
    bucket.hold(2.0)
    with pytest.raises(VenueRefusedError):
        await bucket.take(Urgency.CANCEL, within_s=1.0)
    await bucket.take(Urgency.CANCEL, within_s=3.0)
    assert time.now_s == pytest.approx(2.0)
