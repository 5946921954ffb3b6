"""The evidence section of a report: what stands behind the verdict, picture by picture and table by table."""

from collections.abc import Sequence

from marketsentry.core.evidence.pack import EvidencePack, SkillRow
from marketsentry.core.evidence.paths import Paths
from marketsentry.reports.charts import signed_bar
from marketsentry.reports.evidence_parts import more_parts
from marketsentry.reports.evidence_plots import calibration_plot, skill_plots, trials_plot
from marketsentry.reports.evidence_tables import bounds_text, numbers, part, percent_bounds
from marketsentry.reports.layout import Column, section, table
from marketsentry.reports.markup import Child, Markup, element, join
from marketsentry.reports.numbers import count, day, number, percent
from marketsentry.reports.overfitting import overfitting_body, paths_body
from marketsentry.reports.scales import time_ticks
from marketsentry.reports.texts import TEXTS, Texts

N_FEATURES = 15


def evidence_section(pack: EvidencePack, text: Texts) -> Markup:
    """Skill, trials, baselines, sensitivity, calibration, importance, and what `evidence_parts` adds."""
    lead = text("evidence.lead", level=percent(pack.level, digits=0), n=pack.n_resamples)
    return section(
        text("evidence.title"),
        part(text("evidence.skill"), skill_plots(pack, text), _skill(pack, text)),
        part(text("evidence.trials"), trials_plot(pack, text), _trials(pack, text)),
        part(text("evidence.baselines"), _baselines(pack, text)),
        part(text("evidence.sensitivity"), _sensitivity(pack, text)),
        part(text("evidence.calibration"), calibration_plot(pack, text), _calibration(pack, text)),
        part(text("evidence.importance"), _importance(pack, text)) if pack.importance else None,
        part(text("overfit.title"), overfitting_body(pack.overfitting, text)),
        part(text("paths.kfold"), _kfold(pack, text)) if pack.kfold else None,
        part(text("paths.title"), paths_body(pack.paths, _ticks(pack.paths), text)) if pack.paths else None,
        more_parts(pack, text),
        lead=lead,
    )


def _skill(pack: EvidencePack, text: Texts) -> Markup:
    skill = pack.skill
    rows = [(text("evidence.walk_forward"), skill.walk_forward)]
    rows += [(f"{text('folds.fold')} {int(row.name) + 1}", row) for row in skill.folds]
    rows += [
        (text("folds.final"), skill.final),
        *((row.name, row) for row in (*skill.symbols, *skill.months)),
    ]
    columns = (
        Column(text("evidence.part")),
        *numbers(text("measure.samples"), text("measure.ic"), text("evidence.interval")),
        *numbers(text("measure.rank_ic"), text("evidence.interval")),
    )
    return table(columns, [_skill_row(name, row) for name, row in rows])


def _kfold(pack: EvidencePack, text: Texts) -> Markup:
    columns = (
        Column(text("evidence.part")),
        *numbers(text("measure.samples"), text("measure.ic"), text("evidence.interval")),
        *numbers(text("measure.rank_ic"), text("evidence.interval")),
    )
    return table(
        columns, [_skill_row(f"{text('folds.fold')} {int(row.name) + 1}", row) for row in pack.kfold]
    )


def _ticks(paths: Paths) -> Sequence[tuple[int, str]]:
    """Times of the axis under the curves, as days in UTC: the same in every language."""
    chosen = time_ticks(paths.curve_ts_ns[0], paths.curve_ts_ns[-1], n_ticks=6)
    return [(at, day(at)) for at in chosen.ts_ns]


def _skill_row(name: str, row: SkillRow) -> tuple[Child, ...]:
    ic, rank = number(row.ic, digits=4), number(row.rank_ic, digits=4)
    return (
        name,
        count(row.n_samples),
        ic,
        bounds_text(row.ic_bounds, 3),
        rank,
        bounds_text(row.rank_ic_bounds, 3),
    )


def _trials(pack: EvidencePack, text: Texts) -> Markup:
    trials = pack.trials
    sharpe = f"{number(trials.sharpe, digits=2)} ({bounds_text(trials.sharpe_bounds, 2)})"
    told = text(
        "evidence.trials_lead_one" if trials.n_trials == 1 else "evidence.trials_lead",
        n=count(trials.n_trials),
        luck=number(trials.expected_maximum, digits=2),
        centre=number(trials.centre, digits=2),
        deviation=number(trials.deviation, digits=2),
        sharpe=sharpe,
        score=number(trials.deflated_sharpe),
    )
    columns = (
        Column(text("evidence.trial")),
        Column(text("evidence.recorded"), css="keep"),
        Column(text("evidence.sound")),
        *numbers(text("measure.sharpe")),
    )
    rows = [
        (
            one.model_name,
            one.recorded_at[:16].replace("T", " "),
            text("value.yes") if one.is_sound else text("value.no"),
            number(one.sharpe, digits=2),
        )
        for one in trials.newest
    ]
    return join(element("p", told), table(columns, rows) if rows else None)


def _baselines(pack: EvidencePack, text: Texts) -> Markup:
    columns = (
        Column(text("evidence.baseline")),
        *numbers(text("measure.pnl_after_cost"), text("measure.max_drawdown"), text("measure.sharpe")),
        *numbers(text("evidence.lead_column"), text("evidence.interval"), text("evidence.probability")),
    )
    rows = [
        (
            text(f"evidence.rule.{one.name}"),
            percent(one.pnl_after_cost_frac, signed=True),
            percent(one.max_drawdown_frac),
            number(one.sharpe, digits=2),
            number(one.sharpe_lead, digits=2, signed=True),
            bounds_text(one.sharpe_lead_bounds, 2),
            number(one.lead_probability, digits=2),
        )
        for one in pack.baselines
    ]
    return table(columns, rows)


def _sensitivity(pack: EvidencePack, text: Texts) -> Markup:
    returns = [one.pnl_after_cost_frac for one in pack.scenarios]
    columns = (
        Column(text("evidence.scenario")),
        *numbers(text("measure.pnl_after_cost")),
        Column("", css="wide-cell"),
        *numbers(text("measure.sharpe"), text("measure.max_drawdown"), text("measure.trades")),
    )
    rows = [
        (
            _scenario(one.name, text),
            percent(one.pnl_after_cost_frac, signed=True),
            signed_bar(one.pnl_after_cost_frac, returns),
            number(one.sharpe, digits=2),
            percent(one.max_drawdown_frac),
            count(one.n_trades),
        )
        for one in pack.scenarios
    ]
    return table(columns, rows)


def _scenario(name: str, text: Texts) -> str:
    _, is_without, symbol = name.partition("without:")
    if is_without:
        return text("evidence.without", symbol=symbol)
    return text(f"evidence.case.{name}") if f"evidence.case.{name}" in TEXTS else name


def _calibration(pack: EvidencePack, text: Texts) -> Markup:
    realised: list[float | None] = [one.realised_frac for one in pack.calibration.bins]
    columns = (
        Column(text("evidence.tenth")),
        *numbers(text("measure.samples"), text("evidence.predicted"), text("evidence.realised")),
        Column("", css="wide-cell"),
        *numbers(text("evidence.interval")),
    )
    rows = [
        (
            str(k + 1),
            count(one.n_samples),
            percent(one.predicted_frac, digits=3, signed=True),
            percent(one.realised_frac, digits=3, signed=True),
            signed_bar(one.realised_frac, realised),
            percent_bounds(one.realised_bounds),
        )
        for k, one in enumerate(pack.calibration.bins)
    ]
    slope = element("p", text("evidence.slope", slope=number(pack.calibration.slope, digits=2)))
    return join(slope, table(columns, rows) if rows else None)


def _importance(pack: EvidencePack, text: Texts) -> Markup:
    shown = pack.importance[:N_FEATURES]
    losses = [one.permutation_ic for one in shown]
    columns = (
        Column(text("evidence.feature")),
        *numbers(text("evidence.lost")),
        Column("", css="wide-cell"),
        *numbers(text("evidence.gain")),
    )
    rows = [
        (
            element("span", one.feature, class_="mono"),
            number(one.permutation_ic, digits=4),
            signed_bar(one.permutation_ic, losses),
            percent(one.gain_frac, digits=1),
        )
        for one in shown
    ]
    return table(columns, rows)
