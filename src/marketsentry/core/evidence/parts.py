"""Parts of an evidence pack: what was earned, whether it lasts, whether intervals hold, how much money it carries."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from marketsentry.core.stats.bootstrap import Bounds
from marketsentry.core.stats.trend import Trend

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class PerformanceRow:
    """One part of the out-of-sample result, after costs.

    `name` is `walk_forward`, `final`, a fold's number or a symbol. `pnl_after_cost_frac` is over the equity at the
    start of the part. Sharpe and Sortino ratios are of returns per bar, annualised; `tail_ratio`, `worst_daily_return`,
    `skewness` and `kurtosis` (3 is normal) are of returns per UTC day.
    """

    name: str
    n_bars: int
    n_samples: int
    hit_rate: float | None
    pnl_after_cost_frac: float | None
    turnover: float
    exposure: float | None
    max_drawdown_frac: float | None
    sharpe: float | None
    sharpe_bounds: Bounds | None
    sortino: float | None
    tail_ratio: float | None
    worst_daily_return: float | None
    skewness: float | None
    kurtosis: float | None
    n_trades: int


@dataclass(frozen=True, slots=True)
class PerformanceTable:
    """The rows, those of the folds and of the symbols in their order."""

    walk_forward: PerformanceRow
    final: PerformanceRow
    folds: tuple[PerformanceRow, ...]
    symbols: tuple[PerformanceRow, ...]


@dataclass(frozen=True, slots=True)
class WindowSkill:
    """Correlation in one window; `start_ns` is the open time of its first bar."""

    start_ns: int
    ic: float | None


@dataclass(frozen=True, slots=True)
class Stability:
    """How the correlation of predictions and outcomes moved over the folds.

    `positive_frac` is the share of windows above zero, `trend` the change of the correlation per year. The difference
    is that of the newer half less the older one, `difference_p_value` the two-sided probability of one as large between
    halves of equal skill.
    """

    window_bars: int
    windows: tuple[WindowSkill, ...]
    positive_frac: float | None
    trend: Trend | None
    older_ic: float | None
    newer_ic: float | None
    difference: float | None
    difference_bounds: Bounds | None
    difference_p_value: float | None


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """How often outcomes fell into the interval of a nominal level.

    `name` is a fold's number, `walk_forward` (every fold but the first) or `final`. `width_frac` is the mean width of
    the interval, a gross return over the horizon.
    """

    name: str
    level: float
    n_samples: int
    covered_frac: float | None
    covered_bounds: Bounds | None
    width_frac: float | None


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rises foretold with a probability in one tenth of 0..1: how many, what was said, how many came."""

    n_samples: int
    said_frac: float
    risen_frac: float
    risen_bounds: Bounds | None


@dataclass(frozen=True, slots=True)
class DirectionRow:
    """The probability of a rise against what came.

    `brier` is the mean square of probability less outcome, `base_brier` that of always saying the share of rises in the
    folds before; `gain` is the second less the first, above zero where the model knows more than that share.
    """

    name: str
    n_samples: int
    brier: float | None
    base_brier: float | None
    gain: float | None
    gain_bounds: Bounds | None


@dataclass(frozen=True, slots=True)
class IntervalEvidence:
    """Coverage by fold and level, the direction by fold, and its reliability over all tested folds."""

    coverage: tuple[CoverageRow, ...]
    direction: tuple[DirectionRow, ...]
    reliability: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True)
class CapacityPoint:
    """The account with one capital. `cut_frac` is the share of its fills that took all of the bar's volume they may."""

    capital_quote: float
    pnl_after_cost_frac: float | None
    pnl_quote: float | None
    sharpe: float | None
    turnover: float
    impact_frac: float
    n_trades: int
    cut_frac: float | None


@dataclass(frozen=True, slots=True)
class Capacity:
    """The curve and where it gives in, interpolated over the logarithm of capital.

    `half_sharpe_capital_quote`: the Sharpe ratio is half that of the smallest capital; `zero_pnl_capital_quote`:
    nothing is left after cost. None where the curve does not get there, or does not start above zero.
    """

    points: tuple[CapacityPoint, ...]
    half_sharpe_capital_quote: float | None
    zero_pnl_capital_quote: float | None


def read_performance(document: Mapping[str, Any]) -> PerformanceTable:
    """Read the rows from JSON values."""
    whole, final = (
        _row(PerformanceRow, document[name], "sharpe_bounds") for name in ("walk_forward", "final")
    )
    folds, symbols = (
        rows_of(PerformanceRow, document[name], "sharpe_bounds") for name in ("folds", "symbols")
    )
    return PerformanceTable(whole, final, folds, symbols)


def read_stability(document: Mapping[str, Any]) -> Stability:
    """Read the windows and halves from JSON values."""
    found = with_bounds(document, "difference_bounds")
    trend = Trend(**document["trend"]) if document["trend"] is not None else None
    return Stability(**{**found, "windows": rows_of(WindowSkill, document["windows"]), "trend": trend})


def read_intervals(document: Mapping[str, Any]) -> IntervalEvidence:
    """Read coverage and direction from JSON values."""
    return IntervalEvidence(
        rows_of(CoverageRow, document["coverage"], "covered_bounds"),
        rows_of(DirectionRow, document["direction"], "gain_bounds"),
        rows_of(ReliabilityBin, document["reliability"], "risen_bounds"),
    )


def read_capacity(document: Mapping[str, Any]) -> Capacity:
    """Read the curve from JSON values."""
    return Capacity(**{**document, "points": rows_of(CapacityPoint, document["points"])})


def rows_of(kind: Callable[..., Part], documents: list[dict[str, Any]], *bounds: str) -> tuple[Part, ...]:
    """Read a list of rows; `bounds` are the names of their intervals."""
    return tuple(_row(kind, document, *bounds) for document in documents)


def with_bounds(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Read the intervals among JSON values."""
    read = {name: Bounds(**document[name]) if document[name] is not None else None for name in names}
    return {**document, **read}


def _row(kind: Callable[..., Part], document: Mapping[str, Any], *bounds: str) -> Part:
    return kind(**with_bounds(document, *bounds))
