"""`--replay` of `ms run trader` and `ms up`: the trader over recorded bars."""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from marketsentry.cli.output import print_json, say
from marketsentry.exceptions import InputError

if TYPE_CHECKING:
    from marketsentry.bootstrap import System
    from marketsentry.services.trader_replay import ReplaySpan, ReplaySummary

REPLAY_HELP = (
    "Trade the recorded bars from the first time to the second on paper, instead of those that come."
)
SPEED_HELP = "With --replay: `max`, or how many times faster than the bars came."
Replay = Annotated[tuple[str, str] | None, typer.Option("--replay", metavar="FROM TO", help=REPLAY_HELP)]
Speed = Annotated[str, typer.Option("--speed", help=SPEED_HELP)]
MAX = "max"
_STOP_WITHIN_S = 30.0


def read_span(replay: tuple[str, str], speed: str) -> "ReplaySpan":
    """Read what the options say.

    Parameters
    ----------
    replay
        Two times as ISO-8601, UTC.
    speed
        `max` or a number.

    Returns
    -------
    ReplaySpan

    Raises
    ------
    InputError
        If one of them is none, or the span is empty.
    """
    from marketsentry.core.market.timestamps import parse_time_ns
    from marketsentry.services.trader_replay import ReplaySpan

    start, stop = replay
    try:
        factor = None if speed == MAX else float(speed)
    except ValueError:
        raise InputError(f"speed must be max or a number > 0, was {speed!r}") from None
    return ReplaySpan(parse_time_ns(start), parse_time_ns(stop), factor)


async def replay_in(system: "System", span: "ReplaySpan", *, stop: asyncio.Event, as_json: bool) -> None:
    """Run a replay in an open system and print what came of it."""
    from marketsentry.cli.progress import steps_on_stderr
    from marketsentry.rehearsal import replayed_trader
    from marketsentry.roles.trader import live_rules
    from marketsentry.services.trader_replay import replay_trader

    with steps_on_stderr() as on_progress:
        async with replayed_trader(system, stop=stop) as parts:
            summary = await replay_trader(
                live_rules(system.settings.model_copy(update={"trader_adapter": "paper"})),
                span,
                parts,
                progress=lambda done, total: on_progress("bars", done / total),
            )
    if as_json:
        print_json(summary_document(summary))
    else:
        _show(summary)


def summary_document(summary: "ReplaySummary") -> dict[str, object]:
    """Name the facts as JSON."""
    return {
        "strategy_id": summary.strategy_id,
        "model": summary.model,
        "symbols": summary.symbols,
        "from": summary.start,
        "to": summary.end,
        "resumed_at": summary.resumed_at,
        "complete": summary.is_complete,
        "bars": summary.bars,
        "orders": summary.orders,
        "fills": summary.fills,
        "equity": None if summary.equity_quote is None else float(summary.equity_quote),
        "held_back": summary.codes,
    }


async def replay_as_child(
    replay: tuple[str, str], speed: str, *, env: Mapping[str, str], stop: asyncio.Event, as_json: bool
) -> int:
    """Run `ms run trader --replay` with the engines of this program, until it ends or `stop` is set; its exit code."""
    words = ("run", "trader", "--replay", *replay, "--speed", speed, "--until-stdin-closes")
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "marketsentry", *words, *(("--json",) if as_json else ())),
        env=dict(env),
        stdin=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    ended, stopped = asyncio.create_task(child.wait()), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            child.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(ended), _STOP_WITHIN_S)
    finally:
        stopped.cancel()
        if not ended.done():
            child.kill()
        code = await ended
    return code


def _show(summary: "ReplaySummary") -> None:
    word = "is complete" if summary.is_complete else "was stopped; the same command goes on"
    say(f"the replay of {summary.model} {word}: {summary.bars:,} bars to {summary.end:%Y-%m-%dT%H:%MZ}")
    equity = "-" if summary.equity_quote is None else f"{summary.equity_quote:,.2f}"
    say(f"  {summary.orders:,} orders, {summary.fills:,} fills, equity {equity}")
    if summary.codes:
        say(f"  risk held back: {', '.join(summary.codes)}")
    say(f"  its orders: ms orders list --strategy {summary.strategy_id}")
