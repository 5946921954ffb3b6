"""Trades on candles: for every symbol its best, its worst and its last trade with the market around them."""

from itertools import groupby

import numpy as np

from marketsentry.reports import svg
from marketsentry.reports.account import CandleWindow, TradeFacts
from marketsentry.reports.charts import legend, time_labels, tone
from marketsentry.reports.facts import Lang, RunFacts
from marketsentry.reports.layout import empty, section, toned
from marketsentry.reports.markup import Markup, element
from marketsentry.reports.numbers import minute, money, plain_tick, price
from marketsentry.reports.scales import linear_scale
from marketsentry.reports.texts import Texts

N_OPEN = 4


def candles_section(run: RunFacts, text: Texts, lang: Lang) -> Markup | None:
    """One fold-out per symbol, the largest gains and losses open; or why no trade can be drawn."""
    if run.market_refusal is not None:
        code, detail = run.market_refusal
        return section(text("candles.title"), empty(text(f"candles.{code}", detail=detail)))
    if not run.candles:
        return None
    pnl = {one.symbol: abs(one.pnl_quote or 0.0) for one in run.per_symbol}
    shown = sorted(pnl, key=lambda symbol: -pnl[symbol])[:N_OPEN]
    boxes = [
        _symbol_box(run, symbol, tuple(windows), symbol in shown, text, lang)
        for symbol, windows in groupby(run.candles, key=lambda one: one.symbol)
    ]
    return section(
        text("candles.title"),
        legend(("up", text("candles.long")), ("down", text("candles.short"))),
        *boxes,
        lead=text("candles.lead"),
    )


def _symbol_box(
    run: RunFacts, symbol: str, windows: tuple[CandleWindow, ...], is_open: bool, text: Texts, lang: Lang
) -> Markup:
    plates = [_plate(window, text, lang) for window in windows]
    total = next((one.pnl_quote for one in run.per_symbol if one.symbol == symbol), None)
    summary = element("summary", symbol, " ", toned(money(total, signed=True), tone(total)))
    return element(
        "details",
        summary,
        element("div", *plates, class_="windows"),
        class_="symbol",
        open="" if is_open else None,
    )


def _plate(window: CandleWindow, text: Texts, lang: Lang) -> Markup:
    one = window.chosen
    words = trade_words(one, text)
    caption = element(
        "figcaption",
        element("b", text(f"candles.{window.why}")),
        " ",
        toned(money(one.pnl_quote, signed=True), tone(one.pnl_quote)),
        element("span", words, class_="soft"),
        element("span", _note(window, text), class_="soft"),
    )
    if window.open_ns.size == 0:
        return element("figure", caption, empty(text("candles.none")))
    return element("figure", caption, candle_chart(window, text=text, lang=lang))


def candle_chart(window: CandleWindow, *, text: Texts, lang: Lang) -> Markup:
    """Draw the candles of a window with entries and exits: the chosen trade strong, others pale."""
    half = window.interval_ns // 2
    first, last = int(window.open_ns[0]), int(window.open_ns[-1]) + window.interval_ns
    trades = [(window.chosen, False), *((one, True) for one in window.others)]
    prices = _prices_inside([one for one, _ in trades], (first, last))
    scale = linear_scale(np.append(window.values.ravel(), prices), n_ticks=4)
    marks = [mark for one, is_other in trades for mark in _marks(one, is_other, (first, last))]
    links = [_link(one, is_other, window) for one, is_other in trades]
    names = ("open", "high", "low", "close")
    panel = svg.Panel(
        190,
        scale,
        plain_tick(scale.ticks),
        tuple(
            svg.Series(text(f"candles.{name}"), window.values[:, k], "price", "none", is_drawn=False)
            for k, name in enumerate(names)
        ),
        candles=svg.Candles(window.values, window.interval_ns),
        marks=tuple(marks[::-1]),
        links=tuple(links[::-1]),
    )
    return svg.draw(
        svg.TimeChart(
            ts_ns=window.open_ns + half,
            panels=(panel,),
            ticks=time_labels(window.open_ns, lang, n_ticks=4),
            label=f"{window.symbol} {window.interval}: {trade_words(window.chosen, text)}",
            spans=tuple(_span(one, last, text) for one, _ in trades),
            css="small candles",
            extent_ns=(first, last),
            named_ns=window.open_ns,
        )
    )


def trade_words(one: TradeFacts, text: Texts) -> str:
    """A trade in a line: side, quantity, when and at what price it began and ended."""
    side = text("trades.long" if one.side > 0 else "trades.short")
    end = text("trades.open") if one.exit_ns is None else f"{minute(one.exit_ns)} @ {price(one.exit_price)}"
    return f"{side} {price(one.qty)} · {minute(one.entry_ns)} @ {price(one.entry_price)} → {end}"


def _note(window: CandleWindow, text: Texts) -> str:
    note = text("candles.length", interval=window.interval)
    if window.n_left_out:
        note += " " + text("candles.left_out", n=window.n_left_out)
    return note


def _prices_inside(trades: list[TradeFacts], ends: tuple[int, int]) -> list[float]:
    """Prices of the fills that are marked."""
    places = [(one.entry_ns, one.first_price) for one in trades]
    places += [(one.exit_ns, one.last_price) for one in trades if one.exit_ns and one.last_price]
    return [value for at_ns, value in places if ends[0] <= at_ns <= ends[1]]


def _marks(one: TradeFacts, is_other: bool, ends: tuple[int, int]) -> list[svg.Mark]:
    """Entry: a triangle that points the way of the trade, below the price for a long one. Exit: a ring."""
    pale = " other" if is_other else ""
    first, last = ends
    marks = []
    if one.exit_ns is not None and one.last_price is not None and first <= one.exit_ns <= last:
        marks.append(svg.Mark(one.exit_ns, one.last_price, f"exit {tone(one.pnl_quote)}{pale}", "dot"))
    if first <= one.entry_ns <= last:
        marks.append(
            svg.Mark(one.entry_ns, one.first_price, f"entry{pale}", "up" if one.side > 0 else "down")
        )
    return marks


def _link(one: TradeFacts, is_other: bool, window: CandleWindow) -> svg.Link:
    close = float(window.values[-1, 3])
    last = int(window.open_ns[-1]) + window.interval_ns
    end = (last, close) if one.exit_ns is None or one.last_price is None else (one.exit_ns, one.last_price)
    css = f"{tone(one.pnl_quote)}{' other' if is_other else ''}"
    return svg.Link((one.entry_ns, one.first_price), end, css)


def _span(one: TradeFacts, last: int, text: Texts) -> svg.Span:
    """What the read-out tells while the pointer is over a trade; nothing is shaded."""
    stop = last if one.exit_ns is None else one.exit_ns
    side = text("trades.long" if one.side > 0 else "trades.short")
    end = text("trades.open") if one.exit_price is None else price(one.exit_price)
    words = f"{side} {price(one.qty)} @ {price(one.entry_price)} → {end}: {money(one.pnl_quote, signed=True)}"
    return svg.Span(one.entry_ns, stop, "trade", words)
