"""The sections of a run: headline numbers, equity, months, folds, symbols, costs, assumptions, lineage."""

import math

from marketsentry.core.gates.backtest import FLOORS
from marketsentry.core.market.symbols import Market
from marketsentry.reports import charts
from marketsentry.reports.facts import FoldFacts, Lang, RunFacts, SymbolFacts
from marketsentry.reports.layout import Column, command, empty, pairs, section, table, tile, toned
from marketsentry.reports.markup import Child, Markup, element, join
from marketsentry.reports.months import MonthReturn, monthly_returns
from marketsentry.reports.numbers import MISSING, MONTHS_EN, brief, count, day, money, number, percent
from marketsentry.reports.texts import Texts, name_of
from marketsentry.reports.verdict import checks_table


def tiles(run: RunFacts, text: Texts) -> Markup:
    """Six headline numbers."""
    m = run.metrics
    pnl = m.get("pnl_after_cost")
    low, high = m.get("sharpe_low"), m.get("sharpe_high")
    if low is not None and high is not None:
        sharpe_note = text("note.sharpe_interval", low=number(low, digits=2), high=number(high, digits=2))
    else:
        sharpe_note = text("note.sharpe", periods=count(m.get("periods_per_year")))
    return element(
        "dl",
        tile(
            text("measure.pnl_after_cost"),
            percent(pnl, signed=True),
            text("note.pnl_after_cost"),
            css=charts.tone(pnl),
        ),
        tile(text("measure.max_drawdown"), percent(m.get("max_drawdown")), text("note.max_drawdown")),
        tile(text("measure.sharpe"), number(m.get("sharpe"), digits=2), sharpe_note),
        tile(text("measure.ic"), number(m.get("ic"), digits=4), text("note.ic")),
        tile(
            text("measure.hit_rate"),
            percent(m.get("hit_rate"), digits=1),
            text("note.hit_rate", n=count(m.get("samples"))),
        ),
        tile(text("measure.trades"), count(m.get("trades")), text("note.trades", symbols=len(run.symbols))),
        class_="tiles",
    )


def months(run: RunFacts, text: Texts) -> Markup | None:
    """Returns by calendar month; nothing for a run inside one month."""
    returns = monthly_returns(run.curve, capital_quote=run.capital_quote)
    if len(returns) < 2:
        return None
    largest = max((abs(r.return_frac) for r in returns if r.return_frac is not None), default=0.0)
    head = (*MONTHS_EN,) if text("page.html_lang") == "en" else tuple(f"{m}月" for m in range(1, 13))
    years = sorted({r.year for r in returns})
    rows = [_year_row(year, [r for r in returns if r.year == year], largest) for year in years]
    titles = (text("months.year"), *head, text("months.total"))
    grid = element(
        "table",
        element("thead", element("tr", *(element("th", t, scope="col") for t in titles))),
        element("tbody", *rows),
        class_="heat",
    )
    return section(
        text("months.title"), element("div", grid, class_="scroll"), lead=text("months.lead"), is_whole=True
    )


def folds(run: RunFacts, text: Texts) -> Markup:
    """The folds of the model and the reporting windows of the run as tables."""
    if not run.folds:
        return section(text("folds.title"), empty(text("folds.empty")), _windows(run, text))
    notes = [text("folds.final_note")] if any(f.is_final for f in run.folds) else []
    return section(
        text("folds.title"),
        _fold_table(run.folds, text("folds.fold"), text),
        element("p", " ".join([*notes, text("folds.own_account")]), class_="caption"),
        _windows(run, text),
        lead=text("folds.lead"),
    )


def symbols(run: RunFacts, text: Texts, lang: Lang) -> Markup:
    """Results by symbol as a table and as small curves."""
    if not run.per_symbol:
        return section(text("symbols.title"), empty(text("symbols.empty")))
    columns = (
        Column(text("symbols.symbol")),
        Column(text("symbols.pnl"), is_number=True),
        Column("", css="wide-cell"),
        Column(text("symbols.cost"), is_number=True),
        Column(text("measure.trades"), is_number=True),
        Column(text("measure.turnover"), is_number=True),
        Column(text("measure.exposure"), is_number=True),
        Column("IC", is_number=True),
        Column(text("measure.hit_rate"), is_number=True),
    )
    all_pnl = [s.pnl_quote for s in run.per_symbol]
    rows = [_symbol_row(s, all_pnl, text) for s in run.per_symbol]
    drawn = [s for s in run.per_symbol if s.pnl_curve_quote is not None and s.pnl_curve_quote.size]
    small = charts.symbol_charts(run.curve.ts_ns, tuple(drawn), text=text, lang=lang)
    boxes = [
        element(
            "div",
            element("h3", s.symbol, toned(money(s.pnl_quote, signed=True), charts.tone(s.pnl_quote))),
            chart,
        )
        for s, chart in zip(drawn, small, strict=True)
    ]
    multiples = element("div", *boxes, class_="multiples") if boxes else None
    return section(text("symbols.title"), table(columns, rows), multiples, lead=text("symbols.lead"))


def assumptions(run: RunFacts, text: Texts) -> Markup:
    """How the simulation works, in sentences and in parameters."""
    holding = "perpetuals" if run.assumptions.get("market") == Market.PERP else "shorts"
    keys = ("oos", "fills", "costs", "lost", holding)
    rules = element("ul", *(element("li", text(f"assumptions.{key}")) for key in keys), class_="plain")
    values = [
        (name_of(text, "assumption", name), _assumed(name, value, text))
        for name, value in run.assumptions.items()
    ]
    return section(text("assumptions.title"), rules, pairs(values) if values else None, is_whole=True)


def lineage(run: RunFacts, text: Texts) -> Markup:
    """The content hashes and the command that runs it again."""
    hashes = [
        part
        for name, value in run.lineage.items()
        for part in (element("dt", name_of(text, "lineage", name)), element("dd", value or MISSING))
    ]
    return section(
        text("lineage.title"),
        command(run.replay_command, text),
        element("dl", *hashes, class_="hashes") if hashes else None,
        lead=text("lineage.lead"),
        is_whole=True,
    )


def _windows(run: RunFacts, text: Texts) -> Markup | None:
    if not run.windows:
        return None
    title = element("summary", text("windows.title", n=len(run.windows)))
    windows = _fold_table(run.windows, text("windows.window"), text)
    return element(
        "details", title, windows, checks_table(run.gate.checks, FLOORS, text) if run.gate else None
    )


def _fold_table(spans: tuple[FoldFacts, ...], first: str, text: Texts) -> Markup:
    columns = (
        Column(first),
        Column(text("folds.test"), css="keep"),
        Column(text("folds.n_train"), is_number=True, css="optional"),
        Column(text("folds.n_test"), is_number=True),
        Column("IC", is_number=True),
        Column(text("measure.rank_ic"), is_number=True),
        Column(text("folds.pnl"), is_number=True),
        Column("", css="wide-cell"),
    )
    all_pnl = [one.pnl_frac for one in spans]
    rows = [
        (
            element("b", text("folds.final") if one.is_final else str(one.index + 1)),
            f"{day(one.test_start_ns)} – {day(one.test_end_ns - 1)}",
            count(one.n_train),
            count(one.n_test),
            toned(number(one.ic, digits=4, signed=True), charts.tone(one.ic)),
            number(one.rank_ic, digits=4, signed=True),
            toned(percent(one.pnl_frac, signed=True), charts.tone(one.pnl_frac)),
            charts.signed_bar(one.pnl_frac, all_pnl),
        )
        for one in spans
    ]
    return table(columns, rows)


def _assumed(name: str, value: float | str | bool | None, text: Texts) -> str:
    if isinstance(value, bool):
        return text("value.yes" if value else "value.no")
    return value if isinstance(value, str) else brief(name, value)


def _symbol_row(s: SymbolFacts, all_pnl: list[float | None], text: Texts) -> tuple[Child, ...]:
    return (
        join(
            element("b", s.symbol),
            element("span", _symbol_note(s, text), class_="code"),
        ),
        toned(money(s.pnl_quote, signed=True), charts.tone(s.pnl_quote)),
        charts.signed_bar(s.pnl_quote, all_pnl),
        money(s.cost_quote),
        count(s.n_trades),
        number(s.turnover, digits=1),
        percent(s.exposure_frac, digits=1),
        number(s.ic, digits=4, signed=True),
        percent(s.hit_rate, digits=1),
    )


def _symbol_note(s: SymbolFacts, text: Texts) -> str | None:
    """Where the bars came from, or why there is no result."""
    if s.refusal:
        return name_of(text, "reason", s.refusal)
    return name_of(text, "source", s.source) if s.source else None


def _year_row(year: int, returns: list[MonthReturn], largest: float) -> Markup:
    by_month = {r.month: r.return_frac for r in returns}
    known = [r.return_frac for r in returns if r.return_frac is not None]
    total = math.prod(1 + v for v in known) - 1 if known else None
    cells = [_heat_cell(by_month.get(m), largest) if m in by_month else element("td") for m in range(1, 13)]
    return element(
        "tr",
        element("th", str(year), scope="row"),
        *cells,
        element("td", element("b", percent(total, digits=1, signed=True))),
    )


def _heat_cell(value: float | None, largest: float) -> Markup:
    if value is None or not math.isfinite(value) or largest == 0:
        return element("td", percent(value, digits=1, signed=True))
    strength = 0.06 + 0.34 * abs(value) / largest
    css = "warm" if value > 0 else "cold" if value < 0 else None
    return element("td", percent(value, digits=1, signed=True), class_=css, style=f"--a:{strength:.2f}")
