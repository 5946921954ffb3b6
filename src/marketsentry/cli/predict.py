"""`ms predict`: what the registered model expects of a symbol, and what that is made of."""

from typing import TYPE_CHECKING, Annotated

import typer

from marketsentry.cli.output import JSON_HELP, print_json

if TYPE_CHECKING:
    from datetime import datetime

    from marketsentry.bootstrap import System
    from marketsentry.services.predict import ServingParts

app = typer.Typer(add_completion=False, rich_markup_mode=None)

EXIT_ABSTAINED = 3
LAST = "last"


@app.command()
def predict(
    symbol: Annotated[str, typer.Argument(help="What to predict, e.g. BTC.")],
    horizon: Annotated[str, typer.Option(help="1h, 1d or 7d; default that of --model, else 1d.")] = "",
    model: Annotated[
        str,
        typer.Option(help="NAME or NAME:VERSION; default what MS_SERVED_MODELS or MODEL_NAME_LIQUID say."),
    ] = "",
    as_of: Annotated[
        str, typer.Option(help="Predict with what was known then: a UTC time, or `last`, the newest price.")
    ] = "",
    explain: Annotated[bool, typer.Option(help="Also show events and the parts of the score.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Predict the return of a symbol and store the prediction with its explanation.

    The answer says who gave it: a model, or the cold-start rule (heuristic). Exit code 0 when there is one, 3 when it
    abstains because inputs are missing or stale, or the symbol has no price, or there is no such model.

    Example:  ms predict BTC --model panel:v1 --as-of last --explain
    """
    import asyncio
    from dataclasses import asdict

    from marketsentry.bootstrap import open_system
    from marketsentry.cli.predict_output import print_prediction
    from marketsentry.core.market.symbols import check_symbol
    from marketsentry.services.predict import LiquidRequest, Served, predict_liquid

    target = check_symbol(symbol)

    async def go() -> Served:
        async with open_system() as system:
            at = await _time_of(as_of, target, system)
            parts, wanted = await _serving(system, model, horizon)
            return await predict_liquid(LiquidRequest(target, wanted), parts, as_of=at)

    stored = asyncio.run(go()).stored
    if as_json:
        print_json({**asdict(stored), "abstained": stored.score is None})
    else:
        print_prediction(stored, explained=explain)
    raise typer.Exit(EXIT_ABSTAINED if stored.score is None else 0)


async def _time_of(as_of: str, symbol: str, system: "System") -> "datetime | None":
    from marketsentry.core.market.timestamps import datetime_to_ns, ns_to_datetime, parse_time_ns
    from marketsentry.exceptions import NotFoundError

    if not as_of:
        return None
    if as_of != LAST:
        return ns_to_datetime(parse_time_ns(as_of))
    async with system.transactions() as stores:
        price = await stores.predictions.newest_price(symbol, as_of_ns=datetime_to_ns(system.clock.now()))
    if price is None:
        raise NotFoundError(f"there is no price of {symbol}")
    return ns_to_datetime(price.at_ns)


async def _serving(system: "System", model: str, horizon: str) -> "tuple[ServingParts, str]":
    """Take what is configured, or the model that was named with the horizon that it has."""
    from dataclasses import replace

    if not model:
        return system.serving, horizon or "1d"
    name, _, version = model.partition(":")
    async with system.transactions() as stores:
        found = (await stores.models.get(name, version or None)).model
    wanted = horizon or str(found.manifest["horizon"])
    parts = system.serving
    rules = replace(parts.rules, models={**parts.rules.models, wanted: (found.name, found.version)})
    return replace(parts, rules=rules), wanted
