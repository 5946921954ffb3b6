"""`ms new`: write a scaffold that works as written."""

from pathlib import Path
from typing import Annotated

import typer

from marketsentry.cli.output import JSON_HELP, print_json, say
from marketsentry.exceptions import ConflictError, InputError

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)
NAME_HELP = "Name of the new part; its file is NAME.py."
FOLDER_HELP = "Folder to write to."


@app.callback()
def new() -> None:
    """Write a scaffold for your own features, model, policy or venue; it works as written.

    Example:  ms new features my_features
    """


@app.command()
def features(
    name: Annotated[str, typer.Argument(metavar="NAME", help=NAME_HELP)],
    folder: Annotated[Path, typer.Option(help=FOLDER_HELP)] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Write a feature set: a schema and a compiled step for one symbol.

    Exit code 0 when written, 2 when the name is no Python name, 3 when the file exists.

    Example:  ms new features my_features
    """
    _write("features", name, folder, as_json=as_json)


@app.command()
def model(
    name: Annotated[str, typer.Argument(metavar="NAME", help=NAME_HELP)],
    folder: Annotated[Path, typer.Option(help=FOLDER_HELP)] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Write a model: fit and predict on arrays, dumped as data.

    Exit code 0 when written, 2 when the name is no Python name, 3 when the file exists.

    Example:  ms new model my_model
    """
    _write("model", name, folder, as_json=as_json)


@app.command()
def policy(
    name: Annotated[str, typer.Argument(metavar="NAME", help=NAME_HELP)],
    folder: Annotated[Path, typer.Option(help=FOLDER_HELP)] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Write a policy: declared parameters and a compiled decision for one target at one bar.

    Exit code 0 when written, 2 when the name is no Python name, 3 when the file exists.

    Example:  ms new policy my_policy
    """
    _write("policy", name, folder, as_json=as_json)


@app.command()
def venue(
    name: Annotated[str, typer.Argument(metavar="NAME", help=NAME_HELP)],
    folder: Annotated[Path, typer.Option(help=FOLDER_HELP)] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Write an adapter of a venue: it trades at a toy market in memory until your calls take its place.

    Exit code 0 when written, 2 when the name is no Python name, 3 when the file exists.

    Example:  ms new venue my_venue
    """
    _write("venue", name, folder, as_json=as_json)


def _write(kind: str, name: str, folder: Path, *, as_json: bool) -> None:
    if not name.isidentifier():
        raise InputError(f"name must be a Python name such as my_{kind}, was {name!r}")
    path = folder / f"{name}.py"
    template = Path(__file__).parent / "templates" / f"{kind}.py.txt"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(template.read_text(encoding="utf-8").replace("{name}", name))
    except FileExistsError as error:
        raise ConflictError(f"{path} exists already; nothing was written") from error
    following = f"ms check {kind} {path}"
    if as_json:
        print_json({"kind": kind, "path": str(path), "next": following})
    else:
        say(f"wrote {path}; next: {following}")
