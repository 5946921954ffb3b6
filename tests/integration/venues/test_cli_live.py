"""`ms check live` and `ms check venue` against simulated venues: what they tell and how they end."""

import asyncio
import json

import pytest

from live_venues import bitget_exchange, coinbase_exchange
from marketsentry.simexchange.accounts import Permission
from verbs import in_home, ms


@pytest.fixture
async def exchange():
    async with coinbase_exchange() as running:
        yield running


def keys_of(exchange, key=None):
    key = key or exchange.key
    return {"COINBASE_API_KEY": key.key, "COINBASE_API_SECRET": key.secret.replace("\n", "\\n")}


async def check(tmp_path, *words, **variables):
    """Run `ms check`; give exit code, document and stderr."""
    done = await asyncio.to_thread(ms, in_home(tmp_path, **variables), "check", *words)
    return done.returncode, json.loads(done.stdout) if done.stdout.strip() else None, done.stderr


async def test_without_keys_only_the_public_door_is_tried(tmp_path, exchange):
    words = ("live", "--venue", "coinbase", "--base-url", exchange.url)
    code, found, _ = await check(tmp_path, *words)
    assert (code, found["status"], found["reason"]) == (0, "skipped", "missing_credentials")
    assert (found["public_api_ok"], found["public_http_status"]) == (True, 200)
    assert found["required_env"] == ["COINBASE_API_KEY", "COINBASE_API_SECRET"]
    code, _, _ = await check(tmp_path, *words, "--require-creds")
    assert code == 2


async def test_with_keys_the_account_is_read_and_nothing_is_sent(tmp_path, exchange):
    words = ("live", "--base-url", exchange.url, "--json")
    code, found, _ = await check(tmp_path, *words, **keys_of(exchange))
    assert (code, found["status"], found["credentials_present"]) == (0, "ok", True)
    assert [one["passed"] for one in found["checks"]] == [True] * 4
    assert exchange.truth()["orders"] == []


async def test_one_small_order_is_placed_seen_and_cancelled(tmp_path, exchange):
    words = ("live", "--base-url", exchange.url, "--small-order", "--yes")
    code, found, _ = await check(tmp_path, *words, **keys_of(exchange))
    assert (code, found["status"]) == (0, "ok")
    (order,) = exchange.truth()["orders"]
    assert (order["status"], float(order["filled"])) == ("cancelled", 0.0)


async def test_a_key_that_may_withdraw_fails(tmp_path, exchange):
    key = exchange.add_key("demo", (Permission.VIEW, Permission.TRADE, Permission.TRANSFER))
    words = ("live", "--base-url", exchange.url, "--small-order", "--yes")
    code, found, told = await check(tmp_path, *words, **keys_of(exchange, key))
    assert (code, found["status"]) == (3, "failed")
    assert "key_can_withdraw" in found["note"]
    assert "FAIL  the key cannot withdraw" in told
    assert exchange.truth()["orders"] == []
    assert not any(line and line in f"{found}{told}" for line in key.secret.splitlines())


async def test_bitget_is_checked_too(tmp_path):
    async with bitget_exchange() as exchange:
        key = exchange.key
        code, found, _ = await check(
            tmp_path,
            "live",
            "--venue",
            "bitget",
            "--base-url",
            exchange.url,
            BITGET_API_KEY=key.key,
            BITGET_API_SECRET=key.secret,
            BITGET_API_PASSPHRASE=key.passphrase,
        )
    assert (code, found["status"]) == (0, "ok")


async def test_a_venue_of_ones_own_is_tried_after_asking(tmp_path, exchange):
    key = exchange.key
    path = tmp_path / "my_venue.py"
    path.write_text(
        "from marketsentry.adapters.venues.venue_access import VenueAccess\n"
        "from marketsentry.adapters.venues.coinbase_live import CoinbaseLive\n"
        "async def opened():\n"
        f"    return CoinbaseLive(VenueAccess({exchange.url!r}, {key.key!r}, {key.secret!r}))\n"
    )
    code, _, told = await check(tmp_path, "venue", f"{path}:opened")
    assert code != 0
    assert "This sends small real orders" in told
    code, found, _ = await check(tmp_path, "venue", f"{path}:opened", "--yes", "--json")
    assert (code, found["passed"], found["subject"]) == (0, True, "coinbase_live")
    code, _, told = await check(tmp_path, "venue", str(path), "--yes")
    assert (code, "must define make_venue()" in told) == (2, True)
