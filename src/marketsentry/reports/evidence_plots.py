"""Pictures of an evidence pack: skill by fold and by month, calibration, and the score among its trials."""

import math
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from marketsentry.core.dataset import horizon_bars
from marketsentry.core.evidence.pack import EvidencePack, SkillRow
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.stats.bootstrap import Bounds
from marketsentry.reports import plot
from marketsentry.reports.charts import legend
from marketsentry.reports.markup import Markup, element
from marketsentry.reports.numbers import count, number, percent, percent_tick, plain_tick
from marketsentry.reports.scales import Scale, linear_scale
from marketsentry.reports.texts import Texts

MAX_NAMES = 14
MIN_WINDOWS = 30  # label windows that do not overlap, below which a month's correlation is mostly noise


def skill_plots(pack: EvidencePack, text: Texts) -> Markup:
    """IC with its interval by fold, the last block among them, beside that by month; a line where all folds stand.

    A month with fewer than `MIN_WINDOWS` is faint and shows no interval, and the caption says so.
    """
    skill = pack.skill
    by_fold = [(str(int(one.name) + 1), one) for one in skill.folds]
    by_fold.append((text("folds.final"), skill.final))
    by_month = [(one.name, one) for one in skill.months]
    few = {one.name for one in skill.months if not _windows(one, pack) >= MIN_WINDOWS}
    shown = [replace(one, ic_bounds=None) if one.name in few else one for one in skill.months]
    scale = _scale_of([*(one for _, one in by_fold), *shown])
    pooled, named = skill.walk_forward.ic, text("evidence.by_fold")
    plates = [_plate(_skill_plot(by_fold, scale, pooled, named, text), named)]
    if by_month:
        named = text("evidence.by_month")
        drawn = _skill_plot(by_month, scale, pooled, named, text, few)
        plates.append(_plate(drawn, f"{named}{text('evidence.few', n=MIN_WINDOWS)}" if few else named))
    return element("div", *plates, class_="duo")


def _windows(row: SkillRow, pack: EvidencePack) -> float:
    """How many label windows that do not overlap a part has, on average over the symbols."""
    return row.n_samples / (horizon_bars(parse_interval(pack.interval))[pack.horizon] * len(pack.symbols))


def calibration_plot(pack: EvidencePack, text: Texts) -> Markup | None:
    """What each tenth of the predictions promised against what came; on the diagonal it means what it says."""
    tenths = pack.calibration.bins
    if len(tenths) < 2:
        return None
    predicted = np.array([one.predicted_frac for one in tenths])
    across = linear_scale(predicted, n_ticks=5, include=0.0)
    ends = [v for one in tenths for v in _ends(one.realised_bounds, one.realised_frac)]
    up = linear_scale(np.array([*ends, across.low, across.high]), include=0.0)
    axes = plot.Axes(
        240,
        up,
        percent_tick(up.ticks),
        text("evidence.calibration_aria"),
        across,
        percent_tick(across.ticks),
    )
    dots = tuple(
        plot.Dot(
            across.place(one.predicted_frac),
            one.realised_frac,
            one.realised_bounds.low if one.realised_bounds else None,
            one.realised_bounds.high if one.realised_bounds else None,
            f"{percent(one.predicted_frac, digits=3, signed=True)} → "
            f"{percent(one.realised_frac, digits=3, signed=True)} (n = {count(one.n_samples)})",
        )
        for one in tenths
    )
    diagonal = np.array([across.low, across.high])
    drawn = plot.draw_plot(
        axes,
        plot.line(axes, diagonal, diagonal, "rule"),
        over=(plot.level(axes, 0.0, ""), *plot.dots(axes, dots)),
    )
    return _plate(drawn, text("evidence.calibration_axes"))


def trials_plot(pack: EvidencePack, text: Texts) -> Markup | None:
    """The Sharpe ratios of the newest trials, in order, with luck as a line and this candidate at the end.

    Nothing where no earlier trial has a ratio.
    """
    trials = pack.trials
    earlier = [one for one in trials.newest[::-1] if one.sharpe is not None]
    if trials.sharpe is None or not earlier:
        return None
    bounds = trials.sharpe_bounds
    values = [one.sharpe or 0.0 for one in earlier] + [trials.sharpe, trials.expected_maximum]
    values += [bounds.low, bounds.high] if bounds else []
    scale = linear_scale(np.array(values), include=0.0)
    axes = plot.Axes(
        180,
        scale,
        plain_tick(scale.ticks),
        text("evidence.trials_aria"),
        names=((_place(len(earlier), len(earlier) + 1), text("evidence.this_one")),),
    )
    dots = [
        plot.Dot(
            _place(k, len(earlier) + 1),
            one.sharpe,
            None,
            None,
            f"{one.model_name} · {number(one.sharpe, digits=2)}",
            "" if one.is_sound else "unsound",
        )
        for k, one in enumerate(earlier)
    ]
    dots.append(
        plot.Dot(
            _place(len(earlier), len(earlier) + 1),
            trials.sharpe,
            bounds.low if bounds else None,
            bounds.high if bounds else None,
            f"{text('evidence.this_one')} · {number(trials.sharpe, digits=2)}",
            "own",
        )
    )
    drawn = plot.draw_plot(
        axes,
        over=(
            plot.level(axes, 0.0, ""),
            plot.level(axes, trials.expected_maximum, "luck"),
            *plot.dots(axes, tuple(dots)),
        ),
    )
    key = legend(("equity", text("measure.sharpe")), ("luck", text("evidence.luck")))
    return element("figure", key, drawn, class_="plate")


def _skill_plot(
    rows: Sequence[tuple[str, SkillRow]],
    scale: Scale,
    pooled: float | None,
    label: str,
    text: Texts,
    few: Collection[str] = (),
) -> Markup:
    every = math.ceil(len(rows) / MAX_NAMES)
    axes = plot.Axes(
        200,
        scale,
        plain_tick(scale.ticks),
        label,
        names=tuple((_place(k, len(rows)), rows[k][0]) for k in range(0, len(rows), every)),
    )
    dots = tuple(
        plot.Dot(
            _place(k, len(rows)),
            row.ic,
            row.ic_bounds.low if row.ic_bounds and name not in few else None,
            row.ic_bounds.high if row.ic_bounds and name not in few else None,
            f"{name}: IC {number(row.ic, digits=4)} (n = {count(row.n_samples)})",
            "few" if name in few else "",
        )
        for k, (name, row) in enumerate(rows)
    )
    lines = [plot.level(axes, 0.0, "strong")]
    lines += [plot.level(axes, pooled, "")] if pooled is not None else []
    return plot.draw_plot(axes, over=(*lines, *plot.dots(axes, dots)))


def _plate(drawn: Markup, caption: str) -> Markup:
    return element("figure", element("figcaption", caption, class_="axis-name"), drawn, class_="plate")


def _place(k: int, n: int) -> float:
    """Middle of the k-th of n equal parts."""
    return (k + 0.5) / n


def _scale_of(rows: Sequence[SkillRow]) -> Scale:
    ends = [v for one in rows for v in _ends(one.ic_bounds, one.ic)]
    return linear_scale(np.array(ends, dtype=np.float64), include=0.0)


def _ends(bounds: Bounds | None, value: float | None) -> list[float]:
    known = [] if bounds is None else [bounds.low, bounds.high]
    return known if value is None else [*known, value]
