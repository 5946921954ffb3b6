"""The evidence pack of a model version as one page: the verdict, and everything behind it."""

from dataclasses import dataclass

from marketsentry.core.evidence.pack import EvidencePack
from marketsentry.core.gates.candidate import UNSURE
from marketsentry.core.gates.verdict import GateVerdict
from marketsentry.reports.evidence import evidence_section
from marketsentry.reports.facts import Lang
from marketsentry.reports.layout import default_scheme, outcome_mark, page, section
from marketsentry.reports.markup import Markup, element
from marketsentry.reports.texts import Texts, texts
from marketsentry.reports.verdict import checks_table


@dataclass(frozen=True, slots=True)
class EvidencePage:
    """What the page shows: a version, its verdict, its pack, and the hash the pack is stored under."""

    name: str
    version: str
    verdict: GateVerdict
    pack: EvidencePack
    sha256: str


def render_evidence(shown: EvidencePage, *, program_version: str, lang: Lang) -> str:
    """Write an evidence pack as one self-contained HTML document.

    Parameters
    ----------
    shown
        What to show.
    program_version
        Of the program.
    lang
        Language of every word.

    Returns
    -------
    str
        HTML that opens offline; the same arguments give the same bytes.
    """
    text = texts(lang)
    footer = element(
        "footer",
        element("p", text("page.evidence_hash", sha256=shown.sha256)),
        element("p", f"{text('page.written', version=program_version)} · {text('page.missing')}"),
        element("p", text("page.disclaimer")),
    )
    return page(
        section(text("verdict.title"), checks_table(shown.verdict.checks, UNSURE, text)),
        evidence_section(shown.pack, text),
        title=text("page.evidence_title", name=f"{shown.name}:{shown.version}"),
        hero=_hero(shown, text),
        footer=footer,
        scheme=default_scheme(lang),
        text=text,
    )


def _hero(shown: EvidencePage, text: Texts) -> Markup:
    pack, outcome = shown.pack, shown.verdict.outcome
    facts = element(
        "p",
        element("span", element("b", ", ".join(pack.symbols))),
        element("span", f"{pack.interval} → {pack.horizon}"),
        class_="facts",
    )
    left = element(
        "div",
        element("p", text("page.evidence_kicker"), class_="kicker"),
        element("h1", shown.name, element("small", shown.version)),
        facts,
    )
    word = text(f"verdict.{outcome.value}")
    stamp = element(
        "div",
        element("strong", outcome_mark(outcome, size=26), word, class_=outcome.value),
        class_="stamp",
    )
    return element("div", element("div", left, stamp, class_="hero"))
