"""The risk plane for a person: switches, limits, and what would clear a block."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from marketsentry.core.risk.explain import RiskFact
from marketsentry.core.risk.kill_switch import Block, EffectiveSwitch
from marketsentry.services.flatten import FlatReport
from marketsentry.services.risk_explain import RiskStatus


def print_status(status: RiskStatus) -> None:
    """Print every switch and the limits on stdout."""
    console = Console(highlight=False)
    if status.switches:
        table = Table(box=None, pad_edge=False)
        for column in ("track", "strategy", "state", "mode", "ends", "reason"):
            table.add_column(column)
        for one in status.switches:
            block = one.blocks[0] if one.blocks else None
            ends = "" if block is None else _end(block)
            table.add_row(one.track, one.strategy_id, one.state, str(one.mode or ""), ends, one.reason)
        console.print(table)
    else:
        console.print("no switch was ever set: openings are allowed", soft_wrap=True)
    console.print(f"limits {status.limits_version[:12]}", markup=False, soft_wrap=True)
    for name, value in status.limits.items():
        if not isinstance(value, dict):
            console.print(f"  {name:<24}{value}", markup=False, soft_wrap=True)


def print_switch(switch: EffectiveSwitch) -> None:
    """Print what holds for one scope."""
    console = Console(highlight=False)
    name = f"{switch.track}:{switch.strategy_id}"
    if not switch.blocks:
        console.print(f"{name} may open ({switch.reason})", markup=False, soft_wrap=True)
        return
    console.print(f"{name} may not open; positions can be closed", markup=False, soft_wrap=True)
    for block in switch.blocks:
        console.print(
            f"  {block.scope}: {block.reason}, {block.mode}, {_end(block)}", markup=False, soft_wrap=True
        )


def print_facts(track: str, strategy: str, facts: Sequence[RiskFact]) -> None:
    """Print what blocks a strategy, and what would clear it."""
    console = Console(highlight=False)
    if not facts:
        console.print(f"{track}:{strategy} may open: nothing blocks it", markup=False, soft_wrap=True)
        return
    console.print(f"{track}:{strategy} may not open; positions can be closed", markup=False, soft_wrap=True)
    for fact in facts:
        console.print(f"{fact.code}", markup=False, soft_wrap=True)
        if fact.figure is not None and fact.limit is not None:
            console.print(
                f"  {fact.rule} is {fact.figure:.6g}, the limit is {fact.limit:.6g}",
                markup=False,
                soft_wrap=True,
            )
        console.print(f"  from     {'; '.join(fact.inputs)}", markup=False, soft_wrap=True)
        console.print(f"  clears   when {fact.clears}", markup=False, soft_wrap=True)


def print_flat(report: FlatReport) -> None:
    """Print what was closed and what is left."""
    console = Console(highlight=False)
    name = f"{report.scope.track}:{report.scope.strategy_id}"
    for one in report.closed:
        console.print(
            f"  closed   {one.qty} {one.target} of {one.strategy_id} at {one.adapter} {one.venue}",
            markup=False,
            soft_wrap=True,
        )
    for word, rows in (("left", report.proof.remaining), ("dust", report.proof.dust)):
        for left in rows:
            console.print(
                f"  {word:<8} {left.qty} {left.name} at {left.adapter} {left.venue}: {left.reason}",
                markup=False,
                soft_wrap=True,
            )
    end = (
        "is flat, the venues say"
        if report.proof.is_flat
        else "is NOT proved flat; a running API goes on trying"
    )
    console.print(f"{name} {end} ({report.seconds:.1f} s)", markup=False, soft_wrap=True)


def _end(block: Block) -> str:
    if block.expires_at is not None:
        return f"until {block.expires_at:%Y-%m-%d %H:%M:%SZ}"
    if block.until_cleared:
        return "until " + " and ".join(sorted(block.until_cleared)) + " has ended"
    return "until a reset"
