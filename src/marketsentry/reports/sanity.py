"""The sanity review of a result: what was found, in words, then every check beside its limit."""

from marketsentry.core.gates.sanity import FLOORS
from marketsentry.core.gates.verdict import GateVerdict
from marketsentry.reports.layout import section
from marketsentry.reports.markup import Markup, element, join
from marketsentry.reports.texts import Texts
from marketsentry.reports.verdict import checks_table, failed_check


def sanity_section(review: GateVerdict | None, text: Texts) -> Markup | None:
    """The review of a run as a section of its own; nothing for a run that was stored before there were reviews."""
    if review is None:
        return None
    return section(text("evidence.sanity"), sanity_findings(review, text))


def sanity_findings(review: GateVerdict, text: Texts) -> Markup:
    """Findings in words, and the table of all checks."""
    found = [check for check in review.checks if not check.passed and check.value is not None]
    lead = text("evidence.sanity_some", n=len(found)) if found else text("evidence.sanity_none")
    words = [
        join(f"{text('verdict.note')} " if check.is_informative else "", failed_check(check, True, text))
        for check in found
    ]
    listed = element("ul", *(element("li", one) for one in words), class_="reasons") if words else None
    return join(element("p", lead), listed, checks_table(review.checks, FLOORS, text))
