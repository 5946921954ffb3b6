"""The trades worth a look as tables: the most profitable, the most costly, the longest."""

from marketsentry.reports.account import TradeFacts
from marketsentry.reports.charts import tone
from marketsentry.reports.facts import RunFacts
from marketsentry.reports.layout import Column, section, table, toned
from marketsentry.reports.markup import Child, Markup, element
from marketsentry.reports.numbers import count, minute, money, percent, price
from marketsentry.reports.texts import Texts


def trades_section(run: RunFacts, text: Texts) -> Markup | None:
    """The best and the worst trades as tables, the longest folded away; nothing without a trade."""
    lists = run.trades
    if lists is None:
        return None
    parts: list[Child] = []
    for name, some in (("best", lists.best), ("worst", lists.worst)):
        if some:
            title = element("h3", text(f"trades.{name}"), class_="part")
            parts.append(element("div", title, _table(some, text), class_="whole"))
    longest = element("details", element("summary", text("trades.longest")), _table(lists.longest, text))
    return section(
        text("trades.title"),
        *parts,
        longest,
        lead=text("trades.lead", n=count(lists.n_trades), n_open=count(lists.n_open)),
    )


def _table(trades: tuple[TradeFacts, ...], text: Texts) -> Markup:
    columns = (
        Column(text("symbols.symbol")),
        Column(text("trades.side"), css="keep"),
        Column(text("trades.entry"), css="keep"),
        Column(text("trades.exit"), css="keep"),
        Column(text("trades.bars"), is_number=True, css="optional"),
        Column(text("trades.qty"), is_number=True, css="optional"),
        Column(text("trades.entry_price"), is_number=True),
        Column(text("trades.exit_price"), is_number=True),
        Column(text("symbols.cost"), is_number=True),
        Column(text("trades.return"), is_number=True),
        Column(text("trades.pnl"), is_number=True),
    )
    return table(columns, [_row(one, text) for one in trades])


def _row(one: TradeFacts, text: Texts) -> tuple[Child, ...]:
    entered = one.qty * one.entry_price
    return (
        element("b", one.symbol),
        text("trades.long" if one.side > 0 else "trades.short"),
        minute(one.entry_ns),
        text("trades.open") if one.exit_ns is None else minute(one.exit_ns),
        count(one.n_bars),
        price(one.qty),
        price(one.entry_price),
        price(one.exit_price),
        money(one.cost_quote),
        percent(one.pnl_quote / entered if entered > 0 else None, signed=True),
        toned(money(one.pnl_quote, signed=True), tone(one.pnl_quote)),
    )
