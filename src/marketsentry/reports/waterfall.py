"""Where the money went: from gross to net, for the account as a waterfall and for each symbol as a row."""

import math

from marketsentry.reports import charts
from marketsentry.reports.facts import CostFacts, RunFacts, SymbolFacts
from marketsentry.reports.layout import Column, empty, section, table, toned
from marketsentry.reports.markup import Child, Markup, element, join
from marketsentry.reports.numbers import money, percent
from marketsentry.reports.texts import Texts

Parts = list[tuple[str, float | None]]


def costs_section(run: RunFacts, text: Texts) -> Markup:
    """The waterfall of the account over a table of its symbols."""
    if run.costs is None:
        return section(text("costs.title"), empty(text("costs.empty")))
    parts = _parts(run.costs, has_funding=run.costs.funding_quote is not None)
    columns = (
        Column(text("costs.part")),
        Column("", css="wide-cell"),
        Column(text("costs.quote"), is_number=True),
        Column(text("costs.capital"), is_number=True),
        Column(text("costs.of_gross"), is_number=True),
    )
    rows = [
        (
            text(f"costs.{name}"),
            bar,
            money(value, signed=True),
            _share(value, run.capital_quote),
            _share(value, run.costs.gross_quote),
        )
        for (name, value), bar in zip(parts, _bars(parts), strict=True)
    ]
    return section(
        text("costs.title"),
        table(columns, rows, css="waterfall", last_is_total=True),
        _by_symbol(run, text),
        lead=text("costs.lead"),
        is_whole=True,
    )


def _parts(costs: CostFacts, *, has_funding: bool) -> Parts:
    """Each part with its sign: what was paid is negative. Funding that was received is a gain."""
    paid = [("fee", costs.fee_quote), ("slippage", costs.slippage_quote), ("impact", costs.impact_quote)]
    paid += [("funding", costs.funding_quote)] if has_funding else []
    losses: Parts = [(name, None if value is None else -value) for name, value in paid]
    return [("gross", costs.gross_quote), *losses, ("net", costs.net_quote)]


def _bars(parts: Parts) -> list[Markup] | list[None]:
    """Each part from where the one before ended; gross and net from zero. None where any part is missing."""
    values = [value for _, value in parts if value is not None and math.isfinite(value)]
    if len(values) < len(parts):
        return [None] * len(parts)
    steps, at = [], 0.0
    for (name, _), value in zip(parts, values, strict=True):
        is_total = name in ("gross", "net")
        start = 0.0 if is_total else at
        at = start + value
        steps.append((start, at, charts.tone(value) if is_total else "cost"))
    return charts.waterfall(steps)


def _by_symbol(run: RunFacts, text: Texts) -> Markup | None:
    known = [(one, one.costs) for one in run.per_symbol if one.costs is not None]
    if not known or run.costs is None:
        return None
    has_funding = run.costs.funding_quote is not None
    names = [name for name, _ in _parts(run.costs, has_funding=has_funding)]
    columns = (
        Column(text("symbols.symbol")),
        *(Column(text(f"costs.{name}"), is_number=True) for name in names),
        Column(text("costs.eaten"), is_number=True),
    )
    rows = [_symbol_row(one, _parts(costs, has_funding=has_funding)) for one, costs in known]
    return join(element("h3", text("costs.by_symbol"), class_="part"), table(columns, rows))


def _symbol_row(one: SymbolFacts, parts: Parts) -> tuple[Child, ...]:
    gross = parts[0][1]
    cells = [
        toned(money(value, signed=True), charts.tone(value) if name in ("gross", "net") else "")
        for name, value in parts
    ]
    eaten = None if one.cost_quote is None or gross is None or gross <= 0 else one.cost_quote / gross
    return element("b", one.symbol), *cells, percent(eaten, digits=1)


def _share(value: float | None, whole: float | None) -> str:
    if value is None or whole is None or not whole > 0:
        return percent(None)
    return percent(value / whole, digits=1, signed=True)
