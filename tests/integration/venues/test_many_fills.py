"""An account in which others trade all day: its fills are read to the end, though those of one order may be few."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from live_venues import MID, access_to, market, opened, ref
from marketsentry.adapters.venues import bitget_account, coinbase_live
from marketsentry.adapters.venues.bitget_live import open_bitget
from marketsentry.core.market.symbols import Market
from marketsentry.ports.venue import OutcomeUnknownError
from marketsentry.simexchange.exchange import SimExchange, SimMarket, VenueKind
from marketsentry.simexchange.market_feed import BookShape
from marketsentry.simexchange.products import bitget_spot, coinbase_product

N_LEVELS = 55  # more than the pages of one order, at one fill a page
SHAPE = BookShape(n_levels=N_LEVELS, level_quote=6_000.0, crowd_frac=0.0)
VENUES = {
    VenueKind.COINBASE: (coinbase_live, coinbase_product, coinbase_live.CoinbaseLive, "USD"),
    VenueKind.BITGET: (
        bitget_account,
        bitget_spot,
        lambda access: open_bitget(access, Market.SPOT),
        "USDT",
    ),
}


@pytest.mark.parametrize("kind", VENUES)
async def test_all_fills_of_a_day_are_read(kind: VenueKind, monkeypatch: pytest.MonkeyPatch) -> None:
    module, product, make, currency = VENUES[kind]
    since = datetime.now(UTC) - timedelta(seconds=5)
    markets = [SimMarket(product("BTC"), [MID], SHAPE)]
    async with (
        SimExchange(kind, markets=markets, seed=7, balances={currency: Decimal(1_000_000)}) as exchange,
        opened(make(access_to(exchange, quote_currency=currency, timeout_s=5.0))) as venue,
    ):
        request = market(qty="5.4", bound="66000")
        done = await venue.submit(request)
        n_fills = len(exchange.truth()["fills"])
        assert n_fills > 50
        monkeypatch.setattr(module, "_PAGE", 1)
        assert len(await venue.fills_since(since)) == n_fills
        with pytest.raises(OutcomeUnknownError, match="lists more than 50 pages"):
            await venue.fills(ref(request, done.venue_order_id))
