"""What orders are expected to cost comes from own fills, once there are some, and every estimate says so (K-30)."""

from datetime import timedelta
from decimal import Decimal

import pytest

from execution_world import World
from marketsentry.core.orders.order import Side
from marketsentry.core.portfolio.own_costs import PRIOR_ORDERS
from marketsentry.core.portfolio.trade_cost import CostBasis
from marketsentry.ports.costs import CostFit
from marketsentry.ports.orders import StoredOrder
from marketsentry.services.executor import Executor
from marketsentry.services.own_costs import costs_document, fit_own_costs

SPREAD_BPS, DEVIATION_BPS = 3.0, 10.0


async def trade(world: World, *quantities: str) -> None:
    """Execute orders in BTC on the paper venue."""
    orders = await world.admitted(*quantities, max_slippage_bps=Decimal(100), max_orders=1000)
    await Executor(world.drive_parts()).settle([one.id for one in orders], within_s=60)


async def entered(world: World, quantity: str, *, price: str | None = "100") -> StoredOrder:
    decision_id = await world.entered(quantity, price=price, side=Side.SELL)
    async with world.database.transactions() as stores:
        return (await stores.orders.of_decision(decision_id))[0]


async def fit(world: World) -> list[CostFit]:
    return list(await fit_own_costs(transactions=world.database.transactions, clock=world.clock))


async def test_before_there_are_fills_an_order_is_expected_to_cost_the_prior(world: World) -> None:
    assert await fit(world) == []
    order = await entered(world, "100")
    cost = order.metadata["expected_cost"]
    assert (cost["basis"], cost["fee_bps"], cost["half_spread_bps"]) == ("prior", 5.0, 3.0)
    # a hundredth of a bar's volume at 10 bps of deviation
    assert float(order.est_cost_bps) == pytest.approx(8.0 + DEVIATION_BPS * 0.1, rel=0.01)
    larger = await entered(world, "400")
    assert float(larger.est_cost_bps) == pytest.approx(8.0 + DEVIATION_BPS * 0.2, rel=0.01)


async def test_an_order_without_a_price_has_no_impact_in_its_estimate(world: World) -> None:
    order = await entered(world, "100", price=None)
    assert (order.est_cost_bps, order.metadata["expected_cost"]["impact_bps"]) == (8, None)


async def test_own_fills_are_fitted_kept_and_used(world: World) -> None:
    await trade(world, "10", "40", "90", "160")
    (made,) = await fit(world)
    assert (made.adapter, made.symbol, made.costs.n_orders) == ("paper", "BTC", 4)
    assert made.costs.own_share == 4 / (4 + PRIOR_ORDERS)
    # the paper venue charges what the prior says, so the fit stays there
    assert made.costs.half_spread_bps == pytest.approx(SPREAD_BPS, abs=0.1)
    assert made.costs.impact_coefficient == pytest.approx(1.0, abs=0.1)
    assert await fit(world) == []  # nothing was filled since
    order = await entered(world, "100")
    cost = order.metadata["expected_cost"]
    assert (cost["basis"], cost["n_orders"]) == (CostBasis.OWN_FILLS, 4)
    assert float(order.est_cost_bps) == pytest.approx(
        made.costs.fee_bps + made.costs.half_spread_bps + made.costs.impact_coefficient * DEVIATION_BPS * 0.1,
        rel=0.01,
    )
    await trade(world, "10")
    (again,) = await fit(world)
    assert again.costs.n_orders == 5
    async with world.database.transactions() as stores:
        newest = await stores.costs.newest("paper", ["BTC", "ETH"])
        assert await stores.costs.newest("coinbase_live", ["BTC"]) == {}
    assert newest["BTC"] == again
    (told,) = costs_document([again])["fits"]
    assert (told["n_orders"], told["prior"]) == (5, "standard")


async def test_drills_and_replays_are_not_own_trading(world: World) -> None:
    await trade(world, "10")
    async with world.database.connection() as connection:
        await connection.execute("UPDATE orders_sim SET venue = 'drill-' || venue")
    assert await fit(world) == []


async def test_a_fit_is_never_changed(world: World) -> None:
    await trade(world, "10")
    await fit(world)
    with pytest.raises(Exception, match="append-only"):
        async with world.database.connection() as connection:
            await connection.execute("UPDATE cost_fits SET half_spread_bps = 0")


async def test_a_price_moved_between_estimate_and_fill_shows_where_the_venue_names_no_price(
    world: World,
) -> None:
    await trade(world, "10")
    async with world.database.connection() as connection:
        await connection.execute("ALTER TABLE fills DISABLE TRIGGER fills_are_append_only")
        await connection.execute("UPDATE fills SET reference_price = NULL, price = 101")
    await world.clock.sleep(timedelta(hours=1).total_seconds())
    async with world.database.transactions() as stores:
        (order,) = await stores.costs.own_orders("paper", "BTC", limit=10)
    assert order.slippage_bps == pytest.approx(100.0)
