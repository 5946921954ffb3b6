"""The conformance kit for policies: what replay, sweep and live trading rely on, tried on views and on a market.

Views are drawn widely, so that rare states occur. The market is given; its predictions are replayed at the defaults
and at both ends of every parameter.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.params import ReplayParams, params_for
from marketsentry.core.backtest.policy import UserPolicy, View
from marketsentry.core.backtest.replay import ReplayResult, make_groups, make_market, make_state, replay
from marketsentry.core.backtest.sweep import sweep
from marketsentry.core.backtest.tape import fills_of
from marketsentry.core.conformance import ConformanceCheck, ConformanceReport, attempt, require, same_bits
from marketsentry.core.market.bars import BarPanel
from marketsentry.kernels import account as acc
from marketsentry.kernels import replay as kernel
from marketsentry.kernels.records import Market
from marketsentry.kernels.tape import FILL_FIELDS

HORIZON_BARS = 12
N_VIEWS = 1_000
N_CUTS = 3
_ROUNDING = 1e-12

Floats = NDArray[np.float64]
Progress = Callable[[str, float], None]


def check_policy(
    policy: UserPolicy,
    panel: BarPanel,
    predictions: Floats,
    *,
    rng: np.random.Generator,
    on_progress: Progress = lambda step, share: None,
) -> ConformanceReport:
    """Try every promise of a policy.

    Parameters
    ----------
    policy
        Compiled.
    panel
        Bars of some targets, with holes.
    predictions
        Shape (T, N). Some of them NaN.
    rng
        Draws views and other futures.
    on_progress
        Told the check and the done share 0..1.

    Returns
    -------
    ConformanceReport
        Checks `answers`, `pure`, `parameters`, `trades`, `no_look_ahead`, `one_bar`, `limits`, `silence`, `sweep`.
    """
    trial = _Trial(policy, panel, predictions, tuple(_draw_views(rng)), tuple(_settings(policy)), rng)
    kit: tuple[tuple[str, Callable[[], str]], ...] = (
        ("answers", trial.answers),
        ("pure", trial.pure),
        ("parameters", trial.parameters),
        ("trades", trial.trades),
        ("no_look_ahead", trial.no_look_ahead),
        ("one_bar", trial.one_bar),
        ("limits", trial.limits),
        ("silence", trial.silence),
        ("sweep", trial.sweep),
    )
    checks: list[ConformanceCheck] = []
    for k, (name, check) in enumerate(kit):
        on_progress(name, k / len(kit))
        checks.append(attempt(name, check))
    return ConformanceReport(policy.name, tuple(checks))


def replay_bar_by_bar(
    predictions: Floats, panel: BarPanel, params: ReplayParams, policy: UserPolicy
) -> tuple[Floats, Floats, Floats, Floats]:
    """Replay one bar per call on a market that ends with that bar, as live trading does.

    Parameters
    ----------
    predictions
        Shape (T, N).
    panel
        Bars they belong to.
    params
        Of the replay.
    policy
        Decides.

    Returns
    -------
    tuple of four ndarrays
        Equity (T,), held weights (T, N), the fill tape, and the weights decided at each close (T, N).
    """
    whole = make_market(predictions, panel, None)
    n_bars, n_targets = predictions.shape
    rules = params.rules(with_confidence=False, policy=policy.bind(params.policy))
    groups = make_groups(None, None, params, n_targets)
    state = make_state(params, n_targets, n_groups=max(caps.size for caps in groups[1::2]))
    equity, weights, decided = np.empty(n_bars), np.empty(predictions.shape), np.empty(predictions.shape)
    tape, n_fills = np.empty((predictions.size, FILL_FIELDS)), 0
    for t in range(n_bars):
        stop = t + 1
        seen = Market(whole.ts_ns[:stop], whole.values[:stop], whole.predictions[:stop], whole.confidence)
        _, n_fills = kernel.run(t, seen, rules, groups, state, tape, n_fills, equity, weights)
        decided[t] = state.book[:, acc.WEIGHT]
    return equity, weights, tape[:n_fills], decided


@dataclass(frozen=True, slots=True)
class _Trial:
    policy: UserPolicy
    panel: BarPanel
    predictions: Floats
    views: tuple[View, ...]
    settings: tuple[dict[str, float], ...]  # the defaults first
    rng: np.random.Generator

    def answers(self) -> str:
        """Finite wherever the volatility is known; beyond 1 is clipped by rule and only told."""
        known = np.array([view.volatility > 0.0 for view in self.views])
        n_lost = n_beyond = 0
        for values in self.settings:
            given = self._ask(self.views, values)
            lost = ~np.isfinite(given)
            if (lost & known).any():
                first = int(np.flatnonzero(lost & known)[0])
                require(False, f"answered {given[first]} to {self.views[first]} with {values}")
            n_lost += int(lost.sum())
            n_beyond += int((np.abs(given[~lost]) > 1.0).sum())
        n_all = len(self.settings) * len(self.views)
        return (
            f"{n_all:,} answers; {n_beyond:,} beyond 1 are clipped, {n_lost:,} not finite while the volatility is "
            "unknown open nothing"
        )

    def pure(self) -> str:
        """The same view and parameters give the same answer, in whatever order they are asked."""
        for values in self.settings:
            forth = self._ask(self.views, values)
            back = self._ask(self.views[::-1], values)[::-1]
            differing = np.flatnonzero(forth.view(np.int64) != np.ascontiguousarray(back).view(np.int64))
            if differing.size:
                first = int(differing[0])
                require(False, f"answered {forth[first]}, then {back[first]} to {self.views[first]}")
        return f"{len(self.settings) * len(self.views):,} answers twice, in two orders"

    def parameters(self) -> str:
        """Every declared parameter changes some answer between its ends."""
        for one in self.policy.params:
            ends = [self._ask(self.views, {**self.settings[0], one.name: end}) for end in (one.low, one.high)]
            require(
                one.low == one.high or not same_bits(*ends),
                f"{one.name} changes no answer of {len(self.views):,} between {one.low:g} and {one.high:g}",
            )
        return ", ".join(one.name for one in self.policy.params) or "none declared"

    def trades(self) -> str:
        """Something is opened: on a policy that never trades the other checks would prove nothing."""
        counts = [self._replay(values).fills.size for values in self.settings]
        require(max(counts) > 0, f"no setting of {len(counts)} opened a position on the trial market")
        return f"{counts[0]:,} fills at the defaults, {min(counts):,} to {max(counts):,} at the ends"

    def no_look_ahead(self) -> str:
        """With another future from some bar on, nothing before it moves."""
        before = self._replay(self.settings[0])
        n_bars = self.panel.n_bars
        cuts = sorted(int(cut) for cut in self.rng.integers(n_bars // 4, n_bars - 1, N_CUTS))
        for cut in cuts:
            panel, predictions = self._other_future(cut)
            after = replay(predictions, panel, self._params(self.settings[0]), policy=self.policy)
            for name in ("equity", "weights"):
                one, other = getattr(before, name)[:cut], getattr(after, name)[:cut]
                require(
                    same_bits(one, other), f"{name} before bar {cut} moved when only the bars from it on did"
                )
            past = [result.fills[result.fills["bar"] < cut].tobytes() for result in (before, after)]
            require(past[0] == past[1], f"fills before bar {cut} moved when only the bars from it on did")
        return f"{len(cuts)} other futures, from bars {', '.join(map(str, cuts))} on"

    def one_bar(self) -> str:
        """One bar per call, on a market that ends there, gives what the loop over all bars gives."""
        for values in self.settings:
            whole = self._replay(values)
            equity, weights, tape, _ = self._bar_by_bar(values)
            agree = same_bits(whole.equity, equity) and same_bits(whole.weights, weights)
            agree = agree and whole.fills.tobytes() == fills_of(tape).tobytes()
            require(agree, f"a call per bar and the loop over bars differ with {values}")
        return f"{self.panel.n_bars:,} calls equal one loop bit for bit, {len(self.settings)} times"

    def limits(self) -> str:
        """Decided weights stay within every limit, at the ends of all parameters too."""
        largest = 0.0
        for values in self.settings:
            params = self._params(values)
            decided = np.abs(self._bar_by_bar(values)[3])
            for what, found, cap in (
                ("single weight", decided.max(), params.max_single_weight),
                ("gross exposure", decided.sum(axis=1).max(), params.max_gross_exposure),
            ):
                require(
                    bool(found <= cap * (1 + _ROUNDING)),
                    f"{what} must be <= {cap}, was {found} with {values}",
                )
            largest = max(largest, float(decided.max()))
        return f"largest weight decided {largest:.3g}, limit {params.max_single_weight:g}"

    def silence(self) -> str:
        """Without predictions nothing is opened, and what is open is closed."""
        params = self._params(self.settings[0])
        none = replay(np.full_like(self.predictions, np.nan), self.panel, params, policy=self.policy)
        require(none.fills.size == 0, f"{none.fills.size} fills without any prediction")
        cut = self.panel.n_bars // 2
        ending = self.predictions.copy()
        ending[cut:] = np.nan
        result = replay(ending, self.panel, params, policy=self.policy)
        kept_until = (
            cut + params.prediction_ttl_bars + params.latency_bars
        )  # till then orders may go on filling
        held = np.zeros(len(self.panel.symbols))
        for fill in result.fills:
            before = held[fill["symbol"]]
            after = before + fill["side"] * fill["qty"]
            held[fill["symbol"]] = after
            require(
                bool(fill["bar"] < kept_until or abs(after) <= abs(before)),
                f"a position grew from {before} to {after} after the time to live of the last prediction",
            )
        require(not result.weights[-1].any(), "a position is still open long after the last prediction")
        return f"no fill without predictions; all closed after the last one, at bar {cut}"

    def sweep(self) -> str:
        """A sweep gives every setting what its own replay gives."""
        sets = [self._params(values) for values in self.settings]
        rows = sweep(self.predictions, self.panel, sets, n_threads=1, policy=self.policy)
        for row, values in zip(rows, self.settings, strict=True):
            result = self._replay(values)
            pnl = float(result.equity[-1] / result.params.capital_quote - 1.0)
            require(
                math.isclose(row["pnl_after_cost"], pnl, rel_tol=_ROUNDING, abs_tol=_ROUNDING)
                and row["trades"] == result.trades.size,
                f"the sweep gives {row['pnl_after_cost']}, the replay {pnl} with {values}",
            )
        return f"{len(sets)} settings"

    def _ask(self, views: tuple[View, ...], values: dict[str, float]) -> Floats:
        return np.array([self.policy.ask(view, values) for view in views])

    def _params(self, values: dict[str, float]) -> ReplayParams:
        return params_for(self.panel.interval, HORIZON_BARS, policy=values)

    def _replay(self, values: dict[str, float]) -> ReplayResult:
        return replay(self.predictions, self.panel, self._params(values), policy=self.policy)

    def _bar_by_bar(self, values: dict[str, float]) -> tuple[Floats, Floats, Floats, Floats]:
        return replay_bar_by_bar(self.predictions, self.panel, self._params(values), self.policy)

    def _other_future(self, cut: int) -> tuple[BarPanel, Floats]:
        """Scale prices, volumes and predictions from bar `cut` on by factors of their own."""
        values, predictions = self.panel.values.copy(), self.predictions.copy()
        n_rest = self.panel.n_bars - cut
        values[cut:, :, :4] *= np.exp(self.rng.normal(0.0, 0.02, (n_rest, len(self.panel.symbols), 1)))
        values[cut:, :, 4] *= self.rng.lognormal(0.0, 1.0, (n_rest, len(self.panel.symbols)))
        predictions[cut:] *= self.rng.normal(0.0, 2.0, predictions[cut:].shape)
        panel = BarPanel(
            self.panel.symbols,
            self.panel.interval,
            self.panel.sources,
            self.panel.ts_ns,
            values,
            self.panel.state,
        )
        return panel, predictions


def _settings(policy: UserPolicy) -> Iterator[dict[str, float]]:
    """The defaults, then each parameter at either end."""
    yield policy.values()
    for one in policy.params:
        for end in {one.low, one.high} - {one.default}:
            yield policy.values({one.name: end})


def _draw_views(rng: np.random.Generator) -> Iterator[View]:
    """Draw states widely, with the exact zeros that occur: flat, no gain, no drawdown, volatility unknown."""
    choices = itertools.product((False, True), repeat=3)
    for is_flat, is_calm, is_known in itertools.islice(itertools.cycle(choices), N_VIEWS):
        volatility = float(rng.lognormal(-5.0, 1.5)) if is_known or rng.random() < 0.5 else 0.0
        yield View(
            prediction=float(rng.choice([0.0, 1e-4, 1e-3, 1e-2, 0.1]) * rng.normal()),
            confidence=float(rng.choice([1.0, rng.random()])),
            volatility=volatility,
            horizon_volatility=volatility * math.sqrt(HORIZON_BARS),
            weight=0.0 if is_flat else float(rng.uniform(-1.0, 1.0)),
            held_bars=0.0 if is_flat else float(np.ceil(rng.lognormal(3.0, 2.0))),
            gain_frac=0.0 if is_flat else float(rng.choice([0.001, 0.01, 0.1, 0.5]) * rng.uniform(-1.0, 1.0)),
            drawdown_frac=0.0 if is_calm else float(rng.choice([0.01, 0.1, 1.0]) * rng.random()),
            round_trip_cost_bps=float(rng.choice([0.0, 16.0, 60.0])),
        )
