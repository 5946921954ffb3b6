"""Compile the kernels once: tests that run in several processes would each compile what none has kept yet.

A small piece of research calls them as the program does, so that the machine code is of the types that tests need.
"""

import numpy as np

from marketsentry.models.lightgbm_panel import LightGBMPanel
from marketsentry.models.protocol import ignore_progress
from marketsentry.research import build_features, synthetic_bars, walk_forward


def main() -> None:
    """Make a market, build features, judge a model by what it earned, explain a prediction."""
    dataset = build_features(synthetic_bars(symbols=("BTC", "ETH", "SOL"), days=80))
    walk_forward(dataset, horizon="4h", model_params={"n_trees": 12}, n_folds=3)
    rows = np.random.default_rng(0).normal(size=(200, 4))
    model = LightGBMPanel(n_trees=12)
    model.fit(rows, rows[:, 0], seed=0, n_threads=1, on_progress=ignore_progress)
    model.contributions(rows)


if __name__ == "__main__":
    main()
