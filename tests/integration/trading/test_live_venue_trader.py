"""The trader at a live venue: it trades a tenth of its capital, no more with time, and the venue holds what it says."""

from collections.abc import AsyncIterator

import numpy as np
import pytest

from marketsentry.adapters.embedded import Engines
from marketsentry.bootstrap import System, open_system
from marketsentry.core.market.bars import BarSeries
from marketsentry.core.orders.order import OrderStatus
from marketsentry.exceptions import ConflictError
from marketsentry.services.holdings_check import check_accounts
from marketsentry.services.trader_live import Waiting
from marketsentry.settings import Settings
from marketsentry.simexchange.exchange import VenueKind
from trader_at_venue import at_venue, market_until_now
from trader_market import trained_record

N_TRADED = 18


@pytest.fixture(scope="module")
def market() -> tuple[BarSeries, ...]:
    """A market whose first live bar closed at the last whole hour: the venue tells the time that it is."""
    return market_until_now()


@pytest.fixture(scope="module")
def settings(
    engines: Engines,
    module_database_url: str,
    tmp_path_factory: pytest.TempPathFactory,
    market: tuple[BarSeries, ...],
) -> Settings:
    home = tmp_path_factory.mktemp("at-a-venue")
    return trained_record(engines, module_database_url, home, market, risk_max_abs_return=0.0)


@pytest.fixture
async def system(settings: Settings) -> AsyncIterator[System]:
    async with open_system(settings) as opened:
        yield opened


@pytest.mark.parametrize("kind", list(VenueKind))
async def test_it_trades_its_stage_and_the_venue_agrees(
    system: System, market: tuple[BarSeries, ...], kind: VenueKind
) -> None:
    async with at_venue(system, market, kind, f"staged-{kind}") as there:
        await there.pay_in()
        gross = []
        for n in range(N_TRADED):
            if n == N_TRADED - 3:
                there.desk.trader = there.desk.started()
                assert isinstance(await there.desk.trader.tick(), Waiting), (
                    "the bar was traded before the restart"
                )
            step = await there.trade(n)
            assert np.nansum(np.abs(step.decided.wanted)) <= 0.1
            gross.append(float(np.abs(step.decided.weights).sum()))
        assert max(gross) > 0.01, "the model must trade"
        assert max(gross) < 0.11, gross
        orders = await there.desk.orders()
        assert {(one.status, one.reject_reason) for one in orders} == {(OrderStatus.FILLED, None)}
        assert {one.metadata["rollout_stage_pct"] for one in orders if not one.is_reduce_only} == {10}
        checks = [one for one in await check_accounts(there.desk.parts.admit) if one.account.venue == kind]
        assert all(one.agrees for one in checks), [one.document() for one in checks]


async def test_it_waits_where_nothing_may_be_sent(system: System, market: tuple[BarSeries, ...]) -> None:
    async with at_venue(
        system, market, VenueKind.COINBASE, "locked", refusal="live_trading_disabled"
    ) as there:
        await there.desk.bar_closes(0)
        waiting = await there.desk.trader.tick()
        assert waiting == Waiting("coinbase may not be sent orders: live_trading_disabled")


async def test_without_capital_it_says_so(system: System, market: tuple[BarSeries, ...]) -> None:
    async with at_venue(system, market, VenueKind.BITGET, "poor") as there:
        await there.desk.bar_closes(0)
        with pytest.raises(ConflictError, match="must have cash in bitget_live at bitget, had 0"):
            await there.desk.trader.tick()
