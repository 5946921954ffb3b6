# %% [markdown]
# # A signal of your own, from idea to honest doubt
#
# You have an idea that is a formula, not a trained model. This page takes it through the same replay that trades
# registered models: what it earns after costs, whether a variant of it is really better, and whether its best
# setting is a plateau or a lucky peak. Nothing is stored and no database is needed.
#
# Run it as it is, for a synthetic market, or with a folder of recorded bars:
#
#     python docs/howto/research_own_signal.py [BARS] [OUT]
#
# Files are recognised by their names as `ms data import` does, such as `binance_spot_1h/BTCUSDT.parquet`.

# %%
import sys
from pathlib import Path

import numpy as np

from marketsentry import research

source = Path(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1] != "-" else None
out = Path(sys.argv[2]) if len(sys.argv) > 2 else Path("research")

# %% [markdown]
# ## 1. Bars
#
# `panel` has all symbols on one grid of time: `close` is (bars, symbols). A bar that is lost is NaN and is never filled
# with an invented price.

# %%
if source is None:
    bars = research.synthetic_bars(
        seed=7, symbols=("BTC", "ETH", "SOL"), interval="1h", days=240, signal_strength=1.0
    )
else:
    bars = research.load_bars(source, symbols=("BTC", "ETH", "SOL"), interval="1h")
panel = bars.panel
close = panel.close
print(f"n_bars={panel.n_bars} symbols={','.join(panel.symbols)}")


# %% [markdown]
# ## 2. The signal, as a forecast
#
# A replay trades *expected returns*: what the price should do over the horizon, as a fraction. A z-score is none, so
# it has to be scaled, and the scale must come from the past alone. Here: the move of the last hours against its usual
# size, times the slope that a regression on everything known by then would have found. Whether moves go on or come
# back is in the sign of the slope.
#
# The rule that keeps it honest: row `t` may use closes up to `t`, and outcomes that were complete at `t`. It is filled
# no earlier than the open of bar `t + 1`.


# %%
def z_score(close, lookback):
    """Return of the last bars over what such a return usually is, both known at the close of each bar."""
    log_price = np.log(close)
    moved = np.full(close.shape, np.nan)
    moved[lookback:] = log_price[lookback:] - log_price[:-lookback]
    usual = np.full(close.shape, np.nan)
    for t in range(lookback + 240, close.shape[0]):
        usual[t] = moved[t - 240 : t].std(axis=0)
    return moved / usual


def forecast(close, lookback, horizon_bars):
    """Scale the z-score to an expected return by a slope fitted on outcomes that were known by then."""
    z = z_score(close, lookback)
    outcome = np.full(close.shape, np.nan)
    outcome[:-horizon_bars] = close[horizon_bars:] / close[:-horizon_bars] - 1.0
    known = np.isfinite(z) & np.isfinite(outcome)
    product = np.cumsum(np.where(known, z * outcome, 0.0).sum(axis=1))
    square = np.cumsum(np.where(known, z * z, 0.0).sum(axis=1))
    slope = np.full(close.shape[0], np.nan)
    warm = 60 * 24  # bars before the first forecast
    slope[warm:] = (product / np.maximum(square, 1e-12))[warm - horizon_bars : -horizon_bars]
    return slope[:, None] * z


fast = forecast(close, lookback=6, horizon_bars=4)
slow = forecast(close, lookback=48, horizon_bars=4)

# %% [markdown]
# Prove the rule before you believe a figure: change the future, and nothing before it may move.

# %%
cut = panel.n_bars - 500
changed = close.copy()
changed[cut:] *= np.linspace(1.0, 3.0, 500)[:, None]
moved = ~np.isclose(forecast(changed, 6, 4)[:cut], fast[:cut], rtol=0, atol=0, equal_nan=True)
print(f"look_ahead={int(moved.sum())}")

# %% [markdown]
# ## 3. Replay
#
# The first 60 days only warmed the slope up, so they do not count. Every parameter has a default (fee 5 bps,
# half-spread 3 bps, square-root impact, volatility sizing, the risk limits that trading obeys); name what you change.

# %%
start = 60 * 24
costs = {"fee_bps": 1.0, "half_spread_bps": 0.5, "cost_multiple": 0.5}
run_fast = research.replay(fast, bars, horizon="4h", name="fast", traded_from=start, **costs)
run_slow = research.replay(slow, bars, horizon="4h", name="slow", traded_from=start, **costs)
run_dear = research.replay(fast, bars, horizon="4h", name="fast at 5 bps", traded_from=start, fee_bps=5.0)
for run in (run_fast, run_slow, run_dear):
    m = run.metrics
    print(
        f"{run.name}: ic={m['ic']:.4f} pnl={m['pnl_after_cost']:+.4f} drawdown={m['max_drawdown']:.4f} "
        f"trades={m['trades']}"
    )
research.plot(run_fast, run_slow, run_dear).save(out / "own_signal.html")

# %% [markdown]
# In a notebook, `research.plot(run_fast, run_slow)` as the last line of a cell shows the curves there.
#
# ## 4. Is fast really better than slow?
#
# Two curves always differ. The comparison draws the same blocks of bars from both accounts, two thousand times: an
# interval that holds zero, or a p value above 0.05, says that the difference may be luck.

# %%
found = research.compare(run_slow, run_fast)
(pair,) = found.found.pairs
excess = pair.test.excess
assert excess.value is not None
assert excess.bounds is not None
print(
    f"fast_less_slow={excess.value:+.4f} low={excess.bounds.low:+.4f} high={excess.bounds.high:+.4f} "
    f"p={excess.p_value:.4f}"
)
found.save(out / "compare.html")

# %% [markdown]
# ## 5. Is its setting a plateau?
#
# A good idea works around its best setting too. The sweep replays every combination and looks at the neighbours of the
# best: a peak that stands alone was found by luck, more likely than not.

# %%
searched = research.sweep(
    fast,
    bars,
    {"entry_edge_bps": [0.0, 2.0, 5.0, 10.0], "prediction_ttl_bars": [1, 2, 4], "fee_bps": [1.0]},
    horizon="4h",
    traded_from=start,
    half_spread_bps=0.5,
    cost_multiple=0.5,
)
assert searched.plateau is not None
print(
    f"settings={len(searched.rows)} shape={searched.plateau.shape} share={searched.plateau.neighbour_share}"
)
searched.save(out / "sweep.html")

# %% [markdown]
# ## 6. What this does not show
#
# You have now looked at the same history many times, and nothing counted it. A figure that survives this page is a
# reason to write the idea down as a feature ([write-features](write-features.md)) and to train with it: then every
# attempt is counted, the score is deflated by their number, and an untouched last block has the final word. See
# `research_first_model.py`.
