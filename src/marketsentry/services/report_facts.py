"""From a stored run and a registered model to what a report shows. Pure: records in, facts out.

A value that the record does not hold becomes None and reads as missing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.contributions import symbol_pnl_curves
from marketsentry.core.backtest.funding import holding_cost
from marketsentry.core.backtest.params import params_from, shown_params
from marketsentry.core.backtest.stored import RunFiles
from marketsentry.core.gates.candidate import UNSURE
from marketsentry.core.gates.verdict import Outcome, verdict_from_document
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.market.symbols import SYNTHETIC_SOURCE
from marketsentry.core.market.timestamps import datetime_to_ns, parse_time_ns
from marketsentry.ports.models import ModelVersion, RegisteredModel
from marketsentry.ports.runs import StoredRun
from marketsentry.reports.facts import (
    CandidateFacts,
    CostFacts,
    EquityCurve,
    FoldFacts,
    LeakFacts,
    RunFacts,
    SymbolFacts,
)
from marketsentry.services.candidate import TrainingResult
from marketsentry.services.report_account import account_activity, equity_band, held_equity
from marketsentry.services.report_candles import candle_windows
from marketsentry.services.report_market import RunMarket
from marketsentry.services.report_trades import run_trades, trade_lists

Json = Mapping[str, Any]


def candidate_of_model(model: ModelVersion) -> CandidateFacts:
    """Tell how a registered version was judged."""
    verdict = verdict_from_document(dict(model.verdict))
    return CandidateFacts(
        name=model.name,
        version=model.version,
        outcome=verdict.outcome,
        checks=verdict.checks,
        leaks=_leaks(model.metrics),
        floors=UNSURE,
    )


def candidate_of_training(result: TrainingResult) -> CandidateFacts:
    """Tell how a training ended; one that the data gate blocked has codes for its reasons."""
    if result.verdict is None:
        codes = [code for row in result.results for code in str(row.get("reason", "")).split(",") if code]
        reasons = (result.status, *dict.fromkeys(codes))
        return CandidateFacts(result.name, result.version, Outcome.FAIL, reasons=reasons)
    return CandidateFacts(
        name=result.name,
        version=result.version,
        outcome=result.verdict.outcome,
        checks=result.verdict.checks,
        leaks=_leaks(result.metrics),
        floors=UNSURE,
    )


def run_facts(
    stored: StoredRun,
    files: RunFiles | None,
    model: RegisteredModel | None,
    market: RunMarket | None = None,
) -> RunFacts:
    """Tell what a run did.

    Parameters
    ----------
    stored
        Its row.
    files
        Its arrays; None for a run that failed.
    model
        The version that was replayed; None if it was not registered.
    market
        The bars that the run saw, or why they could not be had; None for a run that failed.

    Returns
    -------
    RunFacts
    """
    run, manifest = stored.run, model.model.manifest if model else {}
    assumed, sources = run.config.get("replay", {}), run.config.get("sources", {})
    capital = float(assumed.get("capital_quote", 0.0))
    rows = _traded_rows(run.config, files)
    curve = _curve(run.config, files, rows)
    folds = _model_folds(model.model, run.config) if model and files else ()
    trades = run_trades(files) if files else None
    panel = market.panel if market else None
    return RunFacts(
        run_id=str(stored.id),
        run_name=run.run_name,
        status=run.status,
        reason=run.metrics.get("reason"),
        detail=run.metrics.get("detail"),
        symbols=tuple(files.document["symbols"] if files else run.metrics["targets"]),
        interval=str(run.config.get("interval") or manifest.get("interval") or ""),
        sources=tuple(sorted(set(sources.values()))),
        is_synthetic=SYNTHETIC_SOURCE in sources.values(),
        capital_quote=capital,
        curve=curve,
        metrics={name: value for name, value in run.metrics.items() if _is_number(value)},
        costs=_costs(run.metrics, curve, capital) if files else None,
        replay_command=f"ms replay {stored.id}",
        ended_at_ns=datetime_to_ns(run.ended_at),
        folds=folds,
        bands=_bands(folds, curve, capital),
        windows=_windows(run.metrics, run.config) if files else (),
        gate=verdict_from_document(dict(run.metrics["gate"])) if files and run.metrics.get("gate") else None,
        sanity=verdict_from_document(dict(run.metrics["sanity"])) if run.metrics.get("sanity") else None,
        per_symbol=_symbols(run.metrics, run.config, sources, files, rows),
        assumptions={name: value for name, value in shown_params(assumed).items() if value is not None},
        lineage=_lineage(stored, files, model),
        band=equity_band(curve, horizon_bars=assumed["horizon_bars"]) if files else None,
        activity=account_activity(files, rows, capital) if files else None,
        trades=trade_lists(trades) if trades else None,
        hold_quote=held_equity(run.config, panel, rows, first=_first_traded(run.config, files))
        if files and panel
        else None,
        candles=candle_windows(panel, trades) if panel and trades else (),
        market_refusal=market.refusal if market else None,
    )


def _traded_rows(config: Json, files: RunFiles | None) -> slice:
    """Rows from the last bar before trading begins, so that the curve starts at the capital."""
    if files is None:
        return slice(0, 0)
    return slice(max(_first_traded(config, files) - 1, 0), files.ts_ns.size)


def _first_traded(config: Json, files: RunFiles) -> int:
    return int(np.searchsorted(files.ts_ns, parse_time_ns(config["window"]["traded_from"])))


def _curve(config: Json, files: RunFiles | None, rows: slice) -> EquityCurve:
    """Equity at the close of each bar."""
    if files is None:
        return EquityCurve(np.zeros(0, dtype=np.int64), np.zeros(0))
    closes: NDArray[np.int64] = files.ts_ns[rows] + parse_interval(config["interval"]).ns
    return EquityCurve(closes, files.equity[rows])


def _model_folds(model: ModelVersion, config: Json) -> tuple[FoldFacts, ...]:
    """The folds that the model was judged on, and its untouched last block."""
    interval_ns = parse_interval(config["interval"]).ns
    trained: Sequence[int] = model.metrics.get("train_rows", ())
    documents = model.metrics.get("folds", ())
    folds = [_fold(one, interval_ns, _at(trained, k)) for k, one in enumerate(documents)]
    final, spans = model.metrics.get("final"), model.manifest.get("recipe", {}).get("final")
    if not (folds and final and spans):
        return tuple(folds)
    first_bar = model.manifest["recipe"]["folds"][0]["test"][0]
    start, stop = (folds[0].test_start_ns + (bar - first_bar) * interval_ns for bar in spans["test"])
    last = {**final, "index": len(folds), "start_ns": start, "end_ns": stop - interval_ns}
    return (*folds, _fold(last, interval_ns, _at(trained, len(folds)), is_final=True))


def _windows(metrics: Json, config: Json) -> tuple[FoldFacts, ...]:
    interval_ns = parse_interval(config["interval"]).ns
    return tuple(_fold(one, interval_ns, None) for one in metrics.get("folds", ()))


def _fold(one: Json, interval_ns: int, n_train: int | None, *, is_final: bool = False) -> FoldFacts:
    return FoldFacts(
        index=one["index"],
        test_start_ns=one["start_ns"],
        test_end_ns=one["end_ns"] + interval_ns,
        n_train=n_train,
        n_test=one.get("samples"),
        ic=one.get("ic"),
        rank_ic=one.get("rank_ic"),
        pnl_frac=one.get("pnl_after_cost"),
        is_final=is_final,
    )


def _bands(folds: tuple[FoldFacts, ...], curve: EquityCurve, capital: float) -> tuple[FoldFacts, ...]:
    """Clip folds to the curve, with the return of this account within each; folds outside it are left out."""
    bands = []
    for fold in folds:
        inside = np.flatnonzero((curve.ts_ns > fold.test_start_ns) & (curve.ts_ns <= fold.test_end_ns))
        if inside.size < 2:
            continue
        first, last = int(inside[0]), int(inside[-1])
        before = float(curve.equity_quote[first - 1]) if first else capital
        earned = float(curve.equity_quote[last]) / before - 1.0 if before > 0 else None
        start = max(fold.test_start_ns, int(curve.ts_ns[0]))
        bands.append(
            FoldFacts(
                fold.index,
                start,
                int(curve.ts_ns[last]),
                fold.n_train,
                fold.n_test,
                fold.ic,
                fold.rank_ic,
                earned,
                is_final=fold.is_final,
            )
        )
    return tuple(bands)


def _costs(metrics: Json, curve: EquityCurve, capital: float) -> CostFacts:
    """Costs come as fractions of the capital."""
    paid = {name: _times(value, capital) for name, value in metrics["cost_breakdown"].items()}
    net = float(curve.equity_quote[-1]) - capital if curve.n_bars else None
    return _cost_facts(net, paid)


def _cost_facts(net: float | None, paid: Mapping[str, float | None]) -> CostFacts:
    """Gross is what was earned plus all that was paid; where holding cost nothing there is no line for it."""
    holding = paid.get("funding") or None
    parts = [net, *(paid.get(name) for name in ("fee", "slippage", "impact"))]
    parts += [holding] if paid.get("funding", 0.0) != 0.0 else []
    known = [value for value in parts if value is not None]
    return CostFacts(
        gross_quote=sum(known) if len(known) == len(parts) else None,
        fee_quote=paid.get("fee"),
        slippage_quote=paid.get("slippage"),
        impact_quote=paid.get("impact"),
        net_quote=net,
        funding_quote=holding,
    )


def _holding(config: Json, files: RunFiles) -> NDArray[np.float64] | None:
    """What holding cost bar by bar; nothing in runs from before it was charged."""
    if "market" not in config.get("replay", {}):
        return None
    return holding_cost(files.equity, files.weights, params_from(config["replay"]), files.funding)


def _symbols(
    metrics: Json, config: Json, sources: Json, files: RunFiles | None, rows: slice
) -> tuple[SymbolFacts, ...]:
    curves: dict[str, NDArray[np.float64]] = {}
    if files is not None:
        cumulated = symbol_pnl_curves(files.equity, files.weights, files.fills, _holding(config, files))[rows]
        curves = {symbol: cumulated[:, n] for n, symbol in enumerate(files.document["symbols"])}
    results = metrics.get("per_target", {})
    order = [symbol for symbol in metrics["targets"] if symbol in results]
    return tuple(
        _symbol(symbol, results[symbol], sources.get(symbol), curves.get(symbol)) for symbol in order
    )


def _symbol(symbol: str, one: Json, source: str | None, curve: NDArray[np.float64] | None) -> SymbolFacts:
    paid = {
        name: one.get(f"{name}_quote")
        for name in ("fee", "slippage", "impact", "funding")
        if name != "funding" or "funding_quote" in one
    }
    known = [cost for cost in paid.values() if cost is not None]
    return SymbolFacts(
        symbol=symbol,
        source=source,
        pnl_quote=one.get("pnl_quote"),
        cost_quote=sum(known) if len(known) == len(paid) else None,
        n_trades=one.get("trades"),
        turnover=one.get("turnover"),
        exposure_frac=one.get("exposure"),
        ic=one.get("ic"),
        hit_rate=one.get("hit_rate"),
        pnl_curve_quote=curve,
        refusal=one.get("reason"),
        costs=None if one.get("reason") else _cost_facts(one.get("pnl_quote"), paid),
    )


def _lineage(
    stored: StoredRun, files: RunFiles | None, model: RegisteredModel | None
) -> dict[str, str | None]:
    parts = files.document["parts"] if files else {}
    manifest = model.model.manifest if model else {}
    seed = manifest.get("seed")
    return {
        "run": stored.run.content_hash,
        "bars": parts.get("bars"),
        "features": parts.get("features"),
        "feature_schema": manifest.get("feature_schema_hash"),
        "model": model.model.artifact_sha256 if model else None,
        "training": model.model.train_lineage_id if model else None,
        "dataset": model.model.dataset_hash if model else None,
        "params": parts.get("params"),
        **({"policy": parts["policy"]} if "policy" in parts else {}),
        "predictions": parts.get("predictions"),
        "code": parts.get("code"),
        "seed": None if seed is None else str(seed),
    }


def _leaks(metrics: Json) -> tuple[LeakFacts, ...]:
    return tuple(LeakFacts(**one) for one in metrics.get("leaks", ()))


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _at(values: Sequence[int], index: int) -> int | None:
    return values[index] if index < len(values) else None


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
