"""What a report shows, as plain values. None is a number that is missing; it is shown so, never as zero."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.evidence.pack import EvidencePack
from marketsentry.core.gates.verdict import GateCheck, GateVerdict, Outcome
from marketsentry.exceptions import InputError
from marketsentry.reports.account import Activity, CandleWindow, EquityBand, TradeLists


class Lang(StrEnum):
    """Language of a report."""

    ZH = "zh"
    EN = "en"


class Scheme(StrEnum):
    """Colours of gain and loss: `us` green up and red down, `cn` red up and green down."""

    US = "us"
    CN = "cn"


@dataclass(frozen=True, slots=True)
class EquityCurve:
    """Account equity over time.

    `ts_ns` (n_bars,) int64: UTC epoch ns at which the equity was known (bar closes), increasing.
    `equity_quote` (n_bars,) float64: quote currency after all costs; NaN where it is unknown.
    """

    ts_ns: NDArray[np.int64]
    equity_quote: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.ts_ns.ndim != 1 or self.ts_ns.shape != self.equity_quote.shape:
            raise InputError(
                f"ts_ns and equity_quote must have one shape (n_bars,), were {self.ts_ns.shape} "
                f"and {self.equity_quote.shape}"
            )

    @property
    def n_bars(self) -> int:
        return int(self.ts_ns.size)


@dataclass(frozen=True, slots=True)
class FoldFacts:
    """One span of out-of-sample bars: when, how many rows, and how well predictions did on it.

    `is_final` marks the last block, which no choice ever looked at. `pnl_frac` is the net return of the
    account over the span, `ic` and `rank_ic` are correlations of prediction and realised label.
    """

    index: int
    test_start_ns: int
    test_end_ns: int
    n_train: int | None
    n_test: int | None
    ic: float | None
    rank_ic: float | None
    pnl_frac: float | None
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class CostFacts:
    """Where the money went, in quote currency; costs positive, `gross - all costs = net`.

    `funding_quote` is what holding cost, funding of perpetuals or borrowing of short spot positions: negative when
    received, None where nothing was charged.
    """

    gross_quote: float | None
    fee_quote: float | None
    slippage_quote: float | None
    impact_quote: float | None
    net_quote: float | None
    funding_quote: float | None = None


@dataclass(frozen=True, slots=True)
class SymbolFacts:
    """One symbol of the run. Money in quote currency, net of costs; `pnl_curve_quote` (n_bars,) adds up.

    `refusal` is the reason code of a symbol that could not be replayed; `costs` take its PnL apart.
    """

    symbol: str
    source: str | None
    pnl_quote: float | None
    cost_quote: float | None
    n_trades: int | None
    turnover: float | None
    exposure_frac: float | None
    ic: float | None
    hit_rate: float | None
    pnl_curve_quote: NDArray[np.float64] | None = None
    refusal: str | None = None
    costs: CostFacts | None = None


@dataclass(frozen=True, slots=True)
class LeakFacts:
    """A feature that moved when the future changed: the first such bar and both values."""

    feature: str
    symbol: str
    bar_ts_ns: int
    value_with_future: float | None
    value_without_future: float | None


@dataclass(frozen=True, slots=True)
class CandidateFacts:
    """A model version, how it was judged and, where it was refused, why.

    `checks` stand beside their limits and tell the reasons; `reasons` are further ones, codes or sentences.
    `floors` names the checks on how much was observed: missing one means too few observations, not a fail.
    """

    name: str
    version: str
    outcome: Outcome
    checks: tuple[GateCheck, ...] = ()
    reasons: tuple[str, ...] = ()
    leaks: tuple[LeakFacts, ...] = ()
    floors: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A stored backtest.

    `folds` are the walk-forward folds of the model as they were judged; `bands` are shaded in the chart, with
    the return of this run's account; `windows` are the run's own reporting windows, and `gate` judges them;
    `sanity` is the review of the run.
    `reason` and `detail` tell why a run failed. `metrics` are those of the backtest contract by name,
    `assumptions` the parameters of the simulation by name, `lineage` the content hashes by what they name,
    `replay_command` the command that runs it again.

    `band` is None where returns cannot be resampled. `hold_quote` (n_bars,) is the capital spread evenly over the
    symbols and held, `candles` show trades on bars: both need the bars that the run saw, and `market_refusal` tells
    why they could not be had, as (code, detail).
    """

    run_id: str
    run_name: str
    status: str
    reason: str | None
    symbols: tuple[str, ...]
    interval: str
    sources: tuple[str, ...]
    is_synthetic: bool
    capital_quote: float
    curve: EquityCurve
    metrics: Mapping[str, float | None]
    costs: CostFacts | None
    replay_command: str
    ended_at_ns: int
    folds: tuple[FoldFacts, ...] = ()
    bands: tuple[FoldFacts, ...] = ()
    windows: tuple[FoldFacts, ...] = ()
    gate: GateVerdict | None = None
    sanity: GateVerdict | None = None
    detail: str | None = None
    per_symbol: tuple[SymbolFacts, ...] = ()
    assumptions: Mapping[str, float | str | bool | None] = field(default_factory=dict)
    lineage: Mapping[str, str | None] = field(default_factory=dict)
    band: EquityBand | None = None
    activity: Activity | None = None
    trades: TradeLists | None = None
    hold_quote: NDArray[np.float64] | None = None
    candles: tuple[CandleWindow, ...] = ()
    market_refusal: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report: a run with its candidate, and candidates that were judged beside it.

    Nothing in it tells when it was written, so the same run gives the same bytes. `version` is the program's,
    `evidence` the pack of the candidate.
    """

    version: str
    run: RunFacts | None
    candidate: CandidateFacts | None
    others: tuple[CandidateFacts, ...] = ()
    evidence: EvidencePack | None = None
