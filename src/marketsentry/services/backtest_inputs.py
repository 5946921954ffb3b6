"""Read what a backtest runs on: bars and snapshots of an explicit window, complete or refused (K-47, K-49)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.funding import unknown_funding, with_funding
from marketsentry.core.backtest.params import ReplayParams
from marketsentry.core.backtest.request import BacktestRequest, Span, span_of
from marketsentry.core.dataset import has_bar
from marketsentry.core.features.context import KnownSeries, known_funding
from marketsentry.core.gates.data_quality import QualityLimits, judge_data_quality
from marketsentry.core.market.bars import BarPanel, BarSeries, align_panel
from marketsentry.core.market.interval import Interval
from marketsentry.core.market.quality import measure_quality
from marketsentry.core.market.symbols import Market
from marketsentry.exceptions import NotFoundError
from marketsentry.ports import Stores
from marketsentry.ports.datasets import SnapshotRows
from marketsentry.ports.runs import SnapshotSpan
from marketsentry.services.backtest_model import Refusal, ScoringModel

INSUFFICIENT_FEATURES = "insufficient_features"
INSUFFICIENT_PRICES = "insufficient_prices"
INSUFFICIENT_FUNDING = "insufficient_funding"
LINEAGE_MISMATCH = "lineage_mismatch"
DATA_QUALITY_BLOCKED = "data_quality_blocked"
MIN_ROWS = 8
MIN_PRICES = 3
MIN_COVERAGE = 0.98


@dataclass(frozen=True, slots=True)
class Pin:
    """What a replay must use again: the end of the window, the lineage of each target, the parameters."""

    end_ns: int
    lineages: Mapping[str, str]
    params: ReplayParams


@dataclass(frozen=True, slots=True)
class RunInputs:
    """What is replayed.

    `features` (T, N, F) are the snapshots joined as-of each bar's close, NaN where there is none; `covered` (T, N)
    marks the cells with one. `lineages` names the snapshots of each target in the panel. `refused` are the
    targets that cannot be replayed.
    """

    span: Span
    panel: BarPanel
    features: NDArray[np.float64]
    covered: NDArray[np.bool_]
    lineages: dict[str, str]
    refused: dict[str, Refusal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Target:
    bars: BarSeries
    no_trade_ts_ns: NDArray[np.int64]
    snapshots: SnapshotRows
    lineage_id: str
    funding: KnownSeries | None


async def read_inputs(
    stores: Stores,
    request: BacktestRequest,
    scoring: ScoringModel,
    *,
    quality: QualityLimits,
    pin: Pin | None,
) -> RunInputs | Mapping[str, Refusal]:
    """Read the window of every target.

    Parameters
    ----------
    stores
        The open transaction.
    request
        Targets, data version and days.
    scoring
        Names the features, their schema and the bar length.
    quality
        Limits of the data gate, which every target's bars in the window must pass.
    pin
        Window and lineages of an earlier run; None takes the newest.

    Returns
    -------
    RunInputs, or the refusals by target when none is left
        A target is refused on its own, with its reason; the others go on.
    """
    chosen: dict[str, SnapshotSpan] = {}
    refused: dict[str, Refusal] = {}
    for target in request.targets:
        found = await _choose_lineage(stores, request, scoring, target, pin)
        if isinstance(found, Refusal):
            refused[target] = found
        else:
            chosen[target] = found
    if not chosen:
        return refused
    end_ns = max(span.last_ns for span in chosen.values()) if pin is None else pin.end_ns
    window = span_of(request, scoring.interval, end_ns)
    read: dict[str, _Target] = {}
    for target, lineage in chosen.items():
        one = await _read_target(
            stores, scoring, target, lineage, window, quality, is_perpetual=request.market is Market.PERP
        )
        if isinstance(one, Refusal):
            refused[target] = one
        else:
            read[target] = one
    return _join(read, window, refused) if read else refused


async def _choose_lineage(
    stores: Stores, request: BacktestRequest, scoring: ScoringModel, target: str, pin: Pin | None
) -> SnapshotSpan | Refusal:
    spans = await stores.runs.snapshot_spans(
        target, track=request.track, data_version=request.data_version, timeframe=scoring.interval.name
    )
    if pin is not None:
        spans = [span for span in spans if span.lineage_id == pin.lineages.get(target)]
    if not spans:
        what = f"{scoring.interval} features of {target} in data version {request.data_version}"
        return Refusal(INSUFFICIENT_FEATURES, f"there are no {what}; see `ms features build`")
    same = next((span for span in spans if span.schema_hash == scoring.schema_hash), None)
    if same is None:
        return Refusal(
            LINEAGE_MISMATCH,
            f"the features of {target} have schema {spans[0].schema_hash[:12]}, the model was trained on "
            f"{scoring.schema_hash[:12]}",
        )
    return same


async def _read_target(
    stores: Stores,
    scoring: ScoringModel,
    target: str,
    lineage: SnapshotSpan,
    window: Span,
    quality: QualityLimits,
    *,
    is_perpetual: bool,
) -> _Target | Refusal:
    snapshots = await stores.datasets.read_snapshots(
        lineage.lineage_id,
        target,
        scoring.feature_names,
        schema_hash=scoring.schema_hash,
        start_ns=window.start_ns + scoring.interval.ns,
        stop_ns=window.end_ns + scoring.interval.ns,
    )
    if snapshots.event_time_ns.size < MIN_ROWS:
        n_rows = snapshots.event_time_ns.size
        return Refusal(
            INSUFFICIENT_FEATURES, f"{target} has {n_rows} snapshots in the window, needs {MIN_ROWS}"
        )
    info = await stores.bars.series(target, scoring.interval)
    if info is None:
        return Refusal(INSUFFICIENT_PRICES, f"there are no {scoring.interval} bars of {target}")
    bounds: dict[str, Any] = {"start_ns": window.start_ns, "stop_ns": window.end_ns}
    try:
        bars = await stores.bars.load(target, scoring.interval, **bounds, as_of_ns=window.end_ns)
    except NotFoundError as error:
        return Refusal(INSUFFICIENT_PRICES, str(error))
    no_trade = await stores.bars.load_no_trade(target, scoring.interval, **bounds)
    if bars.ts_ns.size < MIN_PRICES or info.first_ns > window.start_ns:
        return Refusal(
            INSUFFICIENT_PRICES,
            f"{target} has {bars.ts_ns.size} bars in the window and must have them from its start on",
        )
    verdict = judge_data_quality(
        measure_quality(
            bars,
            as_of_ns=window.end_ns,
            window_ns=window.end_ns - window.start_ns,
            listed_from_ns=info.first_ns,
            no_trade_ts_ns=no_trade,
        ),
        quality,
    )
    if not verdict.passed:
        return Refusal(
            DATA_QUALITY_BLOCKED, f"the bars of {target} fail the gate: {', '.join(verdict.reasons)}"
        )
    funding = None
    if is_perpetual:
        funding = known_funding(await stores.events.load_funding(target, as_of_ns=window.end_ns))
        unknown = unknown_funding(with_funding(align_panel([bars]), {target: funding}))
        if unknown:
            return Refusal(INSUFFICIENT_FUNDING, unknown[target])
    return _check_coverage(_Target(bars, no_trade, snapshots, lineage.lineage_id, funding), scoring.interval)


def _check_coverage(target: _Target, interval: Interval) -> _Target | Refusal:
    n_covered = int(np.isin(target.bars.ts_ns + interval.ns, target.snapshots.event_time_ns).sum())
    share = n_covered / target.bars.ts_ns.size
    if not share >= MIN_COVERAGE:
        return Refusal(
            INSUFFICIENT_FEATURES,
            f"{target.bars.symbol} has snapshots for {n_covered} of {target.bars.ts_ns.size} bars in the window, "
            f"needs {MIN_COVERAGE:.0%}; see `ms features build`",
        )
    return target


def _join(read: Mapping[str, _Target], window: Span, refused: dict[str, Refusal]) -> RunInputs:
    targets = list(read.values())
    panel = align_panel([one.bars for one in targets], no_trade_ts_ns=[one.no_trade_ts_ns for one in targets])
    n_features = targets[0].snapshots.values.shape[1]
    features = np.full((panel.n_bars, len(targets), n_features), np.nan)
    covered = np.zeros((panel.n_bars, len(targets)), dtype=np.bool_)
    for n, one in enumerate(targets):
        rows, bars = join_as_of(one.snapshots.event_time_ns, panel.known_at_ns, panel.interval.ns)
        features[bars, n] = one.snapshots.values[rows]
        covered[bars, n] = True
    covered &= has_bar(panel)
    rates = {symbol: one.funding for symbol, one in read.items() if one.funding is not None}
    panel = with_funding(panel, rates) if rates else panel
    return RunInputs(
        span=window,
        panel=panel,
        features=features,
        covered=covered,
        lineages={symbol: one.lineage_id for symbol, one in read.items()},
        refused=dict(refused),
    )


def join_as_of(
    event_time_ns: NDArray[np.int64], as_of_ns: NDArray[np.int64], max_age_ns: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair each instant with the newest event at or before it that is younger than `max_age_ns`.

    Parameters
    ----------
    event_time_ns
        Shape (n,). When each event was known, ascending.
    as_of_ns
        Shape (T,). The instants.
    max_age_ns
        An event this old or older is not used.

    Returns
    -------
    tuple of two ndarrays
        Indices of events and of the instants they belong to; instants without an event are left out.
    """
    newest = np.searchsorted(event_time_ns, as_of_ns, side="right") - 1
    known = newest >= 0
    known[known] = as_of_ns[known] - event_time_ns[newest[known]] < max_age_ns
    return newest[known], np.flatnonzero(known)
