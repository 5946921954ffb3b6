"""`ms risk`: what blocks openings and why; pull and reset the kill switch."""

from typing import TYPE_CHECKING, Annotated

import typer

from marketsentry.cli.output import JSON_HELP, print_json

if TYPE_CHECKING:
    from marketsentry.core.risk.kill_switch import Mode
    from marketsentry.ports.risk import ChangedBy

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)

EXIT_BLOCKED = EXIT_NOT_FLAT = 3

Track = Annotated[str, typer.Argument(help="liquid or vc.")]
Strategy = Annotated[str, typer.Option("--strategy", help="A strategy, or `global`: the whole track.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept in the history.")]
Json = Annotated[bool, typer.Option("--json", help=JSON_HELP)]


@app.callback()
def risk() -> None:
    """Show what blocks openings and why; pull and reset the kill switch.

    Example:  ms risk status
    """


@app.command()
def status(as_json: Json = False) -> None:
    """Show every switch that was ever set, what blocks now, and the limits in force.

    Exit code 0, also when something blocks; `ms risk explain` says 3 then.

    Example:  ms risk status --json
    """
    import asyncio

    from marketsentry.bootstrap import join_system
    from marketsentry.cli.risk_output import print_status
    from marketsentry.services.risk_explain import RiskStatus, read_status

    async def run() -> RiskStatus:
        async with join_system() as system:
            return await read_status(system.risk)

    found = asyncio.run(run())
    if as_json:
        print_json(found.document())
    else:
        print_status(found)


@app.command()
def kill(
    track: Track,
    strategy: Strategy = "global",
    reason: Reason = "manual_trigger",
    minutes: Annotated[int, typer.Option(help="How long; 0 holds until a reset.")] = 0,
    mode: Annotated[
        str,
        typer.Option(help="no_new, reduce_only or flatten: none lets open, flatten demands closing too."),
    ] = "reduce_only",
    as_json: Json = False,
) -> None:
    """Block openings of a track or a strategy at once. Positions can still be closed.

    When this returns no later opening is admitted. A stronger block that stands already is not weakened. Exit code 0; 2
    for an unknown track or mode.

    Example:  ms risk kill liquid --minutes 60 --reason "venue outage"
    """
    import asyncio

    from marketsentry.bootstrap import join_system
    from marketsentry.cli.risk_output import print_switch
    from marketsentry.core.risk.kill_switch import EffectiveSwitch
    from marketsentry.services.risk_switch import ManualTrigger, trigger_switch

    wanted = ManualTrigger(
        _track(track), _strategy(strategy), _reason(reason), _minutes(minutes), _mode(mode)
    )

    async def run() -> EffectiveSwitch:
        async with join_system() as system:
            return await trigger_switch(wanted, by=_by(), transactions=system.transactions)

    found = asyncio.run(run())
    if as_json:
        print_json(found)
    else:
        print_switch(found)


@app.command()
def reset(
    track: Track, strategy: Strategy = "global", reason: Reason = "manual_reset", as_json: Json = False
) -> None:
    """Arm one scope again, whatever blocked it. Another scope that blocks goes on blocking.

    Exit code 0; 2 for an unknown track.

    Example:  ms risk reset liquid --reason "venue is back"
    """
    import asyncio

    from marketsentry.bootstrap import join_system
    from marketsentry.cli.risk_output import print_switch
    from marketsentry.core.risk.kill_switch import EffectiveSwitch
    from marketsentry.services.risk_switch import read_switch, reset_switch

    known, scope, why = _track(track), _strategy(strategy), _reason(reason)

    async def run() -> EffectiveSwitch:
        async with join_system() as system:
            await reset_switch(known, scope, reason=why, by=_by(), transactions=system.transactions)
            return await read_switch(known, scope, transactions=system.transactions)

    found = asyncio.run(run())
    if as_json:
        print_json(found)
    else:
        print_switch(found)


@app.command()
def flatten(
    track: Track,
    strategy: Strategy = "global",
    reason: Reason = "flatten",
    yes: Annotated[bool, typer.Option("--yes", help="Close without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Close everything that a track or a strategy holds, and ask the venues for proof.

    First the switch is pulled in mode flatten, until a reset: nothing opens, and working orders leave the venue. Then
    each position is closed at the market, until the venues say that it is flat.

    Exit code 0 when it is flat; 3 when that is not proved, or was not agreed to; 2 for an unknown track.

    Example:  ms risk flatten liquid --yes --json
    """
    import asyncio

    from marketsentry.bootstrap import join_system
    from marketsentry.cli.risk_output import print_flat
    from marketsentry.core.risk.kill_switch import Mode
    from marketsentry.exceptions import ConflictError
    from marketsentry.services.flat_proof import Scope
    from marketsentry.services.flatten import FlatReport
    from marketsentry.services.flatten import flatten as close_all
    from marketsentry.services.risk_switch import ManualTrigger, trigger_switch

    scope, why = Scope(_track(track), _strategy(strategy)), _reason(reason)
    question = f"This closes every position of {scope.track}:{scope.strategy_id} at the market. Go on?"
    if not yes and not typer.confirm(question, err=True):
        raise ConflictError("nothing was closed: it was not agreed to")
    wanted = ManualTrigger(scope.track, scope.strategy_id, why, None, Mode.FLATTEN)

    async def run() -> FlatReport:
        async with join_system() as system:
            asked_at = system.clock.now()
            await trigger_switch(wanted, by=_by(), transactions=system.transactions)
            return await close_all(scope, system.flatten, since=asked_at)

    report = asyncio.run(run())
    if as_json:
        print_json(report.document())
    else:
        print_flat(report)
    raise typer.Exit(0 if report.proof.is_flat else EXIT_NOT_FLAT)


@app.command()
def explain(
    track: Track,
    strategy: Strategy = "global",
    target: Annotated[
        list[str] | None, typer.Option("--target", help="Also judge the prices of this symbol; may repeat.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say of each thing that blocks openings: the rule, its inputs, the figure, the limit, and what would clear it.

    Exit code 0 when nothing blocks, 3 when something does, 2 for an unknown track.

    Example:  ms risk explain liquid --target BTC
    """
    import asyncio

    from marketsentry.bootstrap import join_system
    from marketsentry.cli.risk_output import print_facts
    from marketsentry.core.market.symbols import check_symbol
    from marketsentry.core.risk.explain import RiskFact
    from marketsentry.services.risk_explain import explain_scope

    known, scope = _track(track), _strategy(strategy)
    symbols = [check_symbol(one) for one in target or []]

    async def run() -> tuple[RiskFact, ...]:
        async with join_system() as system:
            return await explain_scope(known, scope, symbols, system.risk)

    facts = asyncio.run(run())
    if as_json:
        print_json({"track": known, "strategy_id": scope, "can_open": not facts, "facts": facts})
    else:
        print_facts(known, scope, facts)
    raise typer.Exit(EXIT_BLOCKED if facts else 0)


def _by() -> "ChangedBy":
    from getpass import getuser

    from marketsentry.ports.risk import ChangedBy

    try:
        name = getuser()
    except (KeyError, OSError, ImportError):  # a user without a name
        name = "unknown"
    return ChangedBy(f"cli:{name}")


def _track(track: str) -> str:
    from marketsentry.exceptions import InputError

    if track not in ("liquid", "vc"):
        raise InputError(f"track must be liquid or vc, was {track!r}")
    return track


def _strategy(strategy: str) -> str:
    from marketsentry.services.risk_switch import MAX_STRATEGY_LENGTH

    return _text("strategy", strategy, MAX_STRATEGY_LENGTH)


def _reason(reason: str) -> str:
    from marketsentry.services.risk_switch import MAX_REASON_LENGTH

    return _text("reason", reason, MAX_REASON_LENGTH)


def _text(name: str, said: str, longest: int) -> str:
    from marketsentry.exceptions import InputError

    text = said.strip()
    if not 1 <= len(text) <= longest:
        raise InputError(f"{name} must have 1 to {longest} characters, had {len(text)}")
    return text


def _minutes(minutes: int) -> int | None:
    from marketsentry.exceptions import InputError
    from marketsentry.services.risk_switch import MAX_MINUTES

    if not 0 <= minutes <= MAX_MINUTES:
        raise InputError(f"minutes must be 0 to {MAX_MINUTES}, was {minutes}")
    return minutes or None


def _mode(mode: str) -> "Mode":
    from marketsentry.core.risk.kill_switch import Mode
    from marketsentry.exceptions import InputError

    if mode not in tuple(Mode):
        raise InputError(f"mode must be one of {', '.join(Mode)}, was {mode!r}")
    return Mode(mode)
