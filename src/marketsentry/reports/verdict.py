"""The verdict of a candidate: every value beside its limit, and for a refusal the reasons in words."""

from marketsentry.reports.facts import CandidateFacts, CheckFacts, LeakFacts, Outcome
from marketsentry.reports.layout import Column, outcome_mark, section, table
from marketsentry.reports.markup import Markup, element, join
from marketsentry.reports.numbers import MISSING, measure, minute, number
from marketsentry.reports.texts import TEXTS, Texts, name_of


def verdict_section(candidate: CandidateFacts, text: Texts) -> Markup:
    """The checks of the report's own candidate, and why it was refused where it was."""
    return section(text("verdict.title"), _evidence(candidate, text), lead=text("verdict.lead"))


def candidates_section(candidates: tuple[CandidateFacts, ...], text: Texts) -> Markup | None:
    """The candidates judged beside it, one box each; nothing if there are none."""
    if not candidates:
        return None
    all_refused = all(c.outcome is not Outcome.PASS for c in candidates)
    title = text("others.title") if all_refused else text("others.title_mixed")
    boxes = [_box(c, text) for c in candidates]
    return section(title, *boxes, lead=text("others.lead") if all_refused else None)


def verdict_lead(candidate: CandidateFacts, text: Texts) -> str:
    """One sentence that sums up a verdict."""
    failed = sum(check.outcome is Outcome.FAIL for check in candidate.checks)
    key = f"verdict.lead.{candidate.outcome.value}"
    if candidate.outcome is Outcome.FAIL and failed == 0:
        key = "verdict.lead.refused"
    return text(key, name=candidate.name, version=candidate.version, n=len(candidate.checks), failed=failed)


def _box(candidate: CandidateFacts, text: Texts) -> Markup:
    name = element("span", candidate.name, " ", element("small", candidate.version, class_="soft"))
    word = text(f"verdict.{candidate.outcome.value}")
    state = element("span", outcome_mark(candidate.outcome), " ", word, class_=candidate.outcome.value)
    return element(
        "article",
        element("h3", name, state),
        _evidence(candidate, text),
        class_=f"candidate {candidate.outcome.value}",
    )


def _evidence(candidate: CandidateFacts, text: Texts) -> Markup:
    return join(
        _reasons(candidate.reasons, text),
        _leaks(candidate.leaks, text),
        _checks(candidate.checks, text) if candidate.checks else None,
    )


def _reasons(reasons: tuple[str, ...], text: Texts) -> Markup | None:
    if not reasons:
        return None
    return element("ul", *(element("li", _in_words(reason, text)) for reason in reasons))


def _in_words(reason: str, text: Texts) -> Markup:
    """A reason code becomes words with the code beside them; a sentence stays as it is."""
    if f"reason.{reason}" not in TEXTS:
        return join(reason)
    return join(text(f"reason.{reason}"), " ", element("span", reason, class_="mono soft"))


def _leaks(leaks: tuple[LeakFacts, ...], text: Texts) -> Markup | None:
    if not leaks:
        return None
    columns = (
        Column(text("leak.feature")),
        Column(text("symbols.symbol")),
        Column(text("leak.bar")),
        Column(text("leak.with"), is_number=True),
        Column(text("leak.without"), is_number=True),
    )
    rows = [
        (
            element("b", leak.feature, class_="mono"),
            leak.symbol,
            minute(leak.bar_ts_ns),
            number(leak.value_with_future, digits=6),
            number(leak.value_without_future, digits=6),
        )
        for leak in leaks
    ]
    return join(
        element("h4", text("leak.title")),
        element("p", text("leak.lead"), class_="soft"),
        table(columns, rows),
    )


def _checks(checks: tuple[CheckFacts, ...], text: Texts) -> Markup:
    columns = (
        Column(text("verdict.outcome"), css="state"),
        Column(text("verdict.check")),
        Column(text("verdict.value"), is_number=True),
        Column(text("verdict.limit"), is_number=True),
    )
    return table(columns, [_check_row(check, text) for check in checks], css="checks")


def _check_row(check: CheckFacts, text: Texts) -> tuple[Markup, ...]:
    state = element(
        "span",
        outcome_mark(check.outcome),
        text(f"outcome.{check.outcome.value}"),
        class_=check.outcome.value,
    )
    label = join(name_of(text, "measure", check.name), element("span", check.name, class_="code"))
    limit = _short(measure(check.name, check.limit))
    sign = {">=": "≥", "<=": "≤", "==": "="}.get(check.relation, check.relation)
    return (
        state,
        label,
        join(measure(check.name, check.value)),
        join(limit if limit == MISSING else f"{sign} {limit}"),
    )


def _short(limit: str) -> str:
    """A limit without digits that say nothing: 0.500 reads 0.5, 20.00% reads 20%."""
    digits, unit = (limit[:-1], "%") if limit.endswith("%") else (limit, "")
    return (digits.rstrip("0").rstrip(".") if "." in digits and "e" not in digits else digits) + unit
