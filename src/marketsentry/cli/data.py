"""`ms data`: everything about market data; each command has a module of its own."""

import typer

from marketsentry.cli.data_audit import audit
from marketsentry.cli.data_download import download
from marketsentry.cli.data_import import import_
from marketsentry.cli.data_list import list_
from marketsentry.cli.data_resample import resample
from marketsentry.cli.data_synth import synth

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def data() -> None:
    """Import, download, audit, list, synthesise market data.

    Example:  ms data import my-bars/ && ms data list
    """


app.command("import")(import_)
app.command("list")(list_)
app.command("download")(download)
app.command("audit")(audit)
app.command("resample")(resample)
app.command("synth")(synth)
