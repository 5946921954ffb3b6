"""`ms signal`: what a prediction is taken to mean, stored as a decision."""

from typing import Annotated

import typer

from marketsentry.cli.output import JSON_HELP, print_json

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def signal(
    target: Annotated[str, typer.Argument(help="A symbol, e.g. BTC; with --track vc a company.")],
    horizon: Annotated[str, typer.Option(help="1h, 1d or 7d.")] = "1d",
    track: Annotated[str, typer.Option(help="liquid or vc.")] = "liquid",
    policy: Annotated[str, typer.Option(help="baseline-v2 or ensemble-v1.")] = "baseline-v2",
    min_confidence: Annotated[float, typer.Option(help="Below it the signal holds, 0..1.")] = 0.4,
    strategy: Annotated[str, typer.Option(help="Who trades on it.")] = "default-liquid-v1",
    cost_profile: Annotated[
        str, typer.Option(help="low, standard or high: its round trip is the dead band.")
    ] = "standard",
    risk_profile: Annotated[
        str, typer.Option(help="conservative, balanced or aggressive: how often the round trip.")
    ] = "balanced",
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Predict a target, decide what that means, and store the signal.

    It says buy or sell when a model that may trade expects more than the round trip costs, else hold and why. Exit
    code 0 for any signal, 3 when the kill switch blocks or the symbol has no price.

    Example:  ms signal BTC --horizon 1d --json
    """
    import asyncio
    from dataclasses import asdict

    from marketsentry.api.schemas.signals import SignalIn
    from marketsentry.bootstrap import open_system
    from marketsentry.cli.input import validated
    from marketsentry.cli.signal_output import print_signal
    from marketsentry.core.portfolio.terms import SignalPolicy
    from marketsentry.services.signals import Generated, SignalRequest, generate_signal

    asked = validated(
        SignalIn,
        {
            "track": track,
            "target": target,
            "horizon": horizon,
            "policy": policy,
            "min_confidence": min_confidence,
            "strategy_id": strategy,
            "cost_profile": cost_profile,
            "risk_profile": risk_profile,
        },
    )
    request = SignalRequest(**{**asked.model_dump(), "policy": SignalPolicy(asked.policy)})

    async def go() -> Generated:
        async with open_system() as system:
            return await generate_signal(request, system.signals)

    told = asyncio.run(go())
    if as_json:
        print_json(asdict(told.signal))
    else:
        print_signal(told.signal)
