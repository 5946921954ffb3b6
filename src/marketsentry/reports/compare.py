"""The page that compares runs: curves over one another, metrics side by side, tests, what differs in their making."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from marketsentry.core.backtest.compare import Comparison, Pair
from marketsentry.core.evidence.paired import Difference
from marketsentry.reports import charts, svg
from marketsentry.reports.facts import Lang
from marketsentry.reports.layout import Column, default_scheme, empty, page, section, table, tile, toned
from marketsentry.reports.markup import Child, Markup, element, join
from marketsentry.reports.numbers import MISSING, count, measure, minute, number, percent
from marketsentry.reports.scales import linear_scale, thin
from marketsentry.reports.texts import Texts, name_of, texts

_LONGEST = 28
_DAY_NS = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class ComparisonPage:
    """A comparison and how its runs are called; `models` as NAME:VERSION, one per run."""

    comparison: Comparison
    models: tuple[str, ...]
    is_synthetic: bool
    version: str


def render_comparison(facts: ComparisonPage, *, lang: Lang) -> str:
    """Write the page as one self-contained HTML document.

    Parameters
    ----------
    facts
        What it shows.
    lang
        Language of every word.

    Returns
    -------
    str
        HTML that opens offline.
    """
    text, found = texts(lang), facts.comparison
    title = " / ".join(dict.fromkeys(facts.models))
    hero = element(
        "div",
        element("div", element("p", text("compare.kicker"), class_="kicker"), element("h1", title), _keys(facts)),
        class_="hero",
    )  # fmt: skip
    banner = element("p", text("page.synthetic"), class_="banner", role="note")
    return page(
        _tiles(found, text),
        section(
            text("compare.curves"),
            comparison_chart(found, text=text, lang=lang),
            lead=text("compare.curves_lead"),
            is_whole=True,
        ),
        _metrics(found, text),
        _tests(found, text),
        _differences(found, text),
        title=f"{title} · {text('compare.kicker')}",
        hero=element("div", banner, hero) if facts.is_synthetic else hero,
        footer=element(
            "footer",
            element("p", f"{text('page.written', version=facts.version)} · {text('page.missing')}"),
            element("p", text("page.disclaimer")),
        ),
        scheme=default_scheme(lang),
        text=text,
    )


def comparison_chart(found: Comparison, *, text: Texts, lang: Lang) -> Markup:
    """Draw the returns of all runs over one another, and their drawdowns below."""
    growth = np.stack([np.concatenate(([1.0], one.equity)) for one in found.window.accounts], axis=1)
    return overlay(found.window.moments_ns, growth, found.names, text=text, lang=lang)


def overlay(
    ts_ns: NDArray[np.int64], growth: NDArray[np.float64], names: Sequence[str], *, text: Texts, lang: Lang
) -> Markup:
    """Draw curves that start at 1 over one another as returns, and their drawdowns below.

    Parameters
    ----------
    ts_ns
        (n,) moments.
    growth
        (n, R) worth of one unit in each of R accounts, R at most 8.
    names
        R names for the read-out.
    text
        Words.
    lang
        Language of the time labels.

    Returns
    -------
    Markup
    """
    gained = growth - 1.0
    depth = -np.stack([charts.drawdown_frac(curve) for curve in growth.T], axis=1)
    rows = thin(np.concatenate((gained, depth), axis=1), max_points=charts.MAX_POINTS)
    panels = [
        svg.Panel(
            height=height,
            scale=linear_scale(values, n_ticks=n_ticks, include=0.0),
            tick_text=lambda value: percent(value, digits=1),
            series=tuple(
                svg.Series(f"{name} {text(word)}", values[rows, i], kind, f"run{i}")
                for i, name in enumerate(names)
            ),
            baseline=0.0,
        )
        for values, height, n_ticks, kind, word in (
            (gained, 280, 5, "signed", "equity.return"),
            (depth, 120, 3, "percent", "equity.drawdown"),
        )
    ]
    return svg.draw(
        svg.TimeChart(
            ts_ns=ts_ns[rows],
            panels=tuple(panels),
            ticks=charts.time_labels(ts_ns[rows], lang, n_ticks=7),
            label=text("compare.aria", runs=", ".join(names)),
            css="main",
        )
    )


def _keys(facts: ComparisonPage) -> Markup:
    """The runs with the colour of their curve."""
    keys = [
        element(
            "span",
            element("i", class_=f"key run{i}"),
            element("b", name),
            f" {model}" if model != name else None,
        )
        for i, (name, model) in enumerate(zip(facts.comparison.names, facts.models, strict=True))
    ]
    return element("p", *keys, class_="facts")


def _tiles(found: Comparison, text: Texts) -> Markup:
    window = found.window
    parts: list[Child] = [
        tile(
            text("compare.window"),
            count(window.n_bars),
            text("compare.bars_note", interval=window.interval.name),
        ),
        tile(
            text("compare.days"),
            number(float(window.moments_ns[-1] - window.moments_ns[0]) / _DAY_NS, digits=1),
            text(
                "page.period",
                first=minute(int(window.moments_ns[0])),
                last=minute(int(window.moments_ns[-1])),
            ),
        ),
    ]
    for one in window.accounts:
        if one.n_before or one.n_after:
            note = text("compare.left_out_note", before=count(one.n_before), after=count(one.n_after))
            parts.append(
                tile(f"{text('compare.left_out')} · {one.name}", count(one.n_before + one.n_after), note)
            )
    return element("dl", *parts, class_="tiles")


def _metrics(found: Comparison, text: Texts) -> Markup:
    columns = [Column(text("verdict.check")), *(Column(name, is_number=True) for name in found.names)]
    rows: list[list[Child]] = [
        [name_of(text, "measure", name), *(_value(name, v, i in found.best[name], text) for i, v in enumerate(values))]
        for name, values in found.metrics.items()
        if any(value is not None for value in values)
    ]  # fmt: skip
    return section(text("compare.metrics"), table(columns, rows), lead=text("compare.metrics_lead"))


def _value(name: str, value: float | None, is_best: bool, text: Texts) -> Markup:
    shown = toned(measure(name, value), charts.tone(value) if name == "pnl_after_cost" else "")
    if not is_best:
        return shown
    return join(element("b", "★ ", title=text("compare.best"), class_="soft"), element("b", shown))


def _tests(found: Comparison, text: Texts) -> Markup:
    columns = [
        Column(text("compare.run")),
        *(
            Column(text(key), is_number=True)
            for key in ("compare.excess", "compare.interval", "compare.p", "compare.sharpe", "compare.interval",
                        "compare.p", "compare.correlation", "compare.entries", "compare.holdings")
        ),
    ]  # fmt: skip
    rows = [_test_row(pair, float(found.correlation[0, i])) for i, pair in enumerate(found.pairs, 1)]
    lead = text(
        "compare.tests_lead",
        first=found.names[0],
        level=percent(found.how.level, digits=0),
        n=count(found.how.n_resamples),
    )
    return section(text("compare.tests"), table(columns, rows), lead=lead)


def _test_row(pair: Pair, correlation: float) -> list[Child]:
    excess, ratio, shared = pair.test.excess, pair.test.sharpe, pair.shared
    return [
        pair.name,
        toned(percent(excess.value, signed=True), charts.tone(excess.value)),
        _bounds(excess, lambda value: percent(value, signed=True)),
        number(pair.excess_p_holm),
        toned(number(ratio.value, digits=2, signed=True), charts.tone(ratio.value)),
        _bounds(ratio, lambda value: number(value, digits=2, signed=True)),
        number(pair.sharpe_p_holm),
        number(correlation, digits=2),
        percent(shared.same_entry_frac, digits=0),
        percent(shared.same_holding_frac, digits=0),
    ]


def _bounds(difference: Difference, shown: Any) -> str:  # Any: a function from number to text
    if difference.bounds is None:
        return MISSING
    return f"{shown(difference.bounds.low)} … {shown(difference.bounds.high)}"


def _differences(found: Comparison, text: Texts) -> Markup:
    if not found.differences:
        return section(text("compare.differences"), empty(text("compare.no_difference")))
    columns = [Column(text("compare.setting"), css="mono"), *(Column(n, css="mono") for n in found.names)]
    rows: list[list[Child]] = [
        [path, *(_plain(value) for value in values)] for path, values in found.differences.items()
    ]
    return section(text("compare.differences"), table(columns, rows), lead=text("compare.differences_lead"))


def _plain(value: Any) -> Child:  # Any: a JSON value
    if value is None:
        return MISSING
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    short = shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
    return element("span", short, title=shown if short != shown else None)
