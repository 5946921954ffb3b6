"""One repetition of the search for a model in a market whose truth is known, judged by the product's own verdict.

The market is `make_market` with a known strength of its predictable part. Many models that know nothing are replayed
over the walk-forward folds; each is a trial. At strength 0 the best of them by Sharpe ratio is shown as a candidate:
whatever the verdict lets through is false. At other strengths a forecaster that sees the planted drift through noise is
shown, and the others are the trials before it: what the verdict lets through is right.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.params import ReplayParams, params_for
from marketsentry.core.backtest.sweep import sweep
from marketsentry.core.dataset import Dataset, make_labels
from marketsentry.core.evidence.trials import TrialHistory
from marketsentry.core.features.context import ContextInputs
from marketsentry.core.features.matrix import compute_features
from marketsentry.core.features.schema import FeatureDef, FeatureSchema
from marketsentry.core.gates.candidate import CandidateLimits
from marketsentry.core.gates.verdict import GateVerdict
from marketsentry.core.known_truth.planted import draw_noise
from marketsentry.core.market.bars import CLOSE, BarPanel, align_panel
from marketsentry.core.market.interval import Interval, parse_interval
from marketsentry.core.market.synthetic import SyntheticMarket, SyntheticParams, make_market
from marketsentry.core.splits.walk_forward import WalkForward, walk_forward
from marketsentry.core.training.judgement import Fitted, Judgement, judge_training
from marketsentry.kernels.synthetic import ar1

Floats = NDArray[np.float64]

SYMBOLS = ("BTC", "ETH", "SOL")
HOUR = parse_interval("1h")
HORIZON = "4h"
FINAL_FRAC = 0.15
EMBARGO_BARS = 12
SEEN = 0.5  # correlation of the forecaster's view with the drift that was planted


@dataclass(frozen=True, slots=True)
class Search:
    """What a repetition is: so many bars of an interval, so many worthless models."""

    n_models: int
    n_bars: int = 8_760
    interval: Interval = HOUR
    n_folds: int = 5

    @property
    def horizon_bars(self) -> int:
        """Bars in the horizon."""
        return parse_interval(HORIZON).ns // self.interval.ns


@dataclass(frozen=True, slots=True)
class Searched:
    """What came of it: the verdict on what was shown, and how it stood among the trials."""

    outcome: str
    reasons: tuple[str, ...]
    ic: float | None
    sharpe: float | None
    expected_maximum: float
    deflated_sharpe: float | None


def search_once(search: Search, *, strength: float, seed: int, repetition: int) -> Searched:
    """Draw a market, try the models, judge what is shown.

    Parameters
    ----------
    search
        The sizes.
    strength
        Of the predictable part; 0 shows the best worthless model.
    seed
        Of the whole check.
    repetition
        Which one; every one has a market and models of its own.

    Returns
    -------
    Searched
        The same arguments give the same result.
    """
    root = np.random.SeedSequence([seed, repetition, round(1_000 * strength)])
    market_seed, *noise_seeds = root.spawn(search.n_models + 2)
    market = make_market(
        seed=int(market_seed.generate_state(1)[0]),
        symbols=SYMBOLS,
        interval=search.interval,
        n_bars=search.n_bars,
        signal_strength=strength,
    )
    panel = align_panel(market.series)
    plan = _plan(search)
    params = params_for(search.interval, search.horizon_bars)
    ratios = _replay_noise(search, noise_seeds[:-1], panel, plan, params)
    if strength == 0.0:
        best = int(np.nanargmax(np.where(np.isfinite(ratios), ratios, -np.inf)))
        shown, others = _noise(search, noise_seeds[best]), np.delete(ratios, best)
    else:
        shown = _forecast(market, search, strength, np.random.default_rng(noise_seeds[-1]))
        others = ratios
    judged = _judge(search, panel, plan, params, shown, others, seed=int(market_seed.generate_state(1)[0]))
    return _searched(judged.verdict, judged)


def _plan(search: Search) -> WalkForward:
    return walk_forward(
        search.n_bars,
        n_folds=search.n_folds,
        horizon_bars=search.horizon_bars,
        embargo_bars=EMBARGO_BARS,
        final_bars=int(search.n_bars * FINAL_FRAC),
    )


def _noise(search: Search, seed: np.random.SeedSequence) -> Floats:
    per_hour = HOUR.ns / search.interval.ns
    return draw_noise(
        n_bars=search.n_bars,
        n_symbols=len(SYMBOLS),
        bars_per_hour=per_hour,
        rng=np.random.default_rng(seed),
    )


def _replay_noise(
    search: Search,
    seeds: list[np.random.SeedSequence],
    panel: BarPanel,
    plan: WalkForward,
    params: ReplayParams,
) -> Floats:
    """Sharpe ratio of every worthless model over the folds, NaN where it never traded."""
    tested = slice(plan.folds[0].test.start, plan.folds[-1].test.stop)
    part = panel.window(tested.start, tested.stop)
    rows = [sweep(_noise(search, seed)[tested], part, (params,), n_threads=1) for seed in seeds]
    return np.array([row["sharpe"][0] for row in rows])


def _forecast(market: SyntheticMarket, search: Search, strength: float, rng: np.random.Generator) -> Floats:
    """Say what is expected of the drift by one who sees it with correlation `SEEN`: it shrinks what it sees.

    The drift of the next bar is known at the close, and on average it fades with the memory of the momentum.
    """
    hours = search.interval.ns / HOUR.ns
    memory = 0.5 ** (hours / SyntheticParams().momentum_half_life_h)
    ahead = sum(memory**k for k in range(search.horizon_bars))
    drift = strength * ahead * np.concatenate((market.driver[1:], np.zeros((1, len(SYMBOLS)))))
    blur = [ar1(rng.standard_normal(search.n_bars), memory) for _ in SYMBOLS]
    seen = SEEN * drift + math.sqrt(1.0 - SEEN**2) * drift.std(axis=0) * np.stack(blur, axis=1)
    forecast: Floats = SEEN * seen
    return forecast


def _judge(
    search: Search,
    panel: BarPanel,
    plan: WalkForward,
    params: ReplayParams,
    shown: Floats,
    others: Floats,
    *,
    seed: int,
) -> Judgement:
    """Give the verdict of a training whose models said `shown`, with the others as the trials before it."""
    assert plan.final is not None
    inputs, labels = ContextInputs(), make_labels(panel)
    features = compute_features(LAST_RETURN, panel, inputs)
    parts = {"code": "known_truth", "feature_schema": LAST_RETURN.schema.hash}
    dataset = Dataset(panel, features, labels, inputs, parts, "known_truth", "known_truth")
    folds = (*plan.folds, plan.final)
    fitted = Fitted(
        predictions=tuple(np.ascontiguousarray(shown[fold.test]) for fold in folds),
        kfold_predictions=(),
        train_rows=(0,) * len(folds),
        train_mse=0.0,
        permutation=(),
        gain=None,
    )
    return judge_training(
        dataset,
        fitted,
        horizon=HORIZON,
        plan=plan,
        kfold=(),
        feature_set=LAST_RETURN,
        replay_params=params,
        limits=CandidateLimits(),
        history=TrialHistory(others.size, tuple(others[np.isfinite(others)].tolist())),
        recipe_hash="known_truth",
        seed=seed,
    )


def _searched(verdict: GateVerdict, judged: Judgement) -> Searched:
    trials = judged.pack.trials
    return Searched(
        outcome=str(verdict.outcome),
        reasons=verdict.reasons,
        ic=judged.metrics["ic"],
        sharpe=trials.sharpe,
        expected_maximum=trials.expected_maximum,
        deflated_sharpe=trials.deflated_sharpe,
    )


class _LastReturn:
    """The smallest sound feature set, for the leak test and the ridge; the models here look at no feature."""

    schema = FeatureSchema(
        "known-truth-1",
        (FeatureDef("last_return", "log return of the bar", "fraction", 1, "bars", "first bar"),),
    )

    def new_state(self, n_symbols: int, /) -> Floats:
        """The last close of each symbol, zero before the first."""
        return np.zeros((n_symbols, 1))

    def step(self, state: Floats, bar: Floats, ts_ns: int, context: Floats, out: Floats, /) -> None:
        """Advance one bar."""
        close, last = bar[:, CLOSE], state[:, 0]
        known = (last > 0.0) & (close > 0.0)
        out[:, 0] = np.nan
        np.log(np.divide(close, last, out=np.ones_like(close), where=known), out=out[:, 0], where=known)
        state[:, 0] = np.where(close > 0.0, close, 0.0)

    def batch(
        self, state: Floats, bars: Floats, ts_ns: NDArray[np.int64], context: Floats, out: Floats, /
    ) -> None:
        """Give for every bar what the steps would, bit for bit."""
        closes = np.concatenate((state[:, 0][None], bars[:, :, CLOSE]))
        closes[~(closes > 0.0)] = 0.0
        last, close = closes[:-1], closes[1:]
        known = (last > 0.0) & (close > 0.0)
        out[:, :, 0] = np.nan
        np.log(np.divide(close, last, out=np.ones_like(close), where=known), out=out[:, :, 0], where=known)
        state[:, 0] = closes[-1]


LAST_RETURN = _LastReturn()
