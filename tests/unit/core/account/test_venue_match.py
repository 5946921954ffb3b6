"""The ledger against what a venue shows: what is compared, and from which difference on."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from marketsentry.core.account.venue_match import Holding, Kind, compare, held_as, ledger_holding, lots_of
from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.product import Product

LOT = Decimal("0.001")
QTY = st.decimals(-5, 5, places=4, allow_nan=False)


def holding(totals=(), contracts=()):
    return Holding(
        {name: Decimal(qty) for name, qty in dict(totals).items()},
        {name: Decimal(qty) for name, qty in dict(contracts).items()},
    )


def found(ledger, venue, lots=None, **rest):
    return [(one.kind, one.name, one.off_qty) for one in compare(ledger, venue, lots or {}, **rest)]


def test_a_perpetual_is_a_contract_where_there_are_any():
    assert held_as("BTC-PERP", has_contracts=True) == (Kind.CONTRACT, "BTC-PERP")
    assert held_as("BTC-PERP", has_contracts=False) == (Kind.ASSET, "BTC")
    assert held_as("BTC-USD", has_contracts=True) == (Kind.ASSET, "BTC")


def test_positions_of_one_asset_add_up():
    positions = [("BTC", Decimal(1)), ("BTC-USD", Decimal(2)), ("BTC-PERP", Decimal(-3))]
    assert ledger_holding(positions, has_contracts=True) == holding({"BTC": 3}, {"BTC-PERP": -3})
    assert ledger_holding(positions, has_contracts=False) == holding({"BTC": 0})


def test_assets_of_others_are_not_ours_but_contracts_are():
    venue = holding({"BTC": 1, "DOGE": 5000}, {"ETH-PERP": 2})
    assert found(holding({"BTC": 1}), venue) == [(Kind.CONTRACT, "ETH-PERP", 2)]


def test_from_one_lot_on_it_differs():
    lots = {(Kind.ASSET, "BTC"): LOT}
    assert found(holding({"BTC": "1"}), holding({"BTC": "1.0009"}), lots) == []
    assert found(holding({"BTC": "1"}), holding({"BTC": "1.001"}), lots) == [(Kind.ASSET, "BTC", LOT)]
    assert found(holding({"BTC": "1"}), holding({"BTC": "1.0001"})) != []  # without a lot only equal is equal
    assert found(holding({"BTC": "1"}), holding()) == [(Kind.ASSET, "BTC", -1)]


def test_what_moves_is_not_compared():
    ledger, venue = holding({"BTC": 1, "ETH": 1}), holding({"BTC": 2, "ETH": 2})
    assert found(ledger, venue, skipped={(Kind.ASSET, "BTC")}) == [(Kind.ASSET, "ETH", 1)]


def test_the_largest_lot_of_an_asset_counts():
    products = [
        Product(symbol, symbol, "BTC", "USD", Market.SPOT, lot_size=lot)
        for symbol, lot in (("BTC", LOT), ("BTC-USD", LOT * 10))
    ]
    assert lots_of(products, has_contracts=True) == {(Kind.ASSET, "BTC"): LOT * 10}


@given(st.dictionaries(st.sampled_from(("BTC", "ETH", "SOL")), st.tuples(QTY, QTY)))
def test_it_names_exactly_what_is_a_lot_or_more_apart(rows):
    ledger = holding({name: ours for name, (ours, _) in rows.items()})
    venue = holding({name: theirs for name, (_, theirs) in rows.items()})
    lots = {(Kind.ASSET, name): LOT for name in rows}
    expected = {name for name, (ours, theirs) in rows.items() if abs(theirs - ours) >= LOT}
    assert {name for _, name, _ in found(ledger, venue, lots)} == expected
    assert found(ledger, ledger, lots) == []
