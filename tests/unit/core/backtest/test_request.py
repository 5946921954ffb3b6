import pytest

from marketsentry.core.backtest.request import DAY_NS, BacktestRequest, market_named, request_from, span_of
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.symbols import Market
from marketsentry.exceptions import InputError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"track": "equity"}, "track"),
        ({"lookback_days": 13}, "lookback_days"),
        ({"lookback_days": 731}, "lookback_days"),
        ({"train_days": 6}, "train_days"),
        ({"test_days": 0}, "test_days"),
        ({"fee_bps": -1.0}, "fee_bps"),
        ({"fee_bps": float("nan")}, "fee_bps"),
        ({"slippage_bps": 1001.0}, "slippage_bps"),
        ({"data_version": ""}, "data_version"),
        ({"lookback_days": 40, "train_days": 35, "test_days": 7}, r"train_days \+ test_days"),
        ({"targets": ("BTC", "BTC")}, "once each"),
    ],
)
def test_a_request_out_of_range_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        BacktestRequest(**{"track": "liquid", **changes})


def test_liquid_targets_are_upper_case_and_vc_targets_keep_theirs():
    assert BacktestRequest("liquid").with_targets(("btc", "Eth")).targets == ("BTC", "ETH")
    assert BacktestRequest("vc").with_targets(("OpenAI",)).targets == ("OpenAI",)


def test_a_request_reads_back_from_a_stored_configuration():
    request = BacktestRequest("liquid", ("BTC",), "1h", "panel", "v1", fee_bps=7.5)
    stored = {**request.document(), "window": {"end_ns": 1}, "replay_of": 3}
    assert request_from(stored) == request


def test_the_window_ends_at_the_newest_snapshot():
    span = span_of(
        BacktestRequest("liquid", lookback_days=60, train_days=20), parse_interval("1h"), 100 * DAY_NS
    )
    assert (span.start_ns, span.traded_from_ns, span.end_ns) == (40 * DAY_NS, 60 * DAY_NS, 100 * DAY_NS)


def test_bars_that_do_not_divide_a_day_are_refused():
    with pytest.raises(InputError, match="divide a day"):
        span_of(BacktestRequest("liquid"), parse_interval("7h"), 100 * DAY_NS)


def test_an_asset_means_its_contract_on_the_market_of_perpetuals():
    request = BacktestRequest("liquid", market=Market.PERP, leverage=3.0)
    assert request.with_targets(("btc", "ETH-PERP", "BTC-PERP")).targets == ("BTC-PERP", "ETH-PERP")
    assert request.document()["market"] == "perp"
    assert request_from(request.document()) == request
    before = {key: value for key, value in request.document().items() if key not in ("market", "leverage")}
    assert request_from(before).market is Market.SPOT
    with pytest.raises(InputError, match="must not be perpetuals, was BTC-PERP"):
        BacktestRequest("liquid").with_targets(("BTC-PERP",))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"leverage": 2.0}, r"leverage must be in 1\.\.1 on spot, was 2"),
        ({"market": Market.PERP, "leverage": 101.0}, r"leverage must be in 1\.\.100 on perp, was 101"),
        ({"market": Market.PERP, "leverage": float("nan")}, "leverage must be"),
        ({"track": "vc", "market": Market.PERP}, "market must be spot for track vc"),
    ],
)
def test_leverage_belongs_to_perpetuals(changes, words):
    with pytest.raises(InputError, match=words):
        BacktestRequest(**{"track": "liquid", **changes})


def test_markets_are_named_in_full_or_short():
    assert [market_named(one) for one in ("spot", "perp", "Perpetual")] == [
        Market.SPOT,
        Market.PERP,
        Market.PERP,
    ]
    with pytest.raises(InputError, match="market must be one of spot, perp, perpetual, was 'futures'"):
        market_named("futures")
