"""Our orders are, byte for byte of their JSON, those that the published vectors of ccxt say the venues expect."""

import json
from decimal import Decimal
from urllib.parse import urlsplit

import pytest

from marketsentry.adapters.venues.bitget_live import open_bitget
from marketsentry.adapters.venues.bitget_perpetual import Contracts
from marketsentry.adapters.venues.coinbase_live import order_body
from marketsentry.adapters.venues.venue_access import VenueAccess
from marketsentry.core.market.symbols import Market
from marketsentry.core.orders.order import LegKind, Side, TimeInForce
from marketsentry.core.orders.product import Product
from marketsentry.core.orders.terms import MarginMode
from marketsentry.ports.venue import LegRequest

pytestmark = pytest.mark.realdata


def asked(vector, **changes):
    """The unified call of a vector as our request."""
    symbol, _, side, qty, price, *params = vector["input"]
    force = TimeInForce((params[0] if params else {}).get("timeInForce", "GTC"))
    given = {
        "client_order_id": "ms-1-l",
        "symbol": symbol,
        "side": Side(side),
        "kind": LegKind.LIMIT,
        "qty": Decimal(str(qty)),
        "limit_price": Decimal(str(price)),
        "time_in_force": force,
    }
    return LegRequest(**{**given, **changes})


def product(vector, venue_symbol, market=Market.SPOT):
    base, quote = vector["input"][0].partition(":")[0].split("/")
    return Product(vector["input"][0], venue_symbol, base, quote, market)


def vectors(realdata, venue):
    text = (realdata.parent / "fixtures" / venue / "ccxt_request_vectors.json").read_text(encoding="utf-8")
    return {one["description"]: one for one in json.loads(text)["methods"]["createOrder"]}


@pytest.mark.parametrize(
    ("description", "kind", "venue_symbol"),
    [
        ("create limit IOC order", LegKind.LIMIT, "DOGE-USDT"),
        ("create limit IOC order", LegKind.MARKET, "DOGE-USDT"),  # a market leg is the same order: bounded
        ("create preview/test order", LegKind.LIMIT, "DOGE-USDT"),
    ],
)
def test_orders_of_coinbase(realdata, description, kind, venue_symbol):
    vector = vectors(realdata, "coinbase")[description]
    ours = order_body(asked(vector, kind=kind), product(vector, venue_symbol))
    theirs = json.loads(vector["output"])
    assert ours.pop("client_order_id") == "ms-1-l"
    theirs.pop("client_order_id", None)
    assert ours == theirs
    assert urlsplit(vector["url"]).path.startswith("/api/v3/brokerage/orders")


@pytest.mark.parametrize(
    ("description", "market", "contracts", "closes", "differs"),
    [
        ("Spot limit buy", Market.SPOT, None, False, {}),
        ("Swap oneWayMode limit buy order", Market.PERP, Contracts(MarginMode.ISOLATED), False, {}),
        (
            "Swap limit sell order with postOnly and reduceOnly",
            Market.PERP,
            Contracts(),
            True,
            {"force": ("GTC", "post_only")},  # the one difference: we do not post only
        ),
    ],
)
def test_orders_of_bitget(realdata, description, market, contracts, closes, differs):
    vector = vectors(realdata, "bitget")[description]
    venue = open_bitget(VenueAccess("https://api.bitget.com"), market, contracts)
    request = asked(vector, is_reduce_only=closes)
    ours = venue.order_body(request, product(vector, "BTCUSDT", market))
    assert ours.pop("clientOid") == "ms-1-l"
    assert ours.pop("stpMode") == "cancel_maker"  # not in the vectors
    assert {name: (ours[name], vector["output"][name]) for name in differs} == differs
    rest = {name: value for name, value in vector["output"].items() if name not in differs}
    assert {name: value for name, value in ours.items() if name not in differs} == rest


def test_no_number_goes_through_a_float(realdata):
    vector = vectors(realdata, "coinbase")["create limit IOC order"]
    request = asked(vector, qty=Decimal("0.12345678901234567890"), limit_price=Decimal("1E-7"))
    terms = order_body(request, product(vector, "DOGE-USDT"))["order_configuration"]["sor_limit_ioc"]
    assert terms == {"base_size": "0.1234567890123456789", "limit_price": "0.0000001"}
