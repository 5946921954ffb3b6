"""What was certainly not done, and what may have been done, for every answer that a venue can give."""

import json
import socket
from decimal import Decimal
from types import SimpleNamespace

import aiohttp
import ccxt.async_support as ccxt
import pytest

from marketsentry.adapters.venues.bitget_wire import BitgetDialect
from marketsentry.adapters.venues.coinbase_live import CoinbaseDialect
from marketsentry.adapters.venues.outcomes import Exchange, judge
from marketsentry.ports.venue import OutcomeUnknownError, VenueRefusedError

UNKNOWN = "unknown"


def outcome(exchange, error=None, dialect=None):
    try:
        judge("venue", exchange, error, dialect or BitgetDialect())
    except OutcomeUnknownError:
        return UNKNOWN
    except VenueRefusedError as refused:
        return refused.code
    return "done"


def answered(status, text="", **headers):
    return Exchange(has_begun=True, status=status, headers=headers, text=text)


def bitget(code, status=200):
    return answered(status, json.dumps({"code": code, "msg": "m", "data": None}))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (bitget("00000"), "done"),
        (bitget("43012"), "venue_rejected:43012"),
        (bitget("43012", 400), "venue_rejected:43012"),
        (bitget("40786", 400), "venue_rejected:40786"),
        *((bitget(code, 400), UNKNOWN) for code in ("40010", "40015", "40200", "40725", "45001")),
        (bitget("40006", 401), "venue_http_401"),
        (bitget("40014", 403), "venue_http_403"),
        (answered(451, "<html>not here</html>"), "venue_http_451"),
        (answered(404, "nothing"), "venue_http_404"),
        (answered(400, "<html>"), "venue_http_400"),
        (answered(429, ""), "venue_http_429"),
        (answered(418, "{}"), "venue_http_418"),
        *(
            (answered(status, "<html>"), UNKNOWN)
            for status in (100, 301, 307, 408, 499, 500, 502, 503, 504, 520, 599)
        ),
        (bitget("43012", 500), UNKNOWN),
        *(
            (answered(200, text), UNKNOWN)
            for text in ("", "ok", "3", '{"code": "00000"', '{"code": NaN}', "[]", "{}")
        ),
    ],
)
def test_an_answer_of_bitget(seen, expected):
    assert outcome(seen) == expected


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"success": True, "success_response": {}, "error_response": {"error": "x"}}, 200, "done"),
        ({"success": False, "error_response": {"error": "INSUFFICIENT_FUND"}}, 200, "INSUFFICIENT_FUND"),
        (
            {
                "success": False,
                "failure_reason": "UNKNOWN_FAILURE_REASON",
                "error_response": {
                    "error": "UNKNOWN_FAILURE_REASON",
                    "preview_failure_reason": "PREVIEW_INVALID_LIMIT_PRICE",
                },
            },
            200,
            "PREVIEW_INVALID_LIMIT_PRICE",
        ),
        ({"success": False, "failure_reason": "UNKNOWN_FAILURE_REASON"}, 200, UNKNOWN),
        ({"success": False, "error_response": None}, 200, UNKNOWN),
        ({"error": "INVALID_ARGUMENT", "message": "m"}, 400, "INVALID_ARGUMENT"),
        ({"error": "INTERNAL", "message": "m"}, 400, UNKNOWN),
        ({"error": "CANCELED", "message": "context canceled"}, 400, UNKNOWN),
        ({"error": "UNAVAILABLE", "message": "m"}, 400, UNKNOWN),
        ({"errors": [{"id": "invalid_request"}]}, 400, "invalid_request"),
        ({"error": "unknown", "message": "order with this orderID was not found"}, 404, None),
    ],
)
def test_an_answer_of_coinbase(body, status, expected):
    expected = "venue_http_404" if expected is None else expected
    plain = (UNKNOWN, "done", "venue_http_404")
    wanted = expected if expected in plain else f"venue_rejected:{expected}"
    assert outcome(answered(status, json.dumps(body)), dialect=CoinbaseDialect()) == wanted


def raised_from(cause):
    error = ccxt.ExchangeNotAvailable("venue GET /")
    error.__cause__ = cause
    return error


KEY = SimpleNamespace(host="h", port=1, ssl=True, is_ssl=True)


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (aiohttp.ClientConnectorError(KEY, OSError(111, "refused")), "venue_error:not_connected"),
        (aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "unknown")), "venue_error:not_connected"),
        (aiohttp.ConnectionTimeoutError(), "venue_error:not_connected"),
        (socket.gaierror(-2, "unknown"), "venue_error:not_connected"),
        (aiohttp.ServerDisconnectedError(), UNKNOWN),
        (aiohttp.ClientOSError(104, "reset"), UNKNOWN),
        (aiohttp.SocketTimeoutError(), UNKNOWN),
        (aiohttp.ClientPayloadError("cut"), UNKNOWN),
        (TimeoutError(), UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_no_answer(cause, expected):
    assert outcome(Exchange(has_begun=True), raised_from(cause)) == expected


def test_what_could_not_be_signed_was_not_sent_and_is_not_told():
    with pytest.raises(VenueRefusedError, match="not_signed") as refused:
        judge("venue", Exchange(), ValueError("MIGHAgEAMBMGByq"), CoinbaseDialect())
    assert "MIGH" not in str(refused.value)


@pytest.mark.parametrize(
    ("told", "wait"),
    [("2.5", 2.5), ("-1", 0.0), ("Wed, 21 Oct", None), (None, None), ("inf", None), ("nan", None)],
)
def test_the_wait_that_the_venue_asks_for(told, wait):
    headers = {} if told is None else {"retry-after": told}
    with pytest.raises(VenueRefusedError) as refused:
        judge("venue", answered(429, **headers), None, BitgetDialect())
    assert refused.value.retry_after_s == wait


def test_fractions_stay_exact():
    body = judge("venue", answered(200, '{"code": "00000", "fee": 0.1}'), None, BitgetDialect())
    assert body["fee"] == Decimal("0.1")
