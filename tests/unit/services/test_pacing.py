import numpy as np
import pytest

from marketsentry.exceptions import DependencyError
from marketsentry.ports.venues import VenueBusyError, VenueUnavailableError
from marketsentry.services.pacing import Pace


class Naps:
    """Waits without waiting, and remembers how long."""

    def __init__(self):
        self.taken = []

    async def __call__(self, seconds):
        self.taken.append(seconds)


def script(*outcomes):
    """A request that raises or returns what it is told, one after the other."""
    left = list(outcomes)

    async def request():
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return request


def pace(naps, **kwargs):
    return Pace(min_delay_s=0.1, rng=np.random.default_rng(0), sleep=naps, **kwargs)


async def test_an_answer_comes_through_after_the_pause():
    naps = Naps()
    assert await pace(naps).call(script("bars")) == "bars"
    assert naps.taken == [0.1]


async def test_it_slows_down_when_told_and_speeds_up_again():
    naps = Naps()
    steady = pace(naps)
    await steady.call(script(VenueBusyError("429"), VenueBusyError("429"), "bars"))
    slow = steady.delay_s
    assert slow == pytest.approx(0.5 * 0.9)
    for _ in range(30):
        await steady.call(script("bars"))
    assert steady.delay_s == pytest.approx(0.1)
    assert (steady.n_requests, steady.n_retries) == (33, 2)


async def test_retry_after_is_honoured():
    naps = Naps()
    await pace(naps).call(script(VenueBusyError("429", retry_after_s=17.0), "bars"))
    assert 17.0 in naps.taken


async def test_waits_are_jittered_and_grow():
    naps = Naps()
    steady = pace(naps, max_attempts=6)
    with pytest.raises(DependencyError):
        await steady.call(script(*[VenueUnavailableError("502")] * 6))
    waits = naps.taken[1::2]
    assert len(set(waits)) == 5
    assert all(wait <= 0.5 * 2**n for n, wait in enumerate(waits))
    assert steady.delay_s == 0.1


async def test_it_gives_up_and_says_so():
    steady = pace(Naps(), max_attempts=3)
    with pytest.raises(DependencyError, match="coinbase: 502; gave up after 3 tries"):
        await steady.call(script(*[VenueUnavailableError("coinbase: 502")] * 3))
    assert steady.n_requests == 3


async def test_too_long_a_wait_is_not_waited():
    naps = Naps()
    with pytest.raises(DependencyError, match="asks to wait 3600 s"):
        await pace(naps).call(script(VenueBusyError("429", retry_after_s=3600.0)))
    assert max(naps.taken) < 1


async def test_what_no_retry_helps_against_passes_through():
    steady = pace(Naps())
    with pytest.raises(DependencyError, match="refuses"):
        await steady.call(script(DependencyError("refuses")))
    assert steady.n_retries == 0
