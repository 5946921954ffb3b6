"""The role of the trader outlives what keeps it from trading: nothing else of `ms up` goes down with it."""

import asyncio

import pytest

from marketsentry.exceptions import ConflictError, DataQualityError, DependencyError, InputError
from marketsentry.roles.trader import live_rules, trade
from marketsentry.services.trader_live import Waiting
from marketsentry.settings import Settings


class Troubled:
    """A trader that fails in one way, then waits; it ends the role at its second look."""

    def __init__(self, error, stop):
        self.error, self.stop, self.looks = error, stop, 0

    async def tick(self):
        self.looks += 1
        self.stop.set()
        if self.looks == 1:
            raise self.error
        return Waiting("nothing is due")


@pytest.mark.parametrize("kind", [ConflictError, DependencyError, DataQualityError, InputError])
async def test_no_error_of_ours_ends_the_role(kind):
    stop = asyncio.Event()
    trader = Troubled(kind("another trader runs it"), stop)
    await trade(trader, stop=stop)
    assert trader.looks == 1


async def test_a_bug_ends_it():
    stop = asyncio.Event()
    with pytest.raises(ZeroDivisionError):
        await trade(Troubled(ZeroDivisionError(), stop), stop=stop)


@pytest.mark.parametrize(
    ("told", "adapter", "venue", "fee_bps"),
    [
        ({}, "paper", "coinbase", 5),
        ({"trader_adapter": "coinbase_live"}, "coinbase_live", "coinbase", 60),
        ({"trader_adapter": "Bitget_Live"}, "bitget_live", "bitget", 10),
        ({"trader_adapter": "bitget_live", "trader_fee_bps": "2.5"}, "bitget_live", "bitget", 2.5),
    ],
)
def test_the_settings_say_where_is_traded_and_what_it_costs(told, adapter, venue, fee_bps):
    rules = live_rules(Settings.model_validate(told))
    assert (rules.adapter, rules.venue, rules.fee_bps) == (adapter, venue, fee_bps)
