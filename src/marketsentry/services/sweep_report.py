"""Write the page of a sweep: one HTML file that opens offline."""

import asyncio
from pathlib import Path

from marketsentry import __version__
from marketsentry.reports.facts import Lang
from marketsentry.reports.sweep import render_sweep
from marketsentry.services.report import member, write_page
from marketsentry.services.sweep import SweepResult


async def write_sweep_report(result: SweepResult, *, lang: str, out: Path) -> Path:
    """Render a finished sweep and write it.

    Parameters
    ----------
    result
        What `run_sweep` gave.
    lang
        `zh` or `en`.
    out
        File to write; folders are made, an existing file is replaced whole.

    Returns
    -------
    Path
        The file, absolute.

    Raises
    ------
    InputError
        If `lang` is unknown.
    DependencyError
        If the file cannot be written.
    """
    language = member(Lang, "lang", lang)
    html = await asyncio.to_thread(
        render_sweep, result.document, n_trials=result.n_trials, version=__version__, lang=language
    )
    return await asyncio.to_thread(write_page, out, html)
