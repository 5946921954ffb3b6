"""TA-Lib as oracle, where it has the indicator."""

import numpy as np
import pytest
import talib

from feature_markets import panel_of, random_bars
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.features.context import ContextInputs
from marketsentry.core.features.matrix import FeatureMatrix, compute_features


@pytest.fixture(scope="module")
def bars() -> np.ndarray:
    return random_bars(np.random.default_rng(31), 3_000, 1)


@pytest.fixture(scope="module")
def features(bars: np.ndarray) -> FeatureMatrix:
    return compute_features(BUILTIN, panel_of(bars), ContextInputs())


def agree(value: np.ndarray, oracle: np.ndarray, warmup: int, *, rel: float = 1e-9) -> None:
    assert np.isnan(value[:warmup]).all()
    assert value[warmup:] == pytest.approx(oracle[warmup:], rel=rel, abs=1e-12)


@pytest.mark.parametrize("w", [7, 30, 96])
def test_means(w: int, bars: np.ndarray, features: FeatureMatrix):
    close = bars[:, 0, 3].copy()
    agree(features.column(f"ma_dist_{w}")[:, 0], close / talib.SMA(close, w) - 1, w - 1)


@pytest.mark.parametrize(("w", "warmup"), [(12, 140), (26, 300)])
def test_exponential_means(w: int, warmup: int, bars: np.ndarray, features: FeatureMatrix):
    close = bars[:, 0, 3].copy()
    agree(features.column(f"ema_dist_{w}")[:, 0], close / talib.EMA(close, w) - 1, warmup)


def test_rsi(bars: np.ndarray, features: FeatureMatrix):
    close = bars[:, 0, 3].copy()
    agree(50 * (1 + features.column("rsi_14")[:, 0]), talib.RSI(close, 14), 300)


def test_macd(bars: np.ndarray, features: FeatureMatrix):
    close = bars[:, 0, 3].copy()
    line, signal, hist = talib.MACD(close, 12, 26, 9)
    for name, oracle, warmup in (("line", line, 300), ("signal", signal, 330), ("hist", hist, 330)):
        value = features.column(f"macd_{name}")[:, 0] * close
        assert np.isnan(value[:warmup]).all()
        # the two averages start at another bar than ours; what is left of that is below 1e-9 of the price
        assert value[warmup:] == pytest.approx(oracle[warmup:], abs=1e-9 * close.max())


def test_average_true_range(bars: np.ndarray, features: FeatureMatrix):
    high, low, close = (bars[:, 0, k].copy() for k in (1, 2, 3))
    agree(features.column("atr_14")[:, 0] * close, talib.ATR(high, low, close, 14), 300)


def test_bollinger(bars: np.ndarray, features: FeatureMatrix):
    close = bars[:, 0, 3].copy()
    upper, middle, lower = talib.BBANDS(close, 20, 2, 2)
    moved = upper > lower * (1 + 1e-9)
    position = features.column("bollinger_20")[:, 0]
    # TA-Lib's variance is a running difference of squares: good to about 1e-7 here
    assert position[moved] == pytest.approx(
        (close - middle)[moved] / ((upper - lower) / 2)[moved], rel=1e-6, abs=1e-7
    )
    agree(features.column("bollinger_width_20")[:, 0], (upper - lower) / middle, 19, rel=1e-6)


@pytest.mark.parametrize("w", [12, 48, 96, 288])
def test_standard_deviation(w: int, bars: np.ndarray, features: FeatureMatrix):
    close = bars[:, 0, 3].copy()
    log_return = np.diff(np.log(close), prepend=np.log(close[0]))
    agree(features.column(f"vol_{w}")[:, 0], talib.STDDEV(log_return, w, 1), w, rel=1e-8)


@pytest.mark.parametrize("k", [1, 3, 6, 12, 24, 48, 96, 288])
def test_rate_of_change(k: int, bars: np.ndarray, features: FeatureMatrix):
    agree(features.column(f"ret_{k}")[:, 0], talib.ROCP(bars[:, 0, 3].copy(), k), k)


@pytest.mark.parametrize("w", [24, 96])
def test_channels(w: int, bars: np.ndarray, features: FeatureMatrix):
    high, low, close = (bars[:, 0, k].copy() for k in (1, 2, 3))
    top, bottom = talib.MAX(high, w), talib.MIN(low, w)
    agree(features.column(f"donchian_{w}")[:, 0], (2 * close - top - bottom) / (top - bottom), w - 1)
