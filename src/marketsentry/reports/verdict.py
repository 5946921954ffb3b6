"""The verdict of a candidate: every value beside its limit, and for a refusal the reasons in words."""

from marketsentry.core.gates.verdict import GateCheck, Outcome
from marketsentry.reports.facts import CandidateFacts, LeakFacts
from marketsentry.reports.layout import Column, outcome_mark, section, table
from marketsentry.reports.markup import Markup, element, join
from marketsentry.reports.numbers import brief, measure, minute, number
from marketsentry.reports.texts import TEXTS, Texts, name_of

SIGNS = {">=": "≥", "<=": "≤"}


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
    binding = [check for check in candidate.checks if not check.is_informative]
    failed = sum(not check.passed for check in binding)
    key = f"verdict.lead.{candidate.outcome.value}"
    if candidate.outcome is Outcome.FAIL and failed == 0:
        key = "verdict.lead.refused"
    return text(key, name=candidate.name, version=candidate.version, n=len(binding), failed=failed)


def checks_table(checks: tuple[GateCheck, ...], floors: frozenset[str], text: Texts) -> Markup:
    """Checks as a table: outcome, name, value, limit."""
    columns = (
        Column(text("verdict.outcome"), css="state"),
        Column(text("verdict.check")),
        Column(text("verdict.value"), is_number=True),
        Column(text("verdict.limit"), is_number=True),
    )
    rows = [_check_row(check, floors, text) for check in checks]
    return table(columns, rows, css="checks")


def check_outcome(check: GateCheck, floors: frozenset[str]) -> Outcome:
    """What one check says by itself: too few observations is neither a pass nor a fail."""
    if check.passed:
        return Outcome.PASS
    return Outcome.INSUFFICIENT_OBSERVATION if check.name in floors else Outcome.FAIL


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
        _reasons(candidate, text),
        _leaks(candidate.leaks, text),
        checks_table(candidate.checks, candidate.floors, text) if candidate.checks else None,
    )


def _reasons(candidate: CandidateFacts, text: Texts) -> Markup | None:
    reasons = [_in_words(reason, text) for reason in candidate.reasons]
    told = {"leaks"} if candidate.leaks else set()
    reasons += [
        failed_check(check, check.name not in told, text)
        for check in candidate.checks
        if not check.passed and not check.is_informative
    ]
    reasons += [
        join(text("verdict.note"), " ", failed_check(check, True, text))
        for check in candidate.checks
        if not check.passed and check.is_informative
    ]
    return (
        element("ul", *(element("li", reason) for reason in reasons), class_="reasons") if reasons else None
    )


def _in_words(reason: str, text: Texts) -> Markup:
    """A reason code becomes words with the code beside them; a sentence stays as it is."""
    if f"reason.{reason}" not in TEXTS:
        return join(reason)
    return join(text(f"reason.{reason}"), " ", element("span", reason, class_="mono soft"))


def failed_check(check: GateCheck, with_detail: bool, text: Texts) -> Markup:
    name, limit = _words(check.name, text), _limit(check)
    if check.value is None or measure(check.name, check.value) == measure(check.name, None):
        sentence = text("reason.not_measured", measure=name, limit=limit)
    else:
        sentence = text(
            "reason.below_limit", measure=name, value=measure(check.name, check.value), limit=limit
        )
    return join(
        sentence, element("span", " ", check.detail, class_="soft") if check.detail and with_detail else None
    )


def _leaks(leaks: tuple[LeakFacts, ...], text: Texts) -> Markup | None:
    if not leaks:
        return None
    columns = (
        Column(text("leak.feature")),
        Column(text("symbols.symbol")),
        Column(text("leak.bar"), css="keep"),
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


def _check_row(check: GateCheck, floors: frozenset[str], text: Texts) -> tuple[Markup, ...]:
    outcome = check_outcome(check, floors)
    word = text(f"outcome.{outcome.value}")
    if check.is_informative and not check.passed:
        state = element("span", outcome_mark(None), text("outcome.note"), class_="none")
    else:
        state = element("span", outcome_mark(outcome), word, class_=outcome.value)
    label = join(_words(check.name, text), element("span", check.name, class_="code"))
    return state, label, join(measure(check.name, check.value)), join(_limit(check))


def _words(name: str, text: Texts) -> str:
    """The words for a check; one of a reporting window carries its index from 0, as in `ic[4]`."""
    base, bracket, index = name.partition("[")
    words = name_of(text, "measure", base)
    return text("verdict.of_window", measure=words, n=int(index[:-1]) + 1) if bracket else words


def _limit(check: GateCheck) -> str:
    sign = check.comparison.value
    return f"{SIGNS.get(sign, sign)} {brief(check.name, check.limit)}"
