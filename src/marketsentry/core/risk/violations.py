"""What a check found: one limit, the figure that stood against it, and whether scaling cured it."""

from dataclasses import dataclass
from enum import StrEnum

from marketsentry.core.risk.codes import Rule


class Cure(StrEnum):
    """Whether the positions that came out still break the limit."""

    CLIPPED = "clipped"
    BREACH = "breach"


@dataclass(frozen=True, slots=True)
class Violation:
    """One limit that was exceeded: `figure` stood against `limit`. `tracks` is empty where all capital counts."""

    rule: Rule
    code: str
    cure: Cure
    figure: float
    limit: float
    subject: str = ""
    is_hard: bool = False
    tracks: tuple[str, ...] = ()
