"""`ms features check`: prove on stored bars that features see no future."""

import time
from typing import Annotated

import typer

from marketsentry.cli.output import JSON_HELP, print_json


def check(
    features: Annotated[
        str, typer.Option(help="`builtin`, the path of a Python file, or an entry point.")
    ] = "builtin",
    symbols: Annotated[
        str, typer.Option(help="Comma-separated; empty means every stored symbol of the interval.")
    ] = "",
    interval: Annotated[str, typer.Option(help="Bar length, e.g. 5m or 1h.")] = "5m",
    bars: Annotated[int | None, typer.Option(min=10, help="Only the newest so many bars.")] = None,
    seed: Annotated[int, typer.Option(help="Chooses the cuts and invents the other futures.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Prove on stored bars: batch equals step bit for bit, no look-ahead, warm-up masked.

    Exit code 0 when the set is sound, 2 when it is not (each leak is named with its first bad bar and the
    value with and without the future), 3 when there are no such bars.

    Example:  ms features check --interval 1h --symbols BTC,ETH --json
    """
    import asyncio

    import numpy as np

    from marketsentry.bootstrap import open_system
    from marketsentry.cli.feature_check_output import check_document, print_check
    from marketsentry.cli.progress import steps_on_stderr
    from marketsentry.core.features.check import FeatureCheck
    from marketsentry.core.market.interval import parse_interval
    from marketsentry.services.feature_check import check_stored
    from marketsentry.services.plugins import load_feature_set

    started = time.perf_counter()
    wanted = [symbol.strip().upper() for symbol in symbols.split(",") if symbol.strip()]
    span = parse_interval(interval)
    feature_set = load_feature_set(features)

    async def run() -> FeatureCheck:
        async with open_system() as system:
            with steps_on_stderr() as on_progress:
                return await check_stored(
                    wanted,
                    span,
                    feature_set=feature_set,
                    transactions=system.transactions,
                    rng=np.random.default_rng(seed),
                    max_bars=bars,
                    on_progress=on_progress,
                )

    found = asyncio.run(run())
    if as_json:
        print_json(check_document(found, features=features, seconds=time.perf_counter() - started))
    else:
        print_check(found)
    raise typer.Exit(0 if found.passed else 2)
