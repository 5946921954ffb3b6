"""The ledger against the venue: every difference beyond dust is told, whatever strategies net to."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.account.netting import expected_holdings, mismatches, net_quantities
from marketsentry.core.account.position import Position, apply_fill
from marketsentry.core.orders.order import Side


def held(qty: str, average: str = "0") -> Position:
    return Position(qty=Decimal(qty), average_price=Decimal(average))


def test_strategies_net_by_target() -> None:
    net = net_quantities([("BTC", held("2")), ("ETH", held("1")), ("BTC", held("-0.5")), ("ETH", held("-1"))])
    assert net == {"BTC": Decimal("1.5")}


def test_spot_counts_to_its_asset_and_a_perpetual_to_its_margin() -> None:
    positions = [("BTC-USD", held("2", "100")), ("BTC-PERP", held("-3", "100"))]
    expected = expected_holdings(positions, {"USD": Decimal(1300), "BTC": Decimal("0.1")}, quote="USD")
    assert expected == {"BTC": Decimal("2.1"), "BTC-PERP": Decimal(-3), "USD": Decimal(1000)}


def test_a_net_costs_what_the_venue_says() -> None:
    positions = [
        ("BTC-PERP", held("2", "101")),
        ("BTC-PERP", held("-1", "99")),
        ("ETH-PERP", held("1", "10")),
    ]
    expected = expected_holdings(
        positions, {"USD": Decimal(1000)}, quote="USD", averages={"BTC-PERP": Decimal(102)}
    )
    assert expected == {"BTC-PERP": Decimal(1), "ETH-PERP": Decimal(1), "USD": Decimal(1112)}


def test_only_what_is_more_than_dust_differs() -> None:
    expected = {"BTC": Decimal(2), "USD": Decimal(100)}
    venue = {"BTC": Decimal("1.999"), "USD": Decimal("99.5"), "DOGE": Decimal(7)}
    found = mismatches(expected, venue, {"BTC": Decimal("0.001")})
    assert [(one.name, one.missing_qty) for one in found] == [("DOGE", Decimal(7)), ("USD", Decimal("-0.5"))]
    assert mismatches(expected, expected, {}) == []
    assert [one.name for one in mismatches(expected, {}, {})] == ["BTC", "USD"]


@given(
    st.lists(
        st.tuples(st.sampled_from(Side), st.decimals("0.1", "9", places=2), st.decimals("1", "99", places=2)),
        max_size=12,
    )
)
def test_the_margin_of_a_perpetual_is_what_was_earned(
    trades: list[tuple[Side, Decimal, Decimal]],
) -> None:
    position, cash = Position(), Decimal(1000)
    for side, qty, price in trades:
        position = apply_fill(position, side, qty, price, Decimal("0.1"))
        cash -= side.sign * qty * price + Decimal("0.1")
    expected = expected_holdings([("BTC-PERP", position)], {"USD": cash}, quote="USD")
    assert abs(expected.get("USD", Decimal(0)) - (1000 + position.net_quote)) < Decimal("1e-18")
