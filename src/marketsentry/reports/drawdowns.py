"""The worst drawdowns of an account: numbered in the chart, named in a table."""

import numpy as np

from marketsentry.core.stats.drawdown_episodes import DrawdownEpisode, drawdown_episodes
from marketsentry.reports import svg
from marketsentry.reports.charts import signed_bar
from marketsentry.reports.facts import EquityCurve
from marketsentry.reports.layout import Column, table
from marketsentry.reports.markup import Markup, element
from marketsentry.reports.numbers import day, number, percent
from marketsentry.reports.texts import Texts

N_WORST = 5
DAY_NS = 86_400_000_000_000


def worst_episodes(curve: EquityCurve) -> tuple[DrawdownEpisode, ...]:
    """The deepest falls, deepest first; none where equity is unknown or starts at or below zero."""
    equity = curve.equity_quote
    if equity.size == 0 or not np.isfinite(equity).all() or equity[0] <= 0:
        return ()
    return drawdown_episodes(equity, n_worst=N_WORST)


def drawdown_marks(curve: EquityCurve, episodes: tuple[DrawdownEpisode, ...]) -> tuple[svg.Mark, ...]:
    """A number at the trough of each."""
    return tuple(
        svg.Mark(int(curve.ts_ns[one.trough_bar]), -one.fraction, "trough", "dot", str(k + 1))
        for k, one in enumerate(episodes)
    )


def drawdown_table(curve: EquityCurve, text: Texts) -> Markup | None:
    """Depth, dates and length of each; nothing without a fall."""
    episodes = worst_episodes(curve)
    if not episodes:
        return None
    columns = (
        Column("#"),
        Column(text("drawdowns.depth"), is_number=True),
        Column("", css="wide-cell"),
        Column(text("drawdowns.peak"), css="keep"),
        Column(text("drawdowns.trough"), css="keep"),
        Column(text("drawdowns.recovered"), css="keep"),
        Column(text("drawdowns.length"), is_number=True),
    )
    depths: list[float | None] = [-one.fraction for one in episodes]
    rows = [
        (
            element("b", str(k + 1)),
            percent(one.fraction),
            signed_bar(-one.fraction, depths),
            day(int(curve.ts_ns[one.peak_bar])),
            day(int(curve.ts_ns[one.trough_bar])),
            text("drawdowns.not_yet")
            if one.recovered_bar is None
            else day(int(curve.ts_ns[one.recovered_bar])),
            number(_length_days(curve, one), digits=1),
        )
        for k, one in enumerate(episodes)
    ]
    title = element("h3", text("drawdowns.title"), class_="part")
    return element("div", title, table(columns, rows), class_="whole")


def _length_days(curve: EquityCurve, one: DrawdownEpisode) -> float:
    """From the peak until it was reached again, or until the curve ends."""
    stop = curve.ts_ns.size - 1 if one.recovered_bar is None else one.recovered_bar
    return float(curve.ts_ns[stop] - curve.ts_ns[one.peak_bar]) / DAY_NS
