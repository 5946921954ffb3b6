"""The venue as a process of its own, with its back door."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import ccxt
import pytest


def start(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "marketsentry.simexchange", "--seed", "7", "--tick-s", "0", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ask(url, body=None, headers=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers or {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


@pytest.fixture(scope="module")
def running():
    process = start("--venue", "bitget", "--until-stdin-closes")
    yield process, json.loads(process.stdout.readline())
    process.stdin.close()
    assert process.wait(timeout=20) == 0
    process.stdout.close()


def test_a_client_trades_with_the_address_and_key_it_is_told(running):
    _, told = running
    client = ccxt.bitget({**told["ccxt"], "enableRateLimit": False})
    placed = client.create_order("BTC/USDT", "limit", "buy", 0.1, 59_000)
    truth = ask(told["admin_url"] + "truth")
    assert [one["id"] for one in truth["orders"]] == [placed["id"]]
    ask(told["admin_url"] + "move", {"product": "BTC-USDT", "price": 58_000})
    assert ask(told["admin_url"] + "truth")["orders"][0]["status"] == "filled"
    ask(told["admin_url"] + "deposit", {"coin": "USDT", "amount": "5"})
    ask(told["admin_url"] + "halt", {"product": "BTC-USDT"})
    assert ask(told["admin_url"] + "truth")["halted"] == ["BTC-USDT"]
    ask(told["admin_url"] + "step", {"n": 3})
    assert ask(told["admin_url"] + "disconnect", {}) == {"n_cut": 0}
    other = ask(told["admin_url"] + "keys", {"owner": "else", "permissions": ["view"]})
    assert other["permissions"] == ["view"]


def test_faults_are_set_and_counted_from_outside(running):
    _, told = running
    rules = [{"fault": "server_error", "where": "GET */public/time", "times": 1}]
    assert ask(told["admin_url"] + "faults", {"rules": rules}) == {}
    client = ccxt.bitget({**told["ccxt"], "enableRateLimit": False})
    with pytest.raises(ccxt.ExchangeNotAvailable):
        client.fetch_time()
    client.fetch_time()
    assert ask(told["admin_url"] + "faults") == {"server_error": 1}
    assert ask(told["admin_url"] + "faults", {"clear": True}) == {"server_error": 1}


@pytest.mark.parametrize(
    ("headers", "status"), [({"Host": "evil.example"}, 403), ({"Origin": "http://127.0.0.1"}, 403)]
)
def test_the_back_door_is_for_loopback_only(running, headers, status):
    _, told = running
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(told["admin_url"] + "truth", headers=headers)
    refused.value.close()
    assert refused.value.code == status


def test_nonsense_at_the_back_door_is_refused(running):
    _, told = running
    for path, body in (("faults", {"rules": [{"fault": "magic"}]}), ("deposit", {}), ("magic", {})):
        with pytest.raises(urllib.error.HTTPError) as refused:
            ask(told["admin_url"] + path, body)
        refused.value.close()
        assert refused.value.code == 400


def test_the_process_ends_when_it_is_told_to():
    process = start("--venue", "coinbase", "--fault", '{"fault": "latency", "value": 0.1}')
    told = json.loads(process.stdout.readline())
    assert told["products"] == ["BTC-USD", "ETH-USD"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    process.stdin.close()
    process.stdout.close()


def test_it_has_the_past_and_the_money_that_it_is_given_and_writes_them_for_a_shell(tmp_path):
    written = tmp_path / "a desk" / "exchange.env"
    written.parent.mkdir()
    process = start("--past-hours", "2", "--balance", "USD=5", "--balance", "ETH=0.5", "--env", str(written))
    told = json.loads(process.stdout.readline())
    names = ("COINBASE_ADVANCED_TRADE_API", "COINBASE_API_KEY", "COINBASE_API_SECRET", "SIM_SINCE")
    shown = subprocess.run(
        ["bash", "-c", f'. "$0"; printf "%s\\0" {" ".join(f"${name}" for name in names)}', str(written)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    client = ccxt.coinbase({**told["ccxt"], "enableRateLimit": False})
    owned = client.fetch_balance()["total"]
    candles = client.fetch_ohlcv("BTC/USD", "5m", since=client.milliseconds() - 7_200_000, limit=30)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    process.stdin.close()
    process.stdout.close()
    assert {coin: owned[coin] for coin in ("USD", "ETH")} == {"USD": 5.0, "ETH": 0.5}
    assert 22 <= len(candles) <= 24
    assert candles[-1][4] == pytest.approx(60_000, rel=0.01)
    assert written.stat().st_mode & 0o077 == 0
    assert told["url"] in shown
    assert told["key"]["key"] in shown
