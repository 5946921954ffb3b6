"""What Bitget writes of fills and products: fees in other coins, reaches of limits, markets that only close."""

from decimal import Decimal

import pytest

from marketsentry.adapters.venues.bitget_wire import read_contract, read_fill, read_spot_product
from marketsentry.ports.venue import OutcomeUnknownError

SPOT = {
    "symbol": "BTCUSDT",
    "orderId": "12345678910",
    "tradeId": "12345678911",
    "side": "buy",
    "priceAvg": "13000",
    "size": "0.0007",
    "tradeScope": "taker",
    "cTime": "1695865232579",
}
CONTRACT = {
    "symbol": "BTCUSDT",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "buyLimitPriceRatio": "0.05",
    "sellLimitPriceRatio": "0.02",
    "priceEndStep": "1",
    "pricePlace": "1",
    "sizeMultiplier": "0.01",
    "symbolStatus": "normal",
}


def detail(coin, whole, *, deduction="no", deducted=""):
    return {"deduction": deduction, "feeCoin": coin, "totalDeductionFee": deducted, "totalFee": whole}


@pytest.mark.parametrize(
    ("told", "fee", "coin"),
    [
        (detail("BTC", "-0.0000007"), "0.0000007", "BTC"),
        (detail("USDT", "0.001"), "-0.001", "USDT"),  # a rebate
        (detail("BGB", "-0.0000007", deduction="yes", deducted="-0.0041"), "0.0041", "BGB"),
        (detail("BGB", "-0.0041", deduction="yes", deducted="-0.0041"), "0.0041", "BGB"),
        (detail("USDT", "-0.06", deduction="yes", deducted="0"), "0.06", "USDT"),
        ([detail("USDT", "-0.02"), detail("USDT", "-0.01")], "0.03", "USDT"),
        (
            [detail("BGB", "-0.004", deduction="yes", deducted="-0.004"), detail("BTC", "-0.00001")],
            "0.00001",
            "BTC",
        ),
        ([detail("BTC", "0"), detail("BGB", "-0.004", deduction="yes")], "0.004", "BGB"),
        ([], "0", ""),
        (None, "0", ""),
    ],
)
def test_a_fee_is_what_was_taken_in_the_coin_that_it_was_taken_of(told, fee, coin):
    fill = read_fill({**SPOT, "feeDetail": told}, "BTC").fill
    assert (fill.fee, fill.fee_currency) == (Decimal(fee), coin)


@pytest.mark.parametrize("told", ["BTC", [1], {"feeCoin": "BTC", "totalFee": "lots"}])
def test_a_fee_that_cannot_be_read_is_not_guessed(told):
    with pytest.raises(OutcomeUnknownError):
        read_fill({**SPOT, "feeDetail": told}, "BTC")


def test_a_fill_of_nothing_is_none():
    assert read_fill({**SPOT, "size": "0"}, "BTC") is None


@pytest.mark.parametrize(
    ("status", "opens", "closes"),
    [("normal", True, True), ("limit_open", False, True), ("maintain", False, False), ("off", False, False)],
)
def test_where_nothing_may_be_opened_positions_can_still_be_closed(status, opens, closes):
    product = read_contract({**CONTRACT, "symbolStatus": status})
    assert (product.takes(is_reduce_only=False), product.takes(is_reduce_only=True)) == (opens, closes)


def test_the_reach_of_a_limit_is_the_shorter_of_both_sides():
    assert read_contract(CONTRACT).reach_frac == Decimal("0.02")
    spot = {
        "symbol": "BTCUSDT",
        "baseCoin": "BTC",
        "quoteCoin": "USDT",
        "pricePrecision": "2",
        "quantityPrecision": "6",
        "status": "online",
    }
    assert read_spot_product(spot).reach_frac is None
    assert read_spot_product(
        {**spot, "buyLimitPriceRatio": "0.05", "sellLimitPriceRatio": "0"}
    ).reach_frac == Decimal("0.05")
