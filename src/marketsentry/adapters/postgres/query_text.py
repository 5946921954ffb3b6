"""What the text of a statement tells: its parameters, and whether it leaves anything behind."""

import re
from functools import lru_cache

_PLACE = re.compile(r"%(?:(?P<percent>%)|\((?P<name>\w+)\)s|(?P<bad>.|$))", re.DOTALL)
_READS = re.compile(r"(?:\s|--[^\n]*\n)*(SELECT|WITH|VALUES)\b", re.IGNORECASE)
_DOES = re.compile(
    r"\b(INSERT|UPDATE|DELETE|MERGE|SHARE|INTO|CALL|NEXTVAL|SETVAL|SET_CONFIG|SETSEED|\w*ADVISORY\w*|PG_NOTIFY)\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def numbered(query: str) -> tuple[bytes, tuple[str, ...]]:
    """Put numbers for the names of a statement; tells the names in the order of their numbers.

    Raises `ValueError` at a percent sign that is neither doubled nor begins a parameter.
    """
    names: dict[str, int] = {}

    def place(found: re.Match[str]) -> str:
        if found["percent"]:
            return "%"
        if found["name"] is None:
            raise ValueError(f"a percent sign must be doubled or begin %(name)s, was %{found['bad']}")
        return f"${names.setdefault(found['name'], len(names) + 1)}"

    return _PLACE.sub(place, query).encode(), tuple(names)


@lru_cache(maxsize=4096)
def only_reads(query: str) -> bool:
    """Tell whether a statement leaves nothing behind: no row, no lock, no setting."""
    return _READS.match(query) is not None and _DOES.search(query) is None
