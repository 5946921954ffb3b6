"""How `ms check evidence` shows what it counted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from marketsentry.cli.output import say
from marketsentry.core.known_truth.check import (
    COVERAGE,
    LEVEL,
    MAX_FALSE_ACCEPT,
    STRENGTHS,
    CoverageCell,
    KnownTruth,
    Share,
)
from marketsentry.core.known_truth.trials import Searched


def known_truth_document(
    found: KnownTruth, failed: Sequence[str], *, is_quick: bool, seconds: float
) -> dict[str, Any]:
    """Give the check as plain values for JSON."""
    return {
        "false_accept": found.false_accept.value,
        "coverage": found.covered.value,
        "power": {name: share.value for name, share in found.power.items()},
        "runs": asdict(found.sizes),
        "ok": not failed,
        "failures": list(failed),
        "is_quick": is_quick,
        "seed": found.seed,
        "targets": {
            "false_accept": MAX_FALSE_ACCEPT,
            "coverage": [COVERAGE.low, COVERAGE.high],
            "level": LEVEL,
        },
        "cells": {
            "noise": _searches(found.noise, found.false_accept, 0.0),
            "informed": {
                name: _searches(rows, found.power[name], STRENGTHS[name])
                for name, rows in found.informed.items()
            },
            "coverage": [_coverage(cell) for cell in found.coverage],
        },
        "seconds": round(seconds, 1),
    }


def print_known_truth(found: KnownTruth, failed: Sequence[str]) -> None:
    """Print the shares, each with its exact 95 % interval."""
    sizes = found.sizes
    say(f"noise: the best of {sizes.n_models} worthless models passed in {_told(found.false_accept)}")
    for name, share in found.power.items():
        say(f"power: a {name} planted signal among {sizes.n_models} others passed in {_told(share)}")
    say(f"coverage: {LEVEL:.0%} intervals held the planted IC in {_told(found.covered)}")
    for cell in found.coverage:
        say(
            f"  horizon {cell.planted.horizon_bars} bars, IC {cell.truth:.3f}: folds {cell.walk_forward.value:.1%}, "
            f"last block {cell.final.value:.1%}"
        )
    for reason in failed:
        say(f"FAIL  {reason}")
    say("FAILED" if failed else "passed")


def _told(share: Share) -> str:
    bounds = share.document()
    return (
        f"{share.k} of {share.n} runs ({share.value:.1%}; 95 %: {bounds['low']:.1%} to {bounds['high']:.1%})"
    )


def _searches(rows: Sequence[Searched], share: Share, strength: float) -> dict[str, Any]:
    """What came of the searches at one strength: the count, the outcomes, which checks refused, and every run."""
    refused = Counter(reason.split(" ", 1)[0] for row in rows for reason in row.reasons)
    return {
        "strength": strength,
        "passed": share.document(),
        "outcomes": dict(Counter(row.outcome for row in rows)),
        "refused_by": dict(refused.most_common()),
        "runs": [{name: value for name, value in asdict(row).items() if name != "reasons"} for row in rows],
    }


def _coverage(cell: CoverageCell) -> dict[str, Any]:
    return {
        "planted": asdict(cell.planted),
        "n_bars": cell.n_bars,
        "population_ic": cell.truth,
        "walk_forward": cell.walk_forward.document(),
        "final": cell.final.document(),
        "mean_ic": cell.mean_ic,
        "deviation_of_ic": cell.deviation,
        "mean_width": cell.width,
    }
