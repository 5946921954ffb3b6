"""What is held is worth one price for each target, however many strategies hold it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from marketsentry.core.account.position import Position, mark
from marketsentry.core.account.valuation import value

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
HELD = Position(qty=Decimal(2), average_price=Decimal(90))


def test_the_newest_mark_counts_for_all_strategies_in_a_target() -> None:
    """The price that is kept with a mark of equity must give the same equity again."""
    earlier = mark(HELD, Decimal(100), AT)
    later = mark(replace(HELD, qty=Decimal(-3)), Decimal(110), AT + timedelta(seconds=1))
    for positions in ((earlier, later), (later, earlier)):
        worth = value([("BTC", one) for one in positions], {"USD": Decimal(1000)}, quote="USD", rates={})
        assert worth.marks == {"BTC": Decimal(110)}
        assert (worth.gross_quote, worth.equity_quote) == (Decimal(110), Decimal(890))
        again = [("BTC", replace(one, mark_price=worth.marks["BTC"], marked_at=None)) for one in positions]
        assert value(again, {"USD": Decimal(1000)}, quote="USD", rates={}) == worth


def test_a_position_without_a_mark_takes_that_of_another_strategy() -> None:
    marked = mark(HELD, Decimal(100), AT)
    for positions in ((HELD, marked), (marked, HELD)):
        worth = value([("BTC", one) for one in positions], {}, quote="USD", rates={})
        assert worth.equity_quote == Decimal(400)
