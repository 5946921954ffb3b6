"""Equity over drawdown: the account, where it might have stood, and its universe bought and held."""

import numpy as np
from numpy.typing import NDArray

from marketsentry.reports import svg
from marketsentry.reports.charts import drawdown_frac, legend, thinned_rows, time_labels, tone
from marketsentry.reports.drawdowns import drawdown_marks, drawdown_table, worst_episodes
from marketsentry.reports.facts import FoldFacts, Lang, RunFacts
from marketsentry.reports.layout import empty, section
from marketsentry.reports.markup import Child, Markup, element, join
from marketsentry.reports.numbers import count, money, number, percent, percent_tick
from marketsentry.reports.scales import Scale, linear_scale, log_scale, value_scale
from marketsentry.reports.texts import Texts

MIN_WIDTH_OF_WORDS = 0.085
MIN_WIDTH_OF_NUMBER = 0.025

Floats = NDArray[np.float64]


def equity_section(run: RunFacts, text: Texts, lang: Lang) -> Markup:
    """Equity over drawdown on a linear or a logarithmic axis, and the worst drawdowns as a table."""
    known = run.curve.equity_quote[np.isfinite(run.curve.equity_quote)]
    if known.size == 0:
        return section(text("equity.title"), empty(text("equity.empty")))
    chart = equity_chart(run, text=text, lang=lang)
    return section(
        text("equity.title"),
        _legend(run, text),
        chart,
        *(element("p", note, class_="caption") for note in _notes(run, text)),
        drawdown_table(run.curve, text),
        lead=text("equity.lead"),
    )


def equity_chart(run: RunFacts, *, text: Texts, lang: Lang) -> Markup:
    """Draw the equity of a run over its drawdown with the folds shaded; two axes to choose from where both can be."""
    usual = value_scale(_on_axis(run), include=run.capital_quote)
    if usual.low <= 0 and np.nanmin(_on_axis(run)) <= 0:
        return _drawn(run, usual, text=text, lang=lang)
    values = _on_axis(run)
    linear = _drawn(run, linear_scale(values, include=run.capital_quote), text=text, lang=lang)
    logarithmic = _drawn(run, log_scale(values, include=run.capital_quote), text=text, lang=lang)
    return element(
        "div",
        _axis_switch(usual.is_log, text),
        element("div", linear, class_="view linear"),
        element("div", logarithmic, class_="view log"),
        class_="axes",
    )


def _on_axis(run: RunFacts) -> Floats:
    """Every value that the equity panel draws."""
    parts = [run.curve.equity_quote, np.array([run.capital_quote])]
    parts += [run.band.low_quote, run.band.high_quote] if run.band is not None else []
    parts += [run.hold_quote] if run.hold_quote is not None else []
    values = np.concatenate(parts)
    known: Floats = values[np.isfinite(values)]
    return known


def _drawn(run: RunFacts, scale: Scale, *, text: Texts, lang: Lang) -> Markup:
    curve, rows = run.curve, thinned_rows(run.curve)
    ts_ns = curve.ts_ns[rows]
    down = drawdown_frac(curve.equity_quote)
    depth_scale = linear_scale(-down, n_ticks=3, include=0.0)
    depth_panel = svg.Panel(
        height=110,
        scale=depth_scale,
        tick_text=percent_tick(depth_scale.ticks),
        series=(svg.Series(text("equity.drawdown"), -down[rows], "percent", "loss", fill_from=0.0),),
        marks=drawdown_marks(curve, worst_episodes(curve)),
    )
    return svg.draw(
        svg.TimeChart(
            ts_ns=ts_ns,
            panels=(_equity_panel(run, rows, scale, text), depth_panel),
            ticks=time_labels(ts_ns, lang, n_ticks=7),
            label=_label(run, down, text),
            spans=tuple(_fold_span(f, i, _width_frac(f, ts_ns), text) for i, f in enumerate(run.bands)),
            head=54 if run.bands else 8,
            css="main",
        )
    )


def _equity_panel(run: RunFacts, rows: NDArray[np.int64], scale: Scale, text: Texts) -> svg.Panel:
    equity, band = run.curve.equity_quote[rows], run.band
    series = []
    if run.hold_quote is not None:
        series.append(svg.Series(text("equity.hold"), run.hold_quote[rows], "money", "hold"))
    series.append(svg.Series(text("equity.equity"), equity, "money", "equity"))
    series.append(
        svg.Series(
            text("equity.return"), equity / run.capital_quote - 1.0, "signed", "return", is_drawn=False
        )
    )
    ribbons: tuple[svg.Ribbon, ...] = ()
    if band is not None:
        low, high = (_at_rows(band.rows, one, rows) for one in (band.low_quote, band.high_quote))
        ribbons = (svg.Ribbon(low, high, "likely"),)
        for name, one in (("equity.band_high", high), ("equity.band_low", low)):
            series.append(svg.Series(text(name), one, "money", "likely", is_drawn=False))
    return svg.Panel(300, scale, money, tuple(series), baseline=run.capital_quote, ribbons=ribbons)


def _at_rows(known: NDArray[np.int64], values: Floats, rows: NDArray[np.int64]) -> Floats:
    """Values at the wanted rows, NaN where none is known."""
    at = np.minimum(np.searchsorted(known, rows), known.size - 1)
    return np.where(known[at] == rows, values[at], np.nan)


def _label(run: RunFacts, down: Floats, text: Texts) -> str:
    known = run.curve.equity_quote[np.isfinite(run.curve.equity_quote)]
    return text(
        "equity.aria",
        start=money(float(known[0])),
        end=money(float(known[-1])),
        drawdown=percent(float(np.nanmax(down))),
    )


def _legend(run: RunFacts, text: Texts) -> Markup:
    entries = [("equity", text("equity.equity"))]
    if run.band is not None:
        entries.append(("likely", text("equity.band", level=percent(run.band.level, digits=0))))
    if run.hold_quote is not None:
        entries.append(("hold", text("equity.hold")))
    entries.append(("baseline", text("equity.start")))
    return legend(*entries)


def _notes(run: RunFacts, text: Texts) -> list[Child]:
    notes: list[Child] = []
    if run.band is not None:
        notes.append(
            text(
                "equity.band_note",
                level=percent(run.band.level, digits=0),
                n=count(run.band.n_resamples),
                block=count(run.band.block_bars),
            )
        )
    else:
        notes.append(text("equity.no_band"))
    if run.hold_quote is not None:
        notes.append(text("equity.hold_note"))
    shown = thinned_rows(run.curve).size
    if shown < run.curve.n_bars:
        notes.append(text("equity.thinned", shown=f"{shown:,}", n=f"{run.curve.n_bars:,}"))
    notes.append(element("span", text("equity.zoom"), class_="screen"))
    return [join(*(part for note in notes for part in (note, " ")))]


def _axis_switch(is_log: bool, text: Texts) -> Markup:
    choices = [
        element(
            "label",
            element("input", type="radio", name="axis", value=value, checked="" if chosen else None),
            text(f"equity.{value}"),
        )
        for value, chosen in (("linear", not is_log), ("log", is_log))
    ]
    return element(
        "fieldset", element("legend", text("equity.axis")), join(*choices), class_="switch axis screen"
    )


def _fold_span(fold: FoldFacts, i: int, width_frac: float, text: Texts) -> svg.Span:
    name = text("folds.final") if fold.is_final else f"{text('folds.fold')} {fold.index + 1}"
    ic = f"IC {number(fold.ic, signed=True)}"
    pnl = percent(fold.pnl_frac, digits=1, signed=True)
    return svg.Span(
        fold.test_start_ns,
        fold.test_end_ns,
        css="final" if fold.is_final else ("odd" if i % 2 else "even"),
        summary=f"{name} · {ic} · {pnl}",
        lines=_fold_lines(fold, (name, ic, pnl), width_frac),
    )


def _width_frac(fold: FoldFacts, ts_ns: NDArray[np.int64]) -> float:
    """Share of the time axis that a fold takes."""
    span = int(ts_ns[-1]) - int(ts_ns[0])
    return (fold.test_end_ns - fold.test_start_ns) / span if span else 0.0


def _fold_lines(
    fold: FoldFacts, words: tuple[str, str, str], width_frac: float
) -> tuple[tuple[int, str, str], ...]:
    """What fits above a band: name, IC and return; its number alone; or nothing."""
    short = "★" if fold.is_final else str(fold.index + 1)
    if width_frac < MIN_WIDTH_OF_NUMBER:
        return ()
    if width_frac < MIN_WIDTH_OF_WORDS:
        return ((0, "name", short),)
    name, ic, pnl = words
    wide = f"wide {tone(fold.pnl_frac)}".strip()
    return ((0, "name narrow", short), (0, "name wide", name), (1, "wide", ic), (2, wide, pnl))
