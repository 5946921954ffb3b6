"""Terms are read back as they were spelled, and those of a run go before those of an order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.plan import Plan, plan_of
from marketsentry.core.orders.terms import (
    MAX_LEVERAGE,
    NO_TERMS,
    MarginMode,
    PositionMode,
    ProductType,
    Terms,
    terms_of,
)
from marketsentry.exceptions import InputError

terms = st.builds(
    Terms,
    market_type=st.none() | st.sampled_from(Market),
    product_type=st.none() | st.sampled_from(ProductType),
    leverage=st.none() | st.integers(1, MAX_LEVERAGE),
    position_mode=st.none() | st.sampled_from(PositionMode),
    margin_mode=st.none() | st.sampled_from(MarginMode),
    reduce_only=st.booleans(),
)


@given(terms)
def test_what_was_spelled_is_read_back(said):
    assert terms_of(said.document()) == said
    assert plan_of(Plan(terms=said).document()) == Plan(terms=said)


@given(terms, terms)
def test_each_term_is_the_runs_or_else_the_orders(run, order):
    found = run.over(order)
    for name in Terms.__slots__:
        assert getattr(found, name) == (getattr(run, name) or getattr(order, name))


def test_nothing_said_leaves_no_trace():
    assert NO_TERMS.document() == {}
    assert "terms" not in Plan().document()
    assert terms_of(None) == NO_TERMS


@pytest.mark.parametrize("leverage", [0, 126, -1])
def test_leverage_has_bounds(leverage):
    with pytest.raises(InputError, match="leverage must be"):
        Terms(leverage=leverage)
