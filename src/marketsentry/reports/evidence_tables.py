"""Table cells that the parts of the evidence share."""

from collections.abc import Sequence

from marketsentry.core.stats.bootstrap import Bounds
from marketsentry.reports.layout import Column
from marketsentry.reports.markup import Markup, element, join
from marketsentry.reports.numbers import MISSING, number, percent
from marketsentry.reports.texts import Texts


def part(title: str, *body: Markup | None) -> Markup:
    """A titled part of the section."""
    return join(element("h3", title), *body)


def numbers(*titles: str) -> Sequence[Column]:
    """Columns of numbers."""
    return [Column(title, is_number=True) for title in titles]


def bounds_text(bounds: Bounds | None, digits: int) -> str:
    """An interval of plain numbers."""
    if bounds is None:
        return MISSING
    return f"{number(bounds.low, digits=digits)} … {number(bounds.high, digits=digits)}"


def percent_bounds(bounds: Bounds | None, digits: int = 3) -> str:
    """An interval of fractions, in percent."""
    if bounds is None:
        return MISSING
    return f"{percent(bounds.low, digits=digits)} … {percent(bounds.high, digits=digits)}"


def span_name(name: str, text: Texts) -> str:
    """The words for a part of the test: a fold by its number, the whole, the last block; a symbol reads as it is."""
    if name.isdigit():
        return f"{text('folds.fold')} {int(name) + 1}"
    return {"walk_forward": text("evidence.walk_forward"), "final": text("folds.final")}.get(name, name)
