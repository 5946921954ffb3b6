"""The trader at Bitget where fees are paid in BGB: it trades on, and its costs are those fees (ADR 0261)."""

from decimal import Decimal
from pathlib import Path

import pytest

from marketsentry.adapters.embedded import Engines
from marketsentry.bootstrap import open_system
from marketsentry.core.market.bars import BarSeries
from marketsentry.core.orders.order import OrderStatus
from marketsentry.services.holdings_check import check_accounts
from marketsentry.settings import Settings
from marketsentry.simexchange.exchange import VenueKind
from trader_at_venue import at_venue, market_until_now
from trader_market import trained_record

N_TRADED = 12


@pytest.fixture
def market() -> tuple[BarSeries, ...]:
    return market_until_now()


@pytest.fixture
def settings(engines: Engines, database_url: str, tmp_path: Path, market: tuple[BarSeries, ...]) -> Settings:
    return trained_record(engines, database_url, tmp_path / "home", market, risk_max_abs_return=0.0)


async def test_it_trades_on_where_fees_are_paid_in_the_coin_of_the_venue(
    settings: Settings, market: tuple[BarSeries, ...]
) -> None:
    async with (
        open_system(settings) as system,
        at_venue(system, market, VenueKind.BITGET, "staged", fee_coin="BGB") as there,
    ):
        await there.pay_in()
        for n in range(N_TRADED):
            await there.trade(n)
        orders = await there.desk.orders()
        assert {(one.status, one.reject_reason) for one in orders} == {(OrderStatus.FILLED, None)}
        assert {one["fee_coin"] for one in there.exchange.truth()["fills"]} == {"BGB"}
        async with there.desk.transactions() as stores:
            fills = [one for order in orders for one in await stores.orders.fills(order_id=order.id)]
        assert min(one.fee_quote / (one.qty * one.price) for one in fills) > Decimal("0.0009")
        checks = [
            one for one in await check_accounts(there.desk.parts.admit) if one.account.venue == "bitget"
        ]
        assert all(one.agrees for one in checks), [one.document() for one in checks]
