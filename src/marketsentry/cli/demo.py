"""`ms demo`: the whole main job, offline, with one command."""

import asyncio
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsentry.cli.output import JSON_HELP, print_json, say

if TYPE_CHECKING:
    from marketsentry.bootstrap import System
    from marketsentry.cli.demo_screen import DemoScreen
    from marketsentry.services.demo import DemoParts, DemoRequest, DemoResult

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Language(StrEnum):
    """Languages of the report."""

    EN = "en"
    ZH = "zh"


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option(exists=True, help="Folder of recorded bars; none makes a synthetic market.")
    ] = None,
    symbols: Annotated[
        str, typer.Option(help="Comma-separated; default BTC,ETH,SOL, or all under --data.")
    ] = "",
    interval: Annotated[
        str, typer.Option(help="Bar length; default 15m, or the commonest under --data.")
    ] = "",
    days: Annotated[int, typer.Option(help="Length of the synthetic market.")] = 180,
    seed: Annotated[int, typer.Option(help="Of the synthetic market.")] = 7,
    lang: Annotated[Language, typer.Option(help="Language of the report.")] = Language.EN,
    once: Annotated[
        bool, typer.Option("--once", help="End after the report instead of serving the API.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Run the main job: market, quality gate, features, two candidates, backtest, report, API.

    One candidate is sound; the other peeks into the future and is refused with the reason. It needs no network, no
    key and no Docker. A second run takes up what is there. Exit code 0 when the sound candidate's run is reported.

    Example:  ms demo --once
    """
    from marketsentry.core.market.interval import parse_interval
    from marketsentry.services.demo import DemoRequest

    request = DemoRequest(
        symbols=tuple(name.strip().upper() for name in symbols.split(",") if name.strip()),
        interval=parse_interval(interval) if interval else None,
        days=days,
        seed=seed,
        data=data,
        lang=lang,
    )
    asyncio.run(_demo(request, once=once, as_json=as_json))


async def _demo(request: "DemoRequest", *, once: bool, as_json: bool) -> None:
    from marketsentry.api.listening import listen
    from marketsentry.bootstrap import open_system
    from marketsentry.cli.demo_screen import DemoScreen
    from marketsentry.cli.stopping import stop_event
    from marketsentry.logs import set_up_logs
    from marketsentry.services.demo import run_demo
    from marketsentry.settings import load_settings

    settings = load_settings()
    set_up_logs(settings)
    with DemoScreen() as screen:
        screen.started("engines")
        async with open_system(settings) as system:
            with (
                nullcontext() if once else listen(*settings.api_bind) as listening
            ):  # taken: said now, not at the end
                screen.engines_are_up()
                result = await run_demo(request, _parts(system), screen.watch)
                screen.finish(result)
                if as_json:
                    print_json(_document(result, screen))
                if listening is None:
                    return
                from marketsentry.api.server import serve_api

                host, port = settings.api_bind
                say(f"\nThe API serves until Ctrl-C:\n  docs     http://{host}:{port}/api/v2/docs")
                say(f"  health   http://{host}:{port}/health")
                say(f"  run      http://{host}:{port}/api/v2/backtest/{result.run_id}")
                async with stop_event() as stop:
                    await serve_api(system, listening, stop=stop)


def _parts(system: "System") -> "DemoParts":
    from marketsentry.adapters.examples import example_file
    from marketsentry.adapters.files.local_files import LocalFiles
    from marketsentry.cli.train_request import training_parts
    from marketsentry.services.backtest import backtest_defaults
    from marketsentry.services.demo import DemoParts

    return DemoParts(
        training=training_parts(system),
        market_files=LocalFiles.under(system.settings.home),
        defaults=backtest_defaults(system.settings),
        reports_dir=system.reports_dir,
        peeking_features=example_file("peeking_features.py"),
    )


def _document(result: "DemoResult", screen: "DemoScreen") -> dict[str, Any]:
    return {
        "seconds": screen.seconds,
        "steps": screen.steps,
        "candidates": result.candidates,
        "report": result.report,
        "run_id": result.run_id,
        "content_hash": result.content_hash,
    }
