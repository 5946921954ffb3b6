"""An evidence pack for a person and as JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from marketsentry.core.evidence.pack import EvidencePack, SkillRow
from marketsentry.core.evidence.parts import PerformanceRow
from marketsentry.core.stats.bootstrap import Bounds
from marketsentry.services.evidence import StoredEvidence

N_FEATURES = 8


def evidence_document(found: StoredEvidence, written: Path | None) -> dict[str, Any]:
    """Give the stored pack, whose it is, its hash and the file it was written to."""
    return {
        "name": found.name,
        "version": found.version,
        "track": found.track,
        "sha256": found.sha256,
        "out": str(written) if written is not None else None,
        "evidence": json.loads(found.content),
    }


def print_evidence(found: StoredEvidence, written: Path | None) -> None:
    """Print the pack as tables."""
    console, pack = Console(highlight=False), found.pack
    trials = pack.trials
    console.print(f"{found.name}:{found.version}, {pack.interval} bars, horizon {pack.horizon}", markup=False)
    console.print(
        f"Sharpe {_number(trials.sharpe)} {_bounds(trials.sharpe_bounds)}; the luck of {trials.n_trials} trials "
        f"explains {_number(trials.expected_maximum)}; deflated {_number(trials.deflated_sharpe)}",
        markup=False,
    )
    skill = pack.skill
    _print(
        console,
        ("skill", "samples", "IC", "interval", "rank IC", "interval"),
        [_skill(row) for row in (skill.walk_forward, *skill.folds, skill.final, *skill.symbols)],
    )
    earned = pack.performance
    _print(
        console,
        ("performance", "return", "Sharpe", "interval", "drawdown", "worst day", "tail ratio", "trades"),
        [_earned(row) for row in (earned.walk_forward, *earned.folds, earned.final, *earned.symbols)],
    )
    _print(
        console,
        ("interval", "nominal", "covered", "interval", "samples"),
        [
            (
                _part_name(row.name),
                _number(row.level),
                _number(row.covered_frac, 3),
                _bounds(row.covered_bounds, 3),
                f"{row.n_samples:,}",
            )
            for row in pack.intervals.coverage
            if row.name in ("walk_forward", "final")
        ],
    )
    _print(
        console,
        ("capital", "return", "Sharpe", "impact", "cut short"),
        [
            (
                f"{one.capital_quote:,.0f}",
                _number(one.pnl_after_cost_frac),
                _number(one.sharpe),
                _number(one.impact_frac, 3),
                _number(one.cut_frac),
            )
            for one in pack.capacity.points
        ],
    )
    _print(
        console,
        ("baseline", "return", "Sharpe", "lead", "interval", "probability"),
        [
            (
                one.name,
                _number(one.pnl_after_cost_frac),
                _number(one.sharpe),
                _number(one.sharpe_lead),
                _bounds(one.sharpe_lead_bounds),
                _number(one.lead_probability),
            )
            for one in pack.baselines
        ],
    )
    _print(
        console,
        ("scenario", "return", "Sharpe", "drawdown", "trades"),
        [
            (
                one.name,
                _number(one.pnl_after_cost_frac),
                _number(one.sharpe),
                _number(one.max_drawdown_frac),
                str(one.n_trades),
            )
            for one in pack.scenarios
        ],
    )
    _print(
        console,
        ("feature", "IC lost", "gain"),
        [
            (one.feature, _number(one.permutation_ic, 4), _number(one.gain_frac))
            for one in pack.importance[:N_FEATURES]
        ],
    )
    _print_overfitting(console, pack)
    console.print()
    console.print(f"sanity review: {pack.sanity.outcome}", markup=False)
    for reason in pack.sanity.reasons:
        console.print(f"  {reason}", markup=False)
    for note in pack.sanity.notes:
        console.print(f"  note: {note}", markup=False)
    console.print(f"sha256 {found.sha256} (verified)", markup=False)
    if written is not None:
        console.print(f"written to {written}", markup=False)


def _print_overfitting(console: Console, pack: EvidencePack) -> None:
    """Print the neighbourhood of the assumed replay parameters, and folds and paths where they were fitted."""
    near, paths = pack.overfitting, pack.paths
    told = f"{near.n_settings} settings around the assumed one: {near.all_above_zero_frac:.0%} above zero"
    if near.choice is not None:
        told += (
            f"; choosing the best would show Sharpe {near.choice.inside_sharpe_median:.2f} where it is chosen, "
            f"{near.choice.outside_sharpe_median:.2f} elsewhere, probability of overfitting {near.choice.pbo:.0%}"
        )
    console.print()
    console.print(told, markup=False)
    head = ("purged k-fold", "samples", "IC", "interval", "rank IC", "interval")
    _print(console, head, [_skill(row) for row in pack.kfold])
    if paths is not None:
        rows = [
            (
                str(k + 1),
                _number(row.sharpe),
                _number(row.pnl_after_cost_frac),
                _number(row.max_drawdown_frac),
                _number(row.ic, 4),
            )
            for k, row in enumerate(paths.rows)
        ]
        titles = (f"path of {paths.n_groups}x{paths.n_test_groups}", "Sharpe", "return", "drawdown", "IC")
        _print(console, titles, rows)
        console.print(f"{paths.losing_frac:.0%} of {len(rows)} paths lose", markup=False)


def _earned(row: PerformanceRow) -> tuple[str, ...]:
    return (
        _part_name(row.name),
        _number(row.pnl_after_cost_frac, 3),
        _number(row.sharpe),
        _bounds(row.sharpe_bounds),
        _number(row.max_drawdown_frac, 3),
        _number(row.worst_daily_return, 3),
        _number(row.tail_ratio),
        str(row.n_trades),
    )


def _part_name(name: str) -> str:
    return f"fold {int(name) + 1}" if name.isdigit() else name


def _skill(row: SkillRow) -> tuple[str, ...]:
    return (
        _part_name(row.name),
        f"{row.n_samples:,}",
        _number(row.ic, 4),
        _bounds(row.ic_bounds, 4),
        _number(row.rank_ic, 4),
        _bounds(row.rank_ic_bounds, 4),
    )


def _print(console: Console, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column(head[0], no_wrap=True)
    for title in head[1:]:
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print()
    console.print(table)


def _number(value: float | None, digits: int = 2) -> str:
    return "none" if value is None else f"{value:.{digits}f}"


def _bounds(bounds: Bounds | None, digits: int = 2) -> str:
    return "none" if bounds is None else f"{bounds.low:.{digits}f}..{bounds.high:.{digits}f}"
