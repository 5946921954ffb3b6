"""The known-truth check: does the evidence refuse noise, cover the truth, and find what is there?

`false_accept` is the share of searches through worthless models in which the best of them passed; `coverage` the share
of intervals that hold the planted IC; `power` the share of searches in which a forecaster of a planted drift passed.
Each is a count of independent runs with its exact binomial interval.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from marketsentry.core.evidence.resampling import Resampling
from marketsentry.core.evidence.skill import skill_row
from marketsentry.core.known_truth.planted import Planted, draw_planted, log_outcome
from marketsentry.core.known_truth.trials import SYMBOLS, Search, Searched, search_once
from marketsentry.core.stats.binomial import binomial_bounds, probability_at_least, probability_at_most
from marketsentry.core.stats.bootstrap import Bounds

LEVEL = 0.9  # of the intervals that are tried
MAX_FALSE_ACCEPT = 0.01
COVERAGE = Bounds(0.85, 0.95)
STRENGTHS = {"weak": 1.0, "strong": 1.5}  # at 2 the Sharpe ratio is beyond what the sanity review believes
SURPRISE = 1e-6  # with few runs a count fails only if it was less likely than this at the limit
PLANTED = (
    Planted(horizon_bars=4, edge=0.0, memory=0.9),
    Planted(horizon_bars=4, edge=0.03, memory=0.9),
    Planted(horizon_bars=4, edge=0.1, memory=0.9),
    Planted(horizon_bars=24, edge=0.0, memory=0.97),
    Planted(horizon_bars=24, edge=0.03, memory=0.97),
    Planted(horizon_bars=24, edge=0.06, memory=0.97, log_vol_deviation=0.0),
)

Progress = Callable[[str, float], None]
_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How often: searches through noise, searches per planted strength, markets per planted IC; and bars in each."""

    runs: int = 100
    power_runs: int = 30
    coverage_runs: int = 200
    n_models: int = 500
    n_bars: int = 8_760


QUICK = Sizes(runs=4, power_runs=4, coverage_runs=20, n_models=25, n_bars=4_380)


@dataclass(frozen=True, slots=True)
class Share:
    """`k` of `n` runs, with the interval that holds the true share with probability 0.95 at least."""

    k: int
    n: int

    @property
    def value(self) -> float:
        """The share that was counted."""
        return self.k / self.n

    def document(self) -> dict[str, Any]:
        """Give plain values for JSON."""
        bounds = binomial_bounds(self.k, self.n, level=0.95)
        return {"share": self.value, "k": self.k, "n": self.n, "low": bounds.low, "high": bounds.high}


@dataclass(frozen=True, slots=True)
class CoverageCell:
    """One planted market: its true IC, and how often the intervals of both parts of the history held it.

    `deviation` is that of the measured IC over the runs, `width` the mean width of the intervals, both of the folds.
    """

    planted: Planted
    n_bars: int
    truth: float
    walk_forward: Share
    final: Share
    mean_ic: float
    deviation: float
    width: float


@dataclass(frozen=True, slots=True)
class KnownTruth:
    """All that was counted."""

    sizes: Sizes
    seed: int
    noise: tuple[Searched, ...]
    informed: dict[str, tuple[Searched, ...]]
    coverage: tuple[CoverageCell, ...]

    @property
    def false_accept(self) -> Share:
        """How often the best worthless model passed."""
        return passes(self.noise)

    @property
    def covered(self) -> Share:
        """How often an interval held the truth, over all planted markets."""
        return Share(
            sum(cell.walk_forward.k for cell in self.coverage),
            sum(cell.walk_forward.n for cell in self.coverage),
        )

    @property
    def power(self) -> dict[str, Share]:
        """How often a forecaster passed, by strength."""
        return {name: passes(found) for name, found in self.informed.items()}


def passes(found: Sequence[Searched]) -> Share:
    """Count the verdicts `pass`."""
    return Share(sum(one.outcome == "pass" for one in found), len(found))


def check_known_truth(sizes: Sizes, *, seed: int, n_threads: int, on_progress: Progress) -> KnownTruth:
    """Run the check.

    Parameters
    ----------
    sizes
        How often and how long.
    seed
        Of everything that is drawn.
    n_threads
        Runs at once; changes no bit.
    on_progress
        Called with the part and its done share 0..1.

    Returns
    -------
    KnownTruth
    """
    search = Search(n_models=sizes.n_models, n_bars=sizes.n_bars)

    def searches(strength: float, n: int, name: str) -> tuple[Searched, ...]:
        return _in_turn(
            lambda k: search_once(search, strength=strength, seed=seed, repetition=k),
            range(n),
            n_threads,
            lambda share: on_progress(name, share),
        )

    cells = _in_turn(
        lambda task: _covers(PLANTED[task[0]], sizes.n_bars, seed, *task),
        [(cell, run) for cell in range(len(PLANTED)) for run in range(sizes.coverage_runs)],
        n_threads,
        lambda share: on_progress("coverage", share),
    )
    n = sizes.coverage_runs
    coverage = tuple(_cell(one, sizes.n_bars, cells[k * n : (k + 1) * n]) for k, one in enumerate(PLANTED))
    informed = {
        name: searches(strength, sizes.power_runs, f"{name} signal") for name, strength in STRENGTHS.items()
    }
    return KnownTruth(sizes, seed, searches(0.0, sizes.runs, "noise"), informed, coverage)


def failures(found: KnownTruth, *, is_quick: bool) -> tuple[str, ...]:
    """Hold the counts against their limits.

    Parameters
    ----------
    found
        What was counted.
    is_quick
        With few runs a share is mostly luck: then one fails only if the count had a probability below `SURPRISE`, were
        the truth at the limit.

    Returns
    -------
    tuple of str
        What is not as it must be; empty when all is.
    """
    noise, covered = found.false_accept, found.covered
    if is_quick:
        too_many = probability_at_least(noise.k, noise.n, MAX_FALSE_ACCEPT) < SURPRISE
        too_few = probability_at_most(covered.k, covered.n, COVERAGE.low) < SURPRISE
        too_sure = probability_at_least(covered.k, covered.n, COVERAGE.high) < SURPRISE
    else:
        too_many = not noise.value <= MAX_FALSE_ACCEPT
        too_few, too_sure = not covered.value >= COVERAGE.low, not covered.value <= COVERAGE.high
    told = (
        (too_many, f"false_accept must be <= {MAX_FALSE_ACCEPT}, was {noise.k} of {noise.n}"),
        (too_few, f"coverage must be >= {COVERAGE.low}, was {covered.k} of {covered.n}"),
        (too_sure, f"coverage must be <= {COVERAGE.high}, was {covered.k} of {covered.n}"),
    )
    return tuple(text for failed, text in told if failed)


@dataclass(frozen=True, slots=True)
class _Covered:
    walk_forward: bool
    final: bool
    ic: float
    width: float


def _covers(planted: Planted, n_bars: int, seed: int, cell: int, run: int) -> _Covered:
    """Draw one planted market and ask whether the pack's intervals of the folds and of the last block hold its IC."""
    rng = np.random.default_rng([seed, cell, run])
    said, close = draw_planted(planted, n_bars=n_bars, n_symbols=len(SYMBOLS), rng=rng)
    search, truth = Search(n_models=0, n_bars=n_bars), planted.population_ic()
    first, last = n_bars // (search.n_folds + 1), int(n_bars * 0.85)
    how = Resampling(run, at_least_bars=planted.horizon_bars, level=LEVEL)
    rows = [
        skill_row(name, said[span], log_outcome(close[span], planted.horizon_bars), how)
        for name, span in (("walk_forward", slice(first, last)), ("final", slice(last, n_bars)))
    ]
    held = [row.ic_bounds is not None and row.ic_bounds.low <= truth <= row.ic_bounds.high for row in rows]
    bounds, ic = rows[0].ic_bounds, rows[0].ic
    width = bounds.high - bounds.low if bounds is not None else np.nan
    return _Covered(held[0], held[1], np.nan if ic is None else ic, width)


def _cell(planted: Planted, n_bars: int, found: Sequence[_Covered]) -> CoverageCell:
    ics = np.array([one.ic for one in found])
    return CoverageCell(
        planted=planted,
        n_bars=n_bars,
        truth=planted.population_ic(),
        walk_forward=Share(sum(one.walk_forward for one in found), len(found)),
        final=Share(sum(one.final for one in found), len(found)),
        mean_ic=float(ics.mean()),
        deviation=float(ics.std(ddof=1)) if ics.size > 1 else 0.0,
        width=float(np.mean([one.width for one in found])),
    )


def _in_turn(
    work: Callable[[_Task], _Result],
    tasks: Iterable[_Task],
    n_threads: int,
    on_progress: Callable[[float], None],
) -> tuple[_Result, ...]:
    """Do tasks on some threads; the results stand in the order of the tasks."""
    listed, done = list(tasks), []
    with ThreadPoolExecutor(n_threads, thread_name_prefix="known-truth") as pool:
        for result in pool.map(work, listed):
            done.append(result)
            on_progress(len(done) / len(listed))
    return tuple(done)
