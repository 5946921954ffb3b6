"""An account in which others trade all day: its fills are read to the end, though those of one order may be few."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from live_venues import MID, access_to, market, opened, ref
from marketsentry.adapters.venues.bitget_live import open_bitget
from marketsentry.adapters.venues.coinbase_live import CoinbaseLive
from marketsentry.core.market.symbols import Market
from marketsentry.ports.venue import OutcomeUnknownError
from marketsentry.simexchange.exchange import SimExchange, SimMarket, VenueKind
from marketsentry.simexchange.market_feed import BookShape
from marketsentry.simexchange.products import bitget_spot, coinbase_product

SHAPE = BookShape(n_levels=5_150, step_bps=0.1, level_quote=60.0, crowd_frac=0.0)
VENUES = {
    VenueKind.COINBASE: (coinbase_product, CoinbaseLive, "USD"),
    VenueKind.BITGET: (bitget_spot, lambda access: open_bitget(access, Market.SPOT), "USDT"),
}


@pytest.mark.parametrize("kind", VENUES)
async def test_all_fills_of_a_day_are_read(kind: VenueKind) -> None:
    product, make, currency = VENUES[kind]
    since = datetime.now(UTC) - timedelta(seconds=5)
    markets = [SimMarket(product("BTC"), [MID], SHAPE)]
    async with (
        SimExchange(kind, markets=markets, seed=7, balances={currency: Decimal(1_000_000)}) as exchange,
        opened(make(access_to(exchange, quote_currency=currency, timeout_s=9.0))) as venue,
    ):
        request = market(qty="5.1", bound="66000")
        done = await venue.submit(request)
        n_fills = len(exchange.truth()["fills"])
        assert n_fills > 5_000
        assert len(await venue.fills_since(since)) == n_fills
        with pytest.raises(OutcomeUnknownError, match="lists more than 50 pages"):
            await venue.fills(ref(request, done.venue_order_id))
