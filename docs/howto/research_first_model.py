# %% [markdown]
# # A first model, from bars to a verdict
#
# This page trains a model on a synthetic market whose edge is known, judges it as `ms train` does, trades its
# out-of-sample predictions, and repeats all of it on a market in which there is nothing to find. Then it makes the same
# training count: in a data directory, as a registered version with its evidence and a stored backtest.
#
#     python docs/howto/research_first_model.py [OUT]
#
# Cells are separated by `# %%`: most editors run them one by one, and so does a notebook.

# %%
import sys
from pathlib import Path

from marketsentry import research

out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("research")
SYMBOLS = ("BTC", "ETH")
HORIZON = "4h"
MODEL = {"n_trees": 40}  # small, so that this page is quick; the default is larger

# %% [markdown]
# ## 1. Bars and features
#
# Bars pass the data-quality gate first; a symbol with too many holes is kept out and told. A feature of row `t` uses
# nothing that was not known at the close of bar `t`. Labels are gross returns over 1h, 4h, 1d and 7d, NaN where the
# future is not there yet.

# %%
bars = research.synthetic_bars(seed=7, symbols=SYMBOLS, interval="1h", days=150, signal_strength=1.0)
dataset = research.build_features(bars)
print(
    f"n_bars={dataset.panel.n_bars} n_features={len(dataset.features.names)} labels={','.join(dataset.labels)}"
)

# %% [markdown]
# ## 2. Walk forward
#
# Every fold is fitted on the past alone, without the bars whose label reaches into the test. Then it is judged: leak
# test, costs, baselines, intervals. The last block is touched once, at the end.

# %%
walked = research.walk_forward(dataset, horizon=HORIZON, model_params=MODEL, n_folds=5)
skill = walked.evidence.skill.walk_forward
assert skill.ic is not None
assert skill.ic_bounds is not None
print(f"ic={skill.ic:.4f} low={skill.ic_bounds.low:.4f} high={skill.ic_bounds.high:.4f}")
print(f"verdict={walked.verdict.outcome} reasons={','.join(walked.verdict.reasons) or 'none'}")

# %% [markdown]
# The verdict is for your eyes: this attempt was not counted. Section 5 makes one that is.
#
# ## 3. Trade the predictions
#
# The predictions are all out of sample, so the account may be believed as far as its assumptions go. Gross to net:

# %%
run = research.replay(
    walked.predictions, dataset, horizon=HORIZON, name="model", traded_from=walked.first_tested
)
costs = run.metrics["cost_breakdown"]
print(
    f"pnl={run.metrics['pnl_after_cost']:+.4f} sharpe={run.metrics['sharpe']:.2f} "
    f"drawdown={run.metrics['max_drawdown']:.4f} costs={sum(costs.values()):.4f} trades={run.metrics['trades']}"
)
research.plot(run).save(out / "first_model.html")

# %% [markdown]
# ## 4. The control
#
# The same steps on a market without any edge. A method that finds something here would be broken.

# %%
noise = research.build_features(
    research.synthetic_bars(seed=8, symbols=SYMBOLS, interval="1h", days=150, signal_strength=0.0)
)
control = research.walk_forward(noise, horizon=HORIZON, model_params=MODEL, n_folds=5)
nothing = control.evidence.skill.walk_forward
assert nothing.ic is not None
print(f"control_ic={nothing.ic:.4f} control_verdict={control.verdict.outcome}")

# %% [markdown]
# ## 5. Make it count
#
# A `Session` opens a data directory: engines start, and what follows is recorded as it is from the command line. The
# training is a trial of its track, the version can never change, the backtest can be replayed to the same hash.

# %%
with research.Session(out / "home") as desk:
    desk.synthesise(seed=7, symbols=SYMBOLS, interval="1h", days=150, signal_strength=1.0)
    trained = desk.train(
        SYMBOLS, interval="1h", horizon=HORIZON, name="first", version="v1", model_params=MODEL, n_folds=5
    )
    pack = desk.evidence("first:v1")
    stored = desk.backtest("first:v1", symbols=SYMBOLS)
    dear = desk.backtest("first:v1", symbols=SYMBOLS, fee_bps=20.0)
print(f"registered=first:v1 state={trained.state} trials={pack.trials.n_trials}")
print(f"stored_pnl={stored.metrics['pnl_after_cost']:+.4f} hash={stored.metrics['content_hash'][:12]}")

# %% [markdown]
# The stored market has news beside its bars, the one of section 1 has none: the figures differ as the inputs do.
#
# What do dearer fees do? A stored run is compared like any other.

# %%
(pair,) = research.compare(stored, dear).found.pairs
print(f"dear_less_stored={pair.test.excess.value:+.4f} p={pair.test.excess.p_value:.4f}")

# %% [markdown]
# Go on with `ms model evidence first:v1`, `ms backtest report`, and [compare-runs](compare-runs.md); or bring an idea
# of your own: `research_own_signal.py`.
