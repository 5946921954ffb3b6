"""Signatures against the client that makes them and against published vectors."""

import base64
import json

import ccxt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.simexchange import p256
from marketsentry.simexchange.signatures import (
    Unauthorised,
    bitget_signature,
    check_bitget_time,
    make_key_pair,
    token_key,
    verify_token,
)

KEY = "organizations/o/apiKeys/k"
PAIR = make_key_pair(7)
NOW_S = 1_750_000_000
URI = "GET 127.0.0.1:80/api/v3/brokerage/accounts"


def signed(pair=PAIR, *, key=KEY, at_s=NOW_S, url="127.0.0.1:80/api/v3/brokerage/accounts", method="GET"):
    return ccxt.coinbase({"apiKey": key, "secret": pair.pem}).create_auth_token(at_s, method, url)


def verify(token, *, now_s=NOW_S, uris=(URI,), key=KEY, public=PAIR.public):
    verify_token(token, key, public, now_s=now_s, uris=uris)


def test_a_token_of_the_real_client_is_accepted_while_it_is_valid():
    token = signed()
    assert token_key(token) == KEY
    for now_s in (NOW_S, NOW_S + 120):
        verify(token, now_s=now_s)


@pytest.mark.parametrize(
    "changed",
    [
        {"now_s": NOW_S - 60},
        {"now_s": NOW_S + 130},
        {"uris": ("POST 127.0.0.1:80/api/v3/brokerage/accounts",)},
        {"uris": ("GET 127.0.0.1:80/api/v3/brokerage/orders",)},
        {"uris": ("GET other:80/api/v3/brokerage/accounts",)},
        {"key": "organizations/o/apiKeys/other"},
        {"public": make_key_pair(8).public},
    ],
)
def test_a_token_for_something_else_is_refused(changed):
    with pytest.raises(Unauthorised):
        verify(signed(), **changed)


def test_a_token_that_lives_longer_than_two_minutes_is_refused():
    header, claims, signature = signed().split(".")
    longer = json.loads(base64.urlsafe_b64decode(claims + "=="))
    longer["exp"] += 1
    forged = base64.urlsafe_b64encode(json.dumps(longer).encode()).decode().rstrip("=")
    with pytest.raises(Unauthorised):
        verify(f"{header}.{forged}.{signature}")


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_changed_byte_of_a_token_is_refused(data):
    token = signed()
    place = data.draw(st.integers(0, len(token) - 2))
    other = data.draw(st.sampled_from("ABCDEFGHabcdefgh0123456789-_"))
    if token[place] == other or place in (token.rfind("."), token.find(".")):
        return
    with pytest.raises(Unauthorised):
        verify(token[:place] + other + token[place + 1 :])


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c", "!.!.!", "e30.e30.e30"])
def test_what_is_no_token_is_refused(token):
    with pytest.raises(Unauthorised):
        verify(token)


# RFC 6979, A.2.5: P-256 with SHA-256.
SECRET = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
PUBLIC = (
    0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6,
    0x7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299,
)
VECTORS = {
    b"sample": (
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
    ),
    b"test": (
        "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367"
        "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083"
    ),
}


def test_the_curve_gives_the_published_key():
    assert p256.public_key(SECRET) == PUBLIC
    assert p256.public_of_pem(p256.private_pem(SECRET)) == PUBLIC


@pytest.mark.parametrize("message", VECTORS)
def test_published_signatures_are_accepted_and_others_are_not(message):
    signature = bytes.fromhex(VECTORS[message])
    assert p256.is_signed(message, signature, PUBLIC)
    assert not p256.is_signed(message + b"!", signature, PUBLIC)
    assert not p256.is_signed(message, bytes(64), PUBLIC)
    assert not p256.is_signed(message, signature, (PUBLIC[0], PUBLIC[1] + 1))


def test_a_signature_of_the_real_bitget_client_is_the_same():
    client = ccxt.bitget({"apiKey": "k", "secret": "s", "password": "p"})
    client.nonce = lambda: 1_700_000_000_000
    params = {"symbol": "BTCUSDT", "orderId": "1"}
    sent = client.sign("v2/spot/trade/orderInfo", ["private", "spot"], "GET", params)
    target = "/api/v2/spot/trade/orderInfo?orderId=1&symbol=BTCUSDT"
    assert sent["headers"]["ACCESS-SIGN"] == bitget_signature("s", "1700000000000", "GET", target, "")
    posted = client.sign("v2/spot/trade/cancel-order", ["private", "spot"], "POST", params)
    expected = bitget_signature(
        "s", "1700000000000", "POST", "/api/v2/spot/trade/cancel-order", posted["body"]
    )
    assert posted["headers"]["ACCESS-SIGN"] == expected


def test_a_bitget_request_is_good_for_thirty_seconds_either_way():
    for skew_s in (-30, 0, 30):
        check_bitget_time(NOW_S + skew_s, NOW_S)
    for skew_s in (-31, 31):
        with pytest.raises(Unauthorised):
            check_bitget_time(NOW_S + skew_s, NOW_S)
