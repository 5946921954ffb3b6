"""What a position is held as, where perpetuals are contracts and where they are not."""

from decimal import Decimal

from marketsentry.core.account.netting import expected_holdings, held_as
from marketsentry.core.account.position import Position

HELD = [
    ("BTC", Position(qty=Decimal(1), average_price=Decimal(100))),
    ("BTC-PERP", Position(qty=Decimal(-3), average_price=Decimal(110))),
]


def test_a_perpetual_is_a_contract_where_there_are_any():
    assert (held_as("BTC-PERP"), held_as("BTC-USD")) == ("BTC-PERP", "BTC")
    assert held_as("BTC-PERP", has_contracts=False) == "BTC"


def test_a_venue_without_contracts_holds_the_net_and_all_of_the_cash():
    cash = {"USD": Decimal(1000)}
    assert expected_holdings(HELD, cash, quote="USD", has_contracts=False) == {"BTC": -2, "USD": 1000}
    assert expected_holdings(HELD, cash, quote="USD") == {"BTC": 1, "BTC-PERP": -3, "USD": 670}
