"""What a client estimates bounds what an order pays, and never makes its weight look small."""

import pytest

from execution_world import BY, World
from marketsentry.core.orders.order import Side
from marketsentry.exceptions import LockedError
from marketsentry.services.execution_admit import admit
from marketsentry.services.execution_request import RunRequest

TOO_MUCH = "200000"  # of BTC at 100 with a capital of a million: twenty times all of it, and ten are allowed


@pytest.mark.parametrize("price", [None, "100", "1", "0.0001"])
async def test_a_sale_weighs_what_the_market_pays_for_it(world: World, price: str | None) -> None:
    decision_id = await world.entered(TOO_MUCH, price=price, side=Side.SELL)
    with pytest.raises(LockedError, match="single_weight_exceeded"):
        await admit(RunRequest(decision_id), world.admit, by=BY)


async def test_a_purchase_weighs_what_it_may_cost(world: World) -> None:
    decision_id = await world.entered(TOO_MUCH, price="1")
    (order,) = await admit(RunRequest(decision_id), world.admit, by=BY)
    assert order.status.is_open  # with a limit near 1, so that it can buy for a fifth of the capital at most
