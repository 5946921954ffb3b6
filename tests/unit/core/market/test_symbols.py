"""The one rule that names markets."""

import pytest

from marketsentry.core.market.symbols import (
    Market,
    base_of,
    canonical_symbol,
    check_symbol,
    market_of_source,
    perp_of,
    source_name,
)
from marketsentry.exceptions import InputError

SPOT, PERP = Market.SPOT, Market.PERP


@pytest.mark.parametrize(
    ("raw", "market", "name"),
    [
        ("BTCUSDT", SPOT, "BTC"),
        ("btcusdt", SPOT, "BTC"),
        ("BTC", SPOT, "BTC"),
        ("BTC-USDT", SPOT, "BTC"),
        ("BTC/USDT", SPOT, "BTC"),
        ("BTCUSDC", SPOT, "BTC-USDC"),
        ("BTC-USD", SPOT, "BTC-USD"),
        ("BTCUSD", SPOT, "BTC-USD"),
        ("XBTUSD", SPOT, "BTC-USD"),
        ("ETHBTC", SPOT, "ETH-BTC"),
        ("1000PEPEUSDT", PERP, "1000PEPE-PERP"),
        ("BTCUSDT", PERP, "BTC-PERP"),
        ("BTC/USDT:USDT", SPOT, "BTC-PERP"),
        ("BTC-USDT-SWAP", SPOT, "BTC-PERP"),
        ("BTC-USD-SWAP", SPOT, "BTC-USD-PERP"),
        ("BTCUSD_PERP", SPOT, "BTC-USD-PERP"),
        ("BTCUSD-PERP", SPOT, "BTC-USD-PERP"),
        ("BTCPERP", PERP, "BTC-USDC-PERP"),
        ("USDT", SPOT, "USDT"),
    ],
)
def test_every_spelling_has_one_name(raw: str, market: Market, name: str) -> None:
    assert canonical_symbol(raw, market) == name


def test_markets_of_one_venue_never_share_a_name() -> None:
    raws = ["BTCUSDT", "BTCUSDC", "BTCUSD", "BTCFDUSD", "BTCEUR", "BTCUSD_PERP"]
    names = [canonical_symbol(raw, SPOT) for raw in raws] + [canonical_symbol("BTCUSDT", PERP)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("bad", ["", "BTC USD", "BTC;DROP", "A" * 21, "../BTC", "-BTC"])
def test_a_name_of_other_characters_is_refused(bad: str) -> None:
    with pytest.raises(InputError, match="symbol must be"):
        check_symbol(bad)


def test_sources_name_venue_and_market() -> None:
    assert source_name("Binance", SPOT) == "binance_spot"
    assert market_of_source("binance_perp") is PERP
    assert market_of_source("binance_coinm") is PERP
    assert market_of_source("coinbase_spot") is SPOT


def test_spot_and_perpetual_find_each_other() -> None:
    assert perp_of("BTC") == "BTC-PERP" == perp_of("BTC-PERP")
    assert base_of("BTC-PERP") == base_of("BTC-USD") == base_of("BTC") == "BTC"
