"""One page of a list: a row more than asked for tells whether there is another page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Row = TypeVar("Row")
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row, Key]):
    """Rows in their order; `next_key` asks for the page after it, None when there is none."""

    items: Sequence[Row]
    next_key: Key | None


def page_of(found: Sequence[Row], limit: int, key: Callable[[Row], Key]) -> Page[Row, Key]:
    """Make a page of the first `limit` of at most `limit + 1` rows; `key` names the row that the next begins after."""
    items = found[:limit]
    return Page(items, key(items[-1]) if len(found) > limit else None)
