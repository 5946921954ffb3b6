"""The planted part of the synthetic market can be found by the built-in features and model, and only then."""

import numpy as np
import pytest

from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.backtest.replay import replay
from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.features.context import ContextInputs, known_funding
from marketsentry.core.features.matrix import compute_features
from marketsentry.core.market.bars import align_panel
from marketsentry.core.market.events import EVENT_TYPES, EventSeries
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.synthetic import make_market
from marketsentry.models.lightgbm_panel import LightGBMPanel

M5 = parse_interval("5m")
N_BARS = 51_840
HORIZON = 48
TRAIN_STOP = N_BARS * 2 // 3


def event_series(market, symbol):
    events = sorted((e for e in market.events if e.symbol == symbol), key=lambda e: e.known_at_ns)

    def column(name, dtype):
        return np.array([getattr(event, name) for event in events], dtype=dtype)

    return EventSeries(
        symbol,
        column("event_time_ns", np.int64),
        column("known_at_ns", np.int64),
        np.array([EVENT_TYPES.index(event.event_type) for event in events], dtype=np.int8),
        column("tier", np.int8),
        column("importance", np.float64),
        column("confidence", np.float64),
        column("novelty", np.float64),
    )


def edge_of(signal_strength):
    """Train on four months, trade two; returns the correlation and the return after all costs."""
    market = make_market(
        seed=7, symbols=("BTC", "ETH", "SOL"), interval=M5, n_bars=N_BARS, signal_strength=signal_strength
    )
    panel = align_panel(market.series)
    symbols = panel.symbols
    inputs = ContextInputs(
        funding={s: known_funding(f) for s, f in zip(symbols, market.funding, strict=True)},
        events={s: event_series(market, s) for s in symbols},
    )
    features = compute_features(BUILTIN, panel, inputs).values
    labels = panel.close[HORIZON:] / panel.close[:-HORIZON] - 1
    rows = slice(600, TRAIN_STOP - HORIZON)
    model = LightGBMPanel()
    train = features[rows].reshape(-1, features.shape[2])
    model.fit(train, labels[rows].reshape(-1), seed=0, n_threads=1, on_progress=lambda *_: None)
    unseen = features[TRAIN_STOP:]
    predictions = model.predict(unseen.reshape(-1, features.shape[2])).reshape(-1, len(symbols))
    known = predictions[: labels.shape[0] - TRAIN_STOP]
    correlation = np.corrcoef(known.ravel(), labels[TRAIN_STOP:].ravel())[0, 1]
    params = ReplayParams(
        periods_per_year=M5.periods_per_year, horizon_bars=HORIZON, fee_bps=5.0, half_spread_bps=3.0
    )
    result = replay(predictions, panel.window(TRAIN_STOP, N_BARS), params)
    return correlation, result.equity[-1] / params.capital_quote - 1


@pytest.mark.slow
def test_the_default_strength_pays_after_costs_and_none_does_not():
    correlation, net = edge_of(1.0)
    assert correlation > 0.05
    assert net > 0.02
    correlation, net = edge_of(0.0)
    assert abs(correlation) < 0.05
    assert net < 0
