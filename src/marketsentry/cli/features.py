"""`ms features`: build features, and prove that they see no future."""

import typer

from marketsentry.cli.features_build import build, export_samples, list_
from marketsentry.cli.features_check import check

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def features() -> None:
    """Build point-in-time features; prove no look-ahead.

    Example:  ms features build --symbols BTC,ETH --interval 1h
    """


app.command()(build)
app.command()(check)
app.command("export-samples")(export_samples)
app.command("list")(list_)
