"""Chart indicators read off the features are the textbook ones."""

import numpy as np
import pytest

from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.features.context import ContextInputs
from marketsentry.core.features.indicators import NEEDED, indicators_of
from marketsentry.core.features.matrix import FeatureMatrix, compute_features
from marketsentry.core.features.schema import FeatureDef, FeatureSchema
from marketsentry.core.market.bars import align_panel
from small_market import random_series


def naive_ema(values, width):
    """Starts with the plain mean of the first `width` values."""
    mean = np.full(len(values), np.nan)
    mean[width - 1] = np.mean(values[:width])
    for t in range(width, len(values)):
        mean[t] = mean[t - 1] + (values[t] - mean[t - 1]) * 2.0 / (width + 1)
    return mean


def naive_rsi(close, width):
    change = np.diff(close)
    gain, loss = np.mean(np.maximum(change[:width], 0)), np.mean(np.maximum(-change[:width], 0))
    rsi = np.full(len(close), np.nan)
    for t in range(width, len(close)):
        if t > width:
            gain += (max(change[t - 1], 0.0) - gain) / width
            loss += (max(-change[t - 1], 0.0) - loss) / width
        rsi[t] = 100.0 - 100.0 / (1.0 + gain / loss)
    return rsi


def test_they_agree_with_the_definitions():
    panel = align_panel([random_series("BTC", seed=5)])
    found = indicators_of(panel, compute_features(BUILTIN, panel, ContextInputs()))
    assert found is not None
    close = panel.close[:, 0]
    for width, ma in ((7, found.ma_7), (30, found.ma_30)):
        expected = np.convolve(close, np.full(width, 1.0 / width))[: len(close)]
        assert np.isnan(ma[: width - 1, 0]).all()
        np.testing.assert_allclose(ma[width - 1 :, 0], expected[width - 1 :], rtol=1e-12)
    macd = naive_ema(close, 12) - naive_ema(close, 26)
    signal = np.concatenate([np.full(25, np.nan), naive_ema(macd[25:], 9)])
    for ours, expected, scale in (
        (found.rsi[:, 0], naive_rsi(close, 14), 100.0),
        (found.macd[:, 0], macd, close.mean()),
        (found.macd_signal[:, 0], signal, close.mean()),
    ):
        known = np.isfinite(ours)
        assert known.sum() > 400
        np.testing.assert_allclose(ours[known], expected[known], atol=1e-8 * scale)


def test_a_feature_set_without_them_has_no_indicators():
    panel = align_panel([random_series("BTC", seed=5, n_bars=10)])
    schema = FeatureSchema("v", tuple(FeatureDef(name, "d", "u", 0, "bars", "m") for name in NEEDED[:-1]))
    matrix = FeatureMatrix(panel.symbols, panel.interval, panel.ts_ns, np.ones((10, 1, 4)), schema)
    assert indicators_of(panel, matrix) is None


@pytest.mark.parametrize("name", NEEDED)
def test_the_builtin_set_has_what_they_need(name):
    assert name in BUILTIN.schema.names
