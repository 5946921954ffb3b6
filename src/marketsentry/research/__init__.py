"""The research door: the product's core for notebooks and scripts.

Bars become features, features become out-of-sample predictions, predictions become an account, accounts are compared.
Everything here calls what the command line calls; nothing is computed a second way. Only a `Session` has a record:
without one nothing is stored and no attempt is counted as a trial, so such figures are for exploring, not evidence.

>>> import numpy as np
>>> from marketsentry import research
>>> bars = research.synthetic_bars(symbols=("BTC", "ETH"), days=30)
>>> trend = np.full(bars.panel.close.shape, np.nan)
>>> trend[24:] = 0.2 * (bars.panel.close[24:] / bars.panel.close[:-24] - 1.0)
>>> free = research.replay(trend, bars, horizon="4h", name="free", fee_bps=0.0, half_spread_bps=0.0)
>>> dear = research.replay(trend, bars, horizon="4h", name="dear", fee_bps=20.0)
>>> research.compare(free, dear).found.differences["replay.fee_bps"]
[0.0, 20.0]
"""

from marketsentry.research.backtest import Backtest, replay
from marketsentry.research.bars import load_bars, synthetic_bars
from marketsentry.research.drawing import Drawing, plot
from marketsentry.research.search import compare, sweep
from marketsentry.research.session import Session
from marketsentry.research.walk import build_features, walk_forward

__all__ = [
    "Backtest",
    "Drawing",
    "Session",
    "build_features",
    "compare",
    "load_bars",
    "plot",
    "replay",
    "sweep",
    "synthetic_bars",
    "walk_forward",
]
