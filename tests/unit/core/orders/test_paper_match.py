"""What a paper venue fills is bounded by the limit and by what the market trades (K-14, K-16, K-17)."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.orders.market_look import MarketLook
from marketsentry.core.orders.order import LegKind, Side, TimeInForce
from marketsentry.core.orders.paper_leg import PaperLeg
from marketsentry.core.orders.paper_match import PaperCosts, match_leg

AT = datetime(2026, 3, 1, tzinfo=UTC)
COSTS = PaperCosts()


def _look(volume: float | None = 1000.0, volatility: float | None = 0.002, mid: str = "100") -> MarketLook:
    return MarketLook("BTC", Decimal(mid), AT, volume, volatility)


def _leg(qty: str, limit: str, side: Side = Side.BUY, force: TimeInForce = TimeInForce.IOC) -> PaperLeg:
    return PaperLeg(side, LegKind.MARKET, Decimal(qty), Decimal(limit), force, fee_bps=5.0)


def test_a_fill_pays_half_the_spread_and_the_root_of_its_share() -> None:
    found = match_leg(_leg("40", "101"), _look(), COSTS)
    assert found.qty == 40
    assert float(found.price) == pytest.approx(100 * (1 + 3e-4 + 0.002 * 0.04**0.5))
    assert float(found.fee) == pytest.approx(float(found.qty * found.price) * 5e-4)


def test_a_limit_takes_what_keeps_the_impact_within_it() -> None:
    found = match_leg(_leg("100", "100.05"), _look(), COSTS)  # 2 bps of room, 20 bps for the whole volume
    assert float(found.qty) == pytest.approx(1000 * (2 / 20) ** 2)
    assert float(found.price) == pytest.approx(100.05)


def test_a_replay_charges_the_middle_of_the_market() -> None:
    found = match_leg(_leg("40", "101"), _look(), PaperCosts(charges_mid=True))
    assert float(found.fee) == pytest.approx(40 * 100 * 5e-4)


def test_without_bars_all_is_filled_at_half_the_spread() -> None:
    found = match_leg(_leg("5000", "99", Side.SELL), _look(None, None), COSTS)
    assert (found.qty, found.price) == (Decimal(5000), Decimal("99.97"))


@given(
    side=st.sampled_from(Side),
    force=st.sampled_from(TimeInForce),
    qty=st.decimals("0.00000001", 5000, places=8),
    offset_bps=st.integers(-50, 200),
    volume=st.floats(0, 1e6),
    volatility=st.floats(0, 0.2),
)
def test_no_fill_is_beyond_limit_or_share(
    side: Side, force: TimeInForce, qty: Decimal, offset_bps: int, volume: float, volatility: float
) -> None:
    limit = Decimal(100) * (1 + side.sign * Decimal(offset_bps) / 10_000)
    leg = PaperLeg(side, LegKind.LIMIT, qty, limit, force)
    look = _look(volume, volatility)
    found = match_leg(leg, look, COSTS)
    assert match_leg(leg, look, COSTS) == found
    assert 0 <= found.qty <= qty
    assert float(found.qty) <= 0.1 * volume * (1 + 1e-12)
    if force is TimeInForce.FOK:
        assert found.qty in (0, qty)
    if found.qty:
        assert side.sign * (found.price - limit) <= 0
        assert side.sign * (float(found.price) - 100) >= 0.03 - 1e-9
