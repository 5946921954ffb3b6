import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.core.market.bars import CLOSE, HIGH, LOW, OPEN, VOLUME
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.synthetic import HOUR_NS, SyntheticParams, make_market
from marketsentry.core.market.synthetic_news import NEWS_TYPES
from marketsentry.exceptions import InputError

M5 = parse_interval("5m")
SYMBOLS = ("BTC", "ETH", "SOL")
N_180_DAYS = 51_840


@pytest.fixture(scope="module")
def market():
    return make_market(seed=11, symbols=SYMBOLS, interval=M5, n_bars=N_180_DAYS)


@pytest.fixture(scope="module")
def dull_market():
    return make_market(seed=11, symbols=SYMBOLS, interval=M5, n_bars=N_180_DAYS, signal_strength=0.0)


def log_returns(series):
    return np.diff(np.log(series.values[:, CLOSE]))


def forward(series, horizon):
    log_close = np.log(series.values[:, CLOSE])
    return log_close[horizon:] - log_close[:-horizon]


def driver_ic(market, horizon):
    """Pooled correlation of the planted driver, known at the close of bar t, with the return from there."""
    known, ahead = [], []
    for n, series in enumerate(market.series):
        target = forward(series, horizon)
        known.append(market.driver[1 : 1 + target.size, n] / market.driver[:, n].std())
        ahead.append(target / target.std())
    return np.corrcoef(np.concatenate(known), np.concatenate(ahead))[0, 1]


@given(
    seed=st.integers(0, 2**40),
    interval=st.sampled_from(["1m", "5m", "15m", "1h", "1d"]),
    n_bars=st.integers(1, 400),
    strength=st.sampled_from([0.0, 1.0, 10.0]),
)
@settings(deadline=None, max_examples=60)
def test_every_bar_is_valid(seed, interval, n_bars, strength):
    made = make_market(
        seed=seed,
        symbols=("BTC", "WIF"),
        interval=parse_interval(interval),
        n_bars=n_bars,
        signal_strength=strength,
    )
    for series in made.series:
        values = series.values
        assert series.source == "synthetic"
        assert values.shape == (n_bars, 5)
        assert np.isfinite(values).all()
        assert (values > 0).all()
        assert (values[:, LOW] <= values[:, [OPEN, CLOSE]].min(axis=1)).all()
        assert (values[:, HIGH] >= values[:, [OPEN, CLOSE]].max(axis=1)).all()
        np.testing.assert_array_equal(values[1:, OPEN], values[:-1, CLOSE])


def test_equal_arguments_give_equal_bytes_and_another_seed_another_market():
    arguments = {"symbols": SYMBOLS, "interval": M5, "n_bars": 500}
    one, same, other = (make_market(seed=seed, **arguments) for seed in (3, 3, 4))
    for a, b, c in zip(one.series, same.series, other.series, strict=True):
        assert a.values.tobytes() == b.values.tobytes()
        assert not np.array_equal(a.values, c.values)
    assert one.events == same.events
    assert [f.rate.tobytes() for f in one.funding] == [f.rate.tobytes() for f in same.funding]


@given(n_bars=st.integers(1, 600), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_a_longer_market_begins_with_the_shorter_one(n_bars, seed):
    long = make_market(seed=seed, symbols=("ETH",), interval=M5, n_bars=900)
    short = make_market(seed=seed, symbols=("ETH",), interval=M5, n_bars=n_bars)
    np.testing.assert_array_equal(short.series[0].values, long.series[0].values[:n_bars])
    end = short.series[0].ts_ns[-1] + M5.ns
    assert [e.event_time_ns for e in short.events] == [
        e.event_time_ns for e in long.events if e.event_time_ns < end
    ]


def test_a_symbol_does_not_depend_on_its_neighbours():
    alone = make_market(seed=5, symbols=("SOL",), interval=M5, n_bars=300)
    together = make_market(seed=5, symbols=SYMBOLS, interval=M5, n_bars=300)
    np.testing.assert_array_equal(alone.series[0].values, together.series[2].values)


def test_a_bar_does_not_depend_on_later_events(market):
    """The drift after news starts no earlier than the first bar that opens when the news is known."""
    loud = make_market(
        seed=11,
        symbols=("BTC",),
        interval=M5,
        n_bars=2_000,
        params=SyntheticParams(momentum_per_root_h=0.0, reversal_per_root_h=0.0),
    )
    first_known = min(e.known_at_ns for e in loud.events if e.event_type != "market")
    ts_ns = loud.series[0].ts_ns
    assert (loud.driver[ts_ns < first_known, 0] == 0).all()
    assert (loud.driver[ts_ns >= first_known, 0] != 0).all()


def test_strength_zero_leaves_nothing_to_predict(dull_market):
    # 155,000 pooled bars; overlapping 1 h returns leave about 13,000 independent ones: standard error 0.009
    assert abs(driver_ic(dull_market, 1)) < 0.01
    assert abs(driver_ic(dull_market, 12)) < 0.035


def test_default_strength_plants_a_weak_driver(market):
    assert 0.01 < driver_ic(market, 1) < 0.06
    assert 0.05 < driver_ic(market, 12) < 0.20
    assert 0.08 < driver_ic(market, 48) < 0.30


def test_strength_scales_the_planted_part():
    ics = [
        driver_ic(
            make_market(seed=2, symbols=SYMBOLS, interval=M5, n_bars=20_000, signal_strength=strength), 12
        )
        for strength in (0.0, 1.0, 2.0)
    ]
    assert ics == sorted(ics)
    assert ics[2] > ics[0] + 0.15


def test_volatility_clusters_and_returns_do_not(dull_market):
    for series in dull_market.series:
        size = np.abs(log_returns(series))
        lagged = [np.corrcoef(size[:-lag], size[lag:])[0, 1] for lag in (1, 12, 144)]
        assert lagged[0] > 0.15
        assert lagged[1] > 0.10
        assert lagged[2] > 0.03
        returns = log_returns(series)
        assert abs(np.corrcoef(returns[:-1], returns[1:])[0, 1]) < 0.03


def test_tails_are_fat_and_volatility_is_that_of_crypto(market):
    for series in market.series:
        returns = log_returns(series)
        assert 0.3 < returns.std() * np.sqrt(M5.periods_per_year) < 1.6
        assert ((returns - returns.mean()) ** 4).mean() / returns.var() ** 2 > 6


def test_symbols_are_correlated_through_the_factor(market):
    correlation = np.corrcoef(np.column_stack([log_returns(s) for s in market.series]).T)
    off_diagonal = correlation[np.triu_indices(3, 1)]
    assert (off_diagonal > 0.35).all()
    assert (off_diagonal < 0.9).all()


def test_volume_follows_volatility_and_the_time_of_day(market):
    for series in market.series:
        log_volume = np.log(series.values[1:, VOLUME] * series.values[1:, CLOSE])
        assert np.corrcoef(log_volume, np.abs(log_returns(series)))[0, 1] > 0.3
        hour = series.ts_ns[1:] // HOUR_NS % 24
        assert log_volume[hour == 15].mean() > log_volume[hour == 3].mean() + 0.5


def test_ranges_fit_the_volatility_of_closes():
    """Parkinson's estimator from high and low agrees with the estimator from closes where nothing jumps."""
    smooth = SyntheticParams(common_jumps_per_day=(0, 0, 0), own_jumps_per_day=(0, 0, 0), shock_dof=200)
    market = make_market(
        seed=1, symbols=SYMBOLS, interval=M5, n_bars=50_000, signal_strength=0.0, params=smooth
    )
    for series in market.series:
        high_low = np.log(series.values[1:, HIGH] / series.values[1:, LOW])
        parkinson = np.sqrt(np.median(high_low) ** 2 / 2.4)  # the median range of a unit walk is about 1.55
        assert parkinson == pytest.approx(np.median(np.abs(log_returns(series))) / 0.6745, rel=0.1)


def test_all_regimes_occur_and_stress_is_the_wildest(market):
    sizes = [np.abs(log_returns(market.series[0]))[market.regime[1:] == k].mean() for k in range(3)]
    assert sizes == sorted(sizes)
    assert np.bincount(market.regime, minlength=3).min() > 100


def test_news_is_known_after_it_happened_and_has_every_type_and_tier(market):
    assert {e.event_type for e in market.events} == {kind.name for kind in NEWS_TYPES}
    assert {e.tier for e in market.events} == {1, 2, 3}
    assert {e.symbol for e in market.events} == set(SYMBOLS)
    for event in market.events:
        assert event.known_at_ns > event.event_time_ns
        assert event.symbol in event.title
        for fraction in (event.confidence, event.importance, event.novelty):
            assert 0 < fraction <= 1
    times = [e.event_time_ns for e in market.events]
    assert times == sorted(times)
    latency = {
        tier: np.median([e.known_at_ns - e.event_time_ns for e in market.events if e.tier == tier])
        for tier in (1, 2, 3)
    }
    assert latency[1] < latency[2] < latency[3]


def test_funding_comes_every_eight_hours_within_its_cap(market):
    for funding, symbol in zip(market.funding, SYMBOLS, strict=True):
        assert funding.symbol == f"{symbol}-PERP"
        assert (funding.ts_ns % (8 * HOUR_NS) == 0).all()
        assert (np.diff(funding.ts_ns) == 8 * HOUR_NS).all()
        assert np.abs(funding.rate).max() <= 7.5e-4
        assert funding.ts_ns.size == 539  # 180 days less the hour before any bar has closed


def test_funding_reads_no_later_bar():
    long = make_market(seed=8, symbols=("BTC",), interval=M5, n_bars=3_000).funding[0]
    short = make_market(seed=8, symbols=("BTC",), interval=M5, n_bars=1_111).funding[0]
    np.testing.assert_array_equal(short.rate, long.rate[: short.rate.size])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "seed must be >= 0, was -1"),
        ({"symbols": ()}, "symbols must be distinct"),
        ({"symbols": ("BTC", "BTC")}, "symbols must be distinct"),
        ({"n_bars": 0}, "n_bars must be >= 1, was 0"),
        ({"start_ns": 1}, "start_ns must be on the 5m grid, was 1"),
        ({"signal_strength": -0.1}, "signal_strength must be between 0 and 10, was -0.1"),
        ({"signal_strength": float("nan")}, "signal_strength must be between 0 and 10, was nan"),
        ({"interval": parse_interval("2d")}, "interval of a synthetic market must be at most 1d, was 2d"),
    ],
)
def test_bad_arguments_are_named(change, message):
    arguments = {"seed": 1, "symbols": ("BTC",), "interval": M5, "n_bars": 10}
    with pytest.raises(InputError, match=message):
        make_market(**(arguments | change))


def test_params_are_the_documented_constants():
    assert dataclasses.asdict(SyntheticParams())["momentum_half_life_h"] == 6.0
