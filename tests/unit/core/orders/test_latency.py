"""The latency of an order is a function of seed and name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.orders.latency import Latency
from marketsentry.exceptions import InputError


@given(st.floats(0, 5), st.floats(0, 2), st.integers(0, 2**31), st.text(max_size=20))
def test_it_is_the_same_each_time_and_within_its_span(
    base_s: float, jitter: float, seed: int, name: str
) -> None:
    latency = Latency(base_s, jitter, seed)
    assert latency.of(name) == Latency(base_s, jitter, seed).of(name)
    assert base_s <= latency.of(name) <= base_s * (1 + jitter)


def test_orders_and_seeds_differ() -> None:
    times = {Latency(0.05, 0.5, seed).of(f"ms-{order}-l") for seed in (7, 8) for order in range(100)}
    assert len(times) == 200
    assert max(times) - min(times) > 0.02


def test_no_latency_has_no_jitter() -> None:
    assert Latency(0.0, 0.5, 7).of("ms-1-l") == 0.0


@pytest.mark.parametrize("base_s", [-0.1, float("nan"), 1e9])
def test_what_is_no_latency_is_refused(base_s: float) -> None:
    with pytest.raises(InputError, match="latency must be 0 to 60 s"):
        Latency(base_s)
