"""`ms model`: registered models and their verdicts."""

from pathlib import Path
from typing import Annotated

import typer

from marketsentry.cli.output import JSON_HELP, print_json

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def model() -> None:
    """List registered models and their verdicts.

    Example:  ms model list
    """


@app.command("list")
def list_models(
    track: Annotated[str, typer.Option(help="Only models of this track.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """List registered versions, newest first.

    Example:  ms model list --json
    """
    import asyncio

    from marketsentry.bootstrap import open_system
    from marketsentry.cli.model_output import model_line, print_models
    from marketsentry.services.registry import list_versions

    async def run() -> list[dict[str, object]]:
        async with open_system() as system:
            return [model_line(one) for one in await list_versions(system.transactions, track=track or None)]

    lines = asyncio.run(run())
    if as_json:
        print_json(lines)
    else:
        print_models(lines)


@app.command("show")
def show_model(
    reference: Annotated[str, typer.Argument(metavar="NAME[:VERSION]", help="Default: the newest version.")],
    track: Annotated[str, typer.Option(help="Track of the model.")] = "liquid",
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Show one version: verdict, manifest, and whether its files still have the registered hash.

    Exit code 0; 3 when there is no such model, or its files are gone or changed.

    Example:  ms model show panel:v1
    """
    import asyncio

    from marketsentry.bootstrap import open_system
    from marketsentry.cli.model_output import model_document, print_model
    from marketsentry.services.registry import VerifiedModel, show_version

    name, _, version = reference.partition(":")

    async def run() -> VerifiedModel:
        async with open_system() as system:
            return await show_version(
                name,
                version or None,
                track=track,
                transactions=system.transactions,
                artifacts=system.artifacts,
            )

    verified = asyncio.run(run())
    if as_json:
        print_json(model_document(verified))
    else:
        print_model(verified)


@app.command("evidence")
def show_evidence(
    reference: Annotated[str, typer.Argument(metavar="NAME[:VERSION]", help="Default: the newest version.")],
    track: Annotated[str, typer.Option(help="Track of the model.")] = "liquid",
    out: Annotated[
        Path | None, typer.Option(help="Also write it: .json as it is stored, .html as a page.")
    ] = None,
    lang: Annotated[str, typer.Option(help="Language of the page: zh or en.")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Show the evidence pack of a version: skill, performance, sanity, intervals, capacity, baselines, trials.

    With --json the stored pack under `evidence`, its hash beside it. Exit code 0; 2 when --out ends in neither .json
    nor .html; 3 when there is no such model, it was registered before packs were kept, or the pack is gone or changed;
    4 when --out cannot be written.

    Example:  ms model evidence panel:v1 --out panel-v1.html
    """
    import asyncio

    from marketsentry.bootstrap import open_system
    from marketsentry.cli.evidence_output import evidence_document, print_evidence
    from marketsentry.services.evidence import StoredEvidence, load_evidence
    from marketsentry.services.evidence_export import check_export, export_evidence

    if out is not None:
        check_export(out, lang)
    name, _, version = reference.partition(":")

    async def run() -> StoredEvidence:
        async with open_system() as system:
            return await load_evidence(
                name,
                version or None,
                track=track,
                transactions=system.transactions,
                artifacts=system.artifacts,
            )

    found = asyncio.run(run())
    written = export_evidence(found, out, lang=lang) if out is not None else None
    if as_json:
        print_json(evidence_document(found, written))
    else:
        print_evidence(found, written)
