"""What a notebook shows and a script saves: a page of the house style in a frame of its own."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from marketsentry import __version__
from marketsentry.core.backtest.common_window import common_window
from marketsentry.exceptions import InputError
from marketsentry.reports.compare import overlay
from marketsentry.reports.facts import Lang
from marketsentry.reports.layout import default_scheme, page, section
from marketsentry.reports.markup import Markup, element
from marketsentry.reports.numbers import minute
from marketsentry.reports.texts import texts
from marketsentry.research.backtest import Backtest
from marketsentry.services.report import member, write_page


@dataclass(frozen=True, slots=True)
class Drawing:
    """A page. A notebook shows it as the value of a cell; `save` writes it as one file that opens offline."""

    html: str
    height: int = 620

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page; gives its absolute path."""
        return write_page(Path(path), self.html)

    def _repr_html_(self) -> str:
        frame = element("iframe", style=f"width:100%;height:{self.height}px;border:0", title="MarketSentry")
        return frame.replace("<iframe", f'<iframe srcdoc="{escape(self.html)}"', 1)


def plot(*backtests: Backtest, lang: str = "en") -> Drawing:
    """Draw the equity and the drawdown of backtests over one another.

    Parameters
    ----------
    *backtests
        One to eight; over the bars that they share, each beginning as one.
    lang
        `zh` or `en`.

    Returns
    -------
    Drawing

    Raises
    ------
    InputError
        If there is none or too many, or the language is unknown.
    ConflictError
        If they share no bar.
    """
    if not 1 <= len(backtests) <= 8:
        raise InputError(f"plot takes 1 to 8 backtests, had {len(backtests)}")
    language = member(Lang, "lang", lang)
    window = common_window([one.account for one in backtests])
    names = [one.name for one in backtests]
    growth = np.stack([np.concatenate(([1.0], one.equity)) for one in window.accounts], axis=1)
    text = texts(language)
    chart = overlay(window.moments_ns, growth, names, text=text, lang=language)
    first, last = (minute(int(ns)) for ns in window.moments_ns[[0, -1]])
    facts = element("p", text("page.period", first=first, last=last), class_="facts")
    return draw_page(chart, names, facts, language)


def draw_page(chart: Markup, names: Sequence[str], facts: Markup, language: Lang) -> Drawing:
    """Put a chart on a page of its own."""
    text = texts(language)
    title = " / ".join(names)
    keys = [
        element("span", element("i", class_=f"key run{i}"), element("b", name))
        for i, name in enumerate(names)
    ]
    hero = element(
        "div",
        element("div", element("h1", title), element("p", *keys, class_="facts"), facts),
        class_="hero",
    )
    html = page(
        section(text("compare.curves"), chart, lead=text("compare.curves_lead"), is_whole=True),
        title=title,
        hero=hero,
        footer=element(
            "footer",
            element("p", text("page.written", version=__version__)),
            element("p", text("page.disclaimer")),
        ),
        scheme=default_scheme(language),
        text=text,
    )
    return Drawing(html)
