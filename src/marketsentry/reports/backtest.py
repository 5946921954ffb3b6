"""The report of a backtest and of the candidates judged with it: facts in, one HTML document out."""

from marketsentry.core.gates.verdict import Outcome
from marketsentry.reports import sections
from marketsentry.reports.candles import candles_section
from marketsentry.reports.equity import equity_section
from marketsentry.reports.evidence import evidence_section
from marketsentry.reports.facts import CandidateFacts, Lang, Report, RunFacts, Scheme
from marketsentry.reports.layout import default_scheme, outcome_mark, page
from marketsentry.reports.markup import Child, Markup, element
from marketsentry.reports.numbers import day, minute
from marketsentry.reports.rolling import days_section, rolling_section
from marketsentry.reports.sanity import sanity_section
from marketsentry.reports.texts import Texts, name_of, texts
from marketsentry.reports.trades import trades_section
from marketsentry.reports.verdict import candidates_section, verdict_lead, verdict_section
from marketsentry.reports.waterfall import costs_section


def render_report(report: Report, *, lang: Lang, scheme: Scheme | None = None) -> str:
    """Write a report as one self-contained HTML document.

    Parameters
    ----------
    report
        What to show. With a run it is the report of that run; without one, of the candidates alone.
    lang
        Language of every word.
    scheme
        Colours of gain and loss; those readers of the language expect if it is not given.

    Returns
    -------
    str
        HTML that opens offline: it loads nothing and all text from data is escaped.
    """
    text = texts(lang)
    run, candidate = report.run, report.candidate
    name = candidate.name if candidate else run.run_name if run else text("page.candidates_title")
    verdict = verdict_section(candidate, text) if candidate is not None else None
    body: list[Child] = [verdict]
    if run is not None:
        equity = equity_section(run, text, lang)
        is_refusal = run.status != "completed" or (
            candidate is not None and candidate.outcome is not Outcome.PASS
        )
        body = [sections.tiles(run, text), *((verdict, equity) if is_refusal else (equity, verdict))]
        body += [sections.months(run, text), days_section(run, text), rolling_section(run, text, lang)]
        body += [sections.folds(run, text), sections.symbols(run, text, lang), costs_section(run, text)]
        body += [candles_section(run, text, lang), trades_section(run, text)]
        body.append(sanity_section(run.sanity, text))
    body.append(evidence_section(report.evidence, text) if report.evidence is not None else None)
    body.append(candidates_section(report.others, text))
    if run is not None:
        body += [sections.assumptions(run, text), sections.lineage(run, text)]
    return page(
        *body,
        title=text("page.title", name=name),
        hero=_hero(run, candidate, name, text),
        footer=_footer(report, text),
        scheme=scheme or default_scheme(lang),
        text=text,
    )


def _hero(run: RunFacts | None, candidate: CandidateFacts | None, name: str, text: Texts) -> Markup:
    version = element("small", candidate.version) if candidate else None
    left = element(
        "div",
        element("p", text("page.kicker") if run else text("verdict.title"), class_="kicker"),
        element("h1", name, version),
        _facts_line(run, text) if run else None,
    )
    banner = (
        element("p", text("page.synthetic"), class_="banner", role="note")
        if run and run.is_synthetic
        else None
    )
    stamp = _stamp(run, candidate, text)
    return element("div", banner, element("div", left, stamp, class_="hero"))


def _stamp(run: RunFacts | None, candidate: CandidateFacts | None, text: Texts) -> Markup | None:
    if run is not None and run.status != "completed":
        words = [name_of(text, "reason", run.reason) if run.reason else "", run.detail or ""]
        why = ": ".join(filter(None, words)) or None
        word = text("status.running") if run.status == "running" else text("status.failed")
        outcome: Outcome | None = None if run.status == "running" else Outcome.FAIL
        return _stamped(outcome, word, why)
    if candidate is None:
        return _stamped(None, text("verdict.none"), text("verdict.lead.none")) if run else None
    return _stamped(
        candidate.outcome, text(f"verdict.{candidate.outcome.value}"), verdict_lead(candidate, text)
    )


def _stamped(outcome: Outcome | None, word: str, lead: str | None) -> Markup:
    css = outcome.value if outcome else "none"
    return element(
        "div",
        element("strong", outcome_mark(outcome, size=26), word, class_=css),
        element("p", lead) if lead else None,
        class_="stamp",
    )


def _facts_line(run: RunFacts, text: Texts) -> Markup:
    parts: list[Child] = [element("span", element("b", ", ".join(run.symbols)))]
    if run.curve.n_bars:
        first, last = day(int(run.curve.ts_ns[0])), day(int(run.curve.ts_ns[-1]) - 1)
        parts.append(element("span", text("page.period", first=first, last=last)))
        parts.append(element("span", text("page.bars", n=f"{run.curve.n_bars:,}", interval=run.interval)))
    parts.append(element("span", ", ".join(name_of(text, "source", s) for s in run.sources)))
    parts.append(element("span", text("page.run", run=run.run_id)))
    return element("p", *parts, class_="facts")


def _footer(report: Report, text: Texts) -> Markup:
    facts = [text("page.written", version=report.version), text("page.missing")]
    if report.run is not None:
        facts.insert(0, f"{report.run.run_name} {text('page.ran', at=minute(report.run.ended_at_ns))}")
    return element("footer", element("p", " · ".join(facts)), element("p", text("page.disclaimer")))
