"""How urgent the requests of a task are: what closes a position goes before what opens one, or only looks."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum


class Urgency(StrEnum):
    """What a request is for, the most urgent first."""

    CANCEL = "cancel"
    EXIT = "exit"
    OTHER = "other"


_asked_as: ContextVar[Urgency] = ContextVar("urgency", default=Urgency.OTHER)


@contextmanager
def asking_as(urgency: Urgency) -> Iterator[None]:
    """Let what is asked of a venue in this block, and in tasks that are begun there, be so urgent."""
    token = _asked_as.set(urgency)
    try:
        yield
    finally:
        _asked_as.reset(token)


def urgency_here() -> Urgency:
    """Tell how urgent a request is that is made here."""
    return _asked_as.get()
