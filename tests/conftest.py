"""What every kind of test shares."""

import os
import sys
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Underflow, getcontext
from pathlib import Path

import pytest
from hypothesis import settings

from hangs import pytest_timeout_cancel_timer, pytest_timeout_set_timer
from marketsentry.adapters.venues.ccxt_import import VenuesOnDemand

__all__ = ["pytest_timeout_cancel_timer", "pytest_timeout_set_timer"]  # hooks of every test

settings.register_profile("house", deadline=None)  # first calls compile
settings.load_profile("house")

sys.meta_path.insert(0, VenuesOnDemand())  # tests that import ccxt take two venues of it

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The recorded market data beside the checkout; CI must have it, elsewhere the test is skipped."""
    data = CHECKOUT.parent / "shared" / "data"
    if not data.is_dir():
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(f"CI needs the recorded data, and {data} is not there")
        pytest.skip(f"no recorded data at {data}")
    return data


@pytest.fixture(autouse=True)
def _decimals() -> Iterator[None]:
    """Undo what a test does to the rounding of decimals that drives ccxt itself: the next test may add up money."""
    yield
    context = getcontext()
    context.rounding, context.traps[Underflow] = ROUND_HALF_EVEN, False
