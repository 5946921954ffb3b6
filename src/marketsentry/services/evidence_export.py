"""Write the evidence pack of a version to a file: the stored JSON as it is, or a page that opens offline."""

from pathlib import Path

from marketsentry import __version__
from marketsentry.exceptions import InputError
from marketsentry.reports.evidence_page import EvidencePage, render_evidence
from marketsentry.reports.facts import Lang
from marketsentry.services.evidence import StoredEvidence
from marketsentry.services.report import member, write_page

SUFFIXES = (".html", ".json")


def check_export(out: Path, lang: str) -> Lang:
    """Refuse a file or language that cannot be written, before anything is read; gives the language.

    Parameters
    ----------
    out
        The file.
    lang
        `zh` or `en`.

    Returns
    -------
    Lang

    Raises
    ------
    InputError
        If the name of the file ends neither in `.json` nor `.html`, or the language is unknown.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"the name of an evidence file must end in {' or '.join(SUFFIXES)}, was {out.name!r}"
        )
    return member(Lang, "lang", lang)


def export_evidence(found: StoredEvidence, out: Path, *, lang: str = "en") -> Path:
    """Write a pack in the format that the file's name asks for.

    Parameters
    ----------
    found
        The pack.
    out
        `.json` gets the stored bytes, `.html` the page; replaced whole, folders are made.
    lang
        Language of the page.

    Returns
    -------
    Path
        The file, absolute.

    Raises
    ------
    InputError
        As `check_export`.
    DependencyError
        If the file cannot be written.
    """
    language = check_export(out, lang)
    if out.suffix.lower() == ".json":
        return write_page(out, found.content.decode())
    shown = EvidencePage(found.name, found.version, found.verdict, found.pack, found.sha256)
    return write_page(out, render_evidence(shown, program_version=__version__, lang=language))
