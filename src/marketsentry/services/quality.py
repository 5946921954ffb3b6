"""Judging stored series by the data-quality gate, and keeping the judgement."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from marketsentry.core.gates.data_quality import QualityLimits, QualityVerdict, judge_data_quality
from marketsentry.core.market.interval import Interval
from marketsentry.core.market.quality import QualityFacts, default_window_ns, measure_quality
from marketsentry.core.market.records import SeriesInfo
from marketsentry.core.market.timestamps import ns_to_datetime
from marketsentry.exceptions import InputError, NotFoundError
from marketsentry.ports import Stores, Transactions
from marketsentry.ports.audits import AuditRecord

STORED_GAPS = 50


class Scope(StrEnum):
    """What is judged: all that is stored (for training), or the contract's window (for trading now)."""

    ALL = "all"
    WINDOW = "window"


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """What to judge.

    `symbols` empty means every series, `interval` None every bar length. `as_of_ns` None judges each series
    at the close of its newest bar, so that old data is not called stale; give the present to judge freshness.
    `against` names a stored symbol of the same bar length whose closes should agree.
    """

    symbols: tuple[str, ...] = ()
    interval: Interval | None = None
    scope: Scope = Scope.ALL
    as_of_ns: int | None = None
    against: str | None = None


@dataclass(frozen=True, slots=True)
class SeriesAudit:
    """One judged series: what was measured and what the gate said."""

    symbol: str
    interval: Interval
    source: str
    is_synthetic: bool
    scope: Scope
    facts: QualityFacts
    verdict: QualityVerdict


async def audit_stored(
    request: AuditRequest, *, transactions: Transactions, limits: QualityLimits
) -> tuple[SeriesAudit, ...]:
    """Judge stored series one by one and store each judgement.

    Parameters
    ----------
    request
        Which series, what scope, as of when.
    transactions
        The record.
    limits
        Limits of the gate.

    Returns
    -------
    tuple of SeriesAudit
        In the order of the manifest.

    Raises
    ------
    NotFoundError
        If nothing is stored that fits, or a named symbol has no such series.
    InputError
        If `against` is given for more than one series.
    """
    async with transactions() as stores:
        wanted = _select(await stores.bars.all_series(), request)
    if request.against is not None and len(wanted) != 1:
        raise InputError(f"a second source is compared with one series, were {len(wanted)}")
    audits = []
    for info in wanted:
        async with transactions() as stores:
            facts = await _measure(info, request, stores)
        audit = SeriesAudit(
            symbol=info.symbol,
            interval=info.interval,
            source=info.source,
            is_synthetic=info.is_synthetic,
            scope=request.scope,
            facts=facts,
            verdict=judge_data_quality(facts, limits),
        )
        async with transactions() as stores:
            await stores.audits.add_audit(_record(audit))
        audits.append(audit)
    return tuple(audits)


def _select(manifest: Sequence[SeriesInfo], request: AuditRequest) -> list[SeriesInfo]:
    fitting = [info for info in manifest if request.interval in (None, info.interval)]
    if request.symbols:
        known = {info.symbol for info in fitting}
        absent = [symbol for symbol in request.symbols if symbol not in known]
        if absent:
            length = f"{request.interval} " if request.interval else ""
            raise NotFoundError(f"no {length}bars of {', '.join(absent)} are stored; see `ms data list`")
        fitting = [info for info in fitting if info.symbol in request.symbols]
    if not fitting:
        raise NotFoundError("no bars are stored; see `ms data import --help` or `ms data synth --help`")
    return fitting


async def _measure(info: SeriesInfo, request: AuditRequest, stores: Stores) -> QualityFacts:
    interval = info.interval
    as_of_ns = info.last_ns + interval.ns if request.as_of_ns is None else request.as_of_ns
    window_ns = default_window_ns(interval) if request.scope is Scope.WINDOW else None
    start_ns = None if window_ns is None else as_of_ns - window_ns
    bars = await stores.bars.load(info.symbol, interval, start_ns=start_ns, as_of_ns=as_of_ns)
    no_trade = await stores.bars.load_no_trade(info.symbol, interval, start_ns=start_ns)
    other = None
    if request.against is not None:
        other = await stores.bars.load(request.against, interval, start_ns=start_ns, as_of_ns=as_of_ns)
    return measure_quality(
        bars,
        as_of_ns=as_of_ns,
        window_ns=window_ns,
        listed_from_ns=info.first_ns,
        no_trade_ts_ns=no_trade,
        other=other,
    )


def _record(audit: SeriesAudit) -> AuditRecord:
    gaps = sorted(audit.facts.gaps, key=lambda gap: (-gap.n_bars, gap.start_ns))[:STORED_GAPS]
    checks = [asdict(check) for check in audit.verdict.checks]
    for check in checks:
        check["value"] = check["value"] if _is_number(check["value"]) else None
    return AuditRecord(
        symbol=audit.symbol,
        interval=audit.interval,
        source=audit.source,
        as_of=ns_to_datetime(audit.facts.as_of_ns),
        passed=audit.verdict.passed,
        reasons=audit.verdict.reasons,
        result=audit.verdict.result
        | {
            "scope": str(audit.scope),
            "window_start": ns_to_datetime(audit.facts.window_start_ns).isoformat(),
            "checks": checks,
            "gaps": [
                {"start": ns_to_datetime(gap.start_ns).isoformat(), "n_bars": gap.n_bars} for gap in gaps
            ],
        },
    )


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
