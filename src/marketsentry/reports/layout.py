"""The parts of a report page: the shell, sections, tables, tiles, marks. They know nothing of backtests."""

from collections.abc import Sequence
from dataclasses import dataclass

from marketsentry.core.gates.verdict import Outcome
from marketsentry.reports.facts import Lang, Scheme
from marketsentry.reports.markup import Child, Markup, element, join
from marketsentry.reports.script import SCRIPT
from marketsentry.reports.stylesheet import CSS
from marketsentry.reports.texts import Texts


@dataclass(frozen=True, slots=True)
class Column:
    """A table column: its heading, whether it holds numbers, and classes of its own."""

    title: str
    is_number: bool = False
    css: str = ""

    @property
    def classes(self) -> str | None:
        return f"{'num' if self.is_number else ''} {self.css}".strip() or None


def page(*sections: Child, title: str, hero: Markup, footer: Markup, scheme: Scheme, text: Texts) -> str:
    """Put a whole document together. It loads nothing: style and script are in it."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("link", rel="icon", href="data:,"),
        element("title", title),
        element("style", Markup(CSS)),
    )
    top = element(
        "header", element("div", _logo(), "MarketSentry", class_="mark"), _switch(scheme, text), class_="top"
    )
    body = element("body", top, element("main", hero, *sections), footer, element("script", Markup(SCRIPT)))
    root = element("html", head, body, lang=text("page.html_lang"), data_scheme=scheme.value)
    return f"<!doctype html>\n{root}\n"


def default_scheme(lang: Lang) -> Scheme:
    """The colours readers of a language expect."""
    return Scheme.CN if lang is Lang.ZH else Scheme.US


def section(title: str, *children: Child, lead: str | None = None, is_whole: bool = False) -> Markup:
    """A titled part of the page with an optional sentence under it; a whole one is not split on paper."""
    head = element(
        "div", element("h2", title), element("p", lead, class_="lead") if lead else None, class_="head"
    )
    return element("section", head, *children, class_="whole" if is_whole else None)


def empty(sentence: str) -> Markup:
    """What stands where there is nothing to show."""
    return element("p", sentence, class_="empty")


def table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Child]],
    *,
    css: str | None = None,
    last_is_total: bool = False,
) -> Markup:
    """A table that scrolls sideways on narrow screens instead of breaking its numbers."""
    head = element(
        "thead", element("tr", *(element("th", c.title, class_=c.classes, scope="col") for c in columns))
    )
    body = [
        element(
            "tr",
            *(element("td", cell, class_=c.classes) for c, cell in zip(columns, row, strict=True)),
            class_="total" if last_is_total and i == len(rows) - 1 else None,
        )
        for i, row in enumerate(rows)
    ]
    return element("div", element("table", head, element("tbody", *body), class_=css), class_="scroll")


def tile(label: str, value: Child, note: str | None, *, css: str = "") -> Markup:
    """One headline number with its name above and its meaning below."""
    return element(
        "div",
        element("dt", label),
        element("dd", value, class_=css or None),
        element("dd", note, class_="note") if note else None,
        class_="tile",
    )


def pairs(rows: Sequence[tuple[str, Child]]) -> Markup:
    """Names and values in as many columns as the width allows."""
    return element(
        "dl", *(element("div", element("dt", k), element("dd", v)) for k, v in rows), class_="pairs"
    )


def toned(value: str, css: str) -> Markup:
    """A number in the colour of gain or loss; its sign says the same."""
    return element("span", value, class_=css or None)


def outcome_mark(outcome: Outcome | None, *, size: int = 16) -> Markup:
    """The sign of an outcome, told by its shape: tick in a disc, cross in a square, dotted ring."""
    shapes = {
        Outcome.PASS: (
            element("circle", cx=8, cy=8, r=8, fill="currentColor"),
            _stroke("M4.4 8.3l2.5 2.5 4.8-5.3"),
        ),
        Outcome.FAIL: (
            element("rect", x=0.5, y=0.5, width=15, height=15, rx=2.5, fill="currentColor"),
            _stroke("M4.8 4.8l6.4 6.4M11.2 4.8l-6.4 6.4"),
        ),
    }
    ring = (
        element(
            "circle",
            cx=8,
            cy=8,
            r=7,
            fill="none",
            stroke="currentColor",
            stroke_width=1.8,
            stroke_dasharray="3 2",
        ),
        *(element("circle", cx=x, cy=8, r=1.1, fill="currentColor") for x in (4.9, 8, 11.1)),
    )
    drawn = shapes.get(outcome, ring) if outcome else ring
    css = f"icon {outcome.value if outcome else 'none'}"
    return element(
        "svg", *drawn, class_=css, width=size, height=size, viewBox="0 0 16 16", aria_hidden="true"
    )


def command(line: str, text: Texts) -> Markup:
    """A shell command with a button that copies it."""
    button = element("button", text("lineage.copy"), type="button", data_done=text("lineage.copied"))
    return element("div", element("code", line), button, class_="command")


def _stroke(path: str) -> Markup:
    return element(
        "path",
        d=path,
        fill="none",
        stroke="var(--page)",
        stroke_width=1.9,
        stroke_linecap="round",
        stroke_linejoin="round",
    )


def _logo() -> Markup:
    return element(
        "svg",
        element(
            "path",
            d="M2 15.5l5-6 3.6 3.2L18 4",
            fill="none",
            stroke="currentColor",
            stroke_width=2.2,
            stroke_linecap="round",
            stroke_linejoin="round",
        ),
        element(
            "path", d="M2 19h16", fill="none", stroke="currentColor", stroke_width=1.4, stroke_opacity=0.45
        ),
        width=20,
        height=22,
        viewBox="0 0 20 22",
        aria_hidden="true",
    )


def _switch(scheme: Scheme, text: Texts) -> Markup:
    choices = [
        element(
            "label",
            element(
                "input", type="radio", name="scheme", value=one.value, checked="" if one is scheme else None
            ),
            text(f"page.scheme.{one.value}"),
        )
        for one in Scheme
    ]
    return element("fieldset", element("legend", text("page.scheme")), join(*choices), class_="switch")
