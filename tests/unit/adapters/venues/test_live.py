"""Which refusal comes first: an unknown venue, then missing keys, then the locks (contract 1.6)."""

from decimal import Decimal

import pytest

from marketsentry.adapters.venues.registry import VenueRegistry
from marketsentry.adapters.venues.venue_access import VenueAccess
from marketsentry.bootstrap import live_venue
from marketsentry.exceptions import InputError
from marketsentry.ports.venue import VenueRefusedError
from marketsentry.settings import load_settings

KEYS = {
    "COINBASE_API_KEY": "k",
    "COINBASE_API_SECRET": "s",
    "BITGET_API_KEY": "k",
    "BITGET_API_SECRET": "s",
    "BITGET_API_PASSPHRASE": "p",
}
SIMULATED = {"COINBASE_ADVANCED_TRADE_API": "http://127.0.0.1:4711", "BITGET_API": "http://127.0.0.1:4712"}
UNLOCKED = {"LIVE_TRADING_ENABLED": "1", "MS_LIVE_VENUES": "coinbase"}


@pytest.mark.parametrize(
    ("venue", "environment", "code"),
    [
        ("kraken", KEYS, "unsupported_venue:kraken"),
        ("coinbase", {}, "coinbase_credentials_not_configured"),
        ("coinbase", {"COINBASE_API_KEY": "k"}, "coinbase_credentials_not_configured"),
        ("bitget", {"BITGET_API_KEY": "k", "BITGET_API_SECRET": "s"}, "bitget_credentials_not_configured"),
    ],
)
def test_what_is_missing_is_said_before_the_locks(venue, environment, code):
    with pytest.raises(VenueRefusedError) as refused:
        live_venue(load_settings({**environment, **SIMULATED, **UNLOCKED}), venue)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("venue", "environment", "base_url", "refusal"),
    [
        ("coinbase", {}, None, "live_trading_disabled"),
        ("coinbase", SIMULATED, None, "live_trading_disabled"),
        ("coinbase", {**SIMULATED, **UNLOCKED}, None, None),
        ("bitget", {**SIMULATED, **UNLOCKED}, None, "live_trading_disabled"),  # not named in the second lock
        ("coinbase", {}, "http://127.0.0.1:4713", None),
        ("coinbase", {**SIMULATED, **UNLOCKED}, "https://api.coinbase.com", "live_trading_disabled"),
    ],
)
def test_two_locks_stand_before_an_order(venue, environment, base_url, refusal):
    opened = live_venue(load_settings({**KEYS, **environment}), venue, base_url=base_url)
    assert (
        opened._access.trading_refusal == refusal
    )  # what submit refuses with is proved on a simulated venue
    assert "'s'" not in repr(opened._access)


async def test_an_adapter_that_does_not_exist_raises():
    registry = VenueRegistry(None)
    with pytest.raises(InputError, match="unsupported adapter moon"):
        registry.refusal("moon", "coinbase")
    with pytest.raises(InputError, match="unsupported adapter moon"):
        await registry.open("moon", "coinbase", fee_bps=Decimal(0))


def test_keys_are_not_in_what_is_printed():
    access = VenueAccess("https://api.coinbase.com", "name42", "secret42", "phrase42")
    assert "42" not in repr(access)


@pytest.mark.parametrize(
    ("environment", "adapter", "venue", "code"),
    [
        ({**KEYS, **SIMULATED, **UNLOCKED}, "coinbase_live", "coinbase", None),
        (KEYS, "coinbase_live", "coinbase", "live_trading_disabled"),
        ({}, "coinbase_live", "coinbase", "coinbase_credentials_not_configured"),
        (KEYS, "coinbase_live", "kraken", "unsupported_venue:kraken"),
    ],
)
async def test_a_locked_venue_takes_no_order_and_can_still_be_opened(environment, adapter, venue, code):
    settings = load_settings(environment)
    registry = VenueRegistry(None, open_live=lambda name: live_venue(settings, name))
    assert registry.refusal(adapter, venue) == code
    if code in (None, "live_trading_disabled"):
        assert (await registry.open(adapter, venue, fee_bps=0)).name == adapter
    else:
        with pytest.raises(VenueRefusedError, match=code):
            await registry.open(adapter, venue, fee_bps=0)
    await registry.close()


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({}, []),
        (KEYS, []),
        ({**KEYS, **SIMULATED, **UNLOCKED}, ["coinbase_live"]),
        (
            {**KEYS, **SIMULATED, **UNLOCKED, "MS_LIVE_VENUES": "bitget,coinbase"},
            ["coinbase_live", "bitget_live"],
        ),
        ({**SIMULATED, **UNLOCKED}, []),
    ],
)
def test_the_streams_of_venues_that_may_be_traded_are_listened_to(environment, names):
    settings = load_settings(environment)
    registry = VenueRegistry(None, open_live=lambda venue: live_venue(settings, venue))
    assert [one.name for one in registry.feeds()] == names
    assert VenueRegistry(None).feeds() == []


def test_the_universe_of_perpetuals_is_named_as_the_market_names_it():
    told = {**KEYS, **SIMULATED, "BITGET_MARKET": "perp", "LIQUID_SYMBOLS": "BTC,ETH-PERP"}
    opened = live_venue(load_settings(told), "bitget")
    assert opened.access.symbols == ("BTC-PERP", "ETH-PERP")
    assert opened.market == "perp"
    assert live_venue(load_settings({**told, "BITGET_MARKET": "spot"}), "bitget").access.symbols == (
        "BTC",
        "ETH-PERP",
    )
