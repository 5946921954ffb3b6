"""Refusals that a use case answers as a value: a plain text under the status that the contract names (section 0.3)."""

from typing import Any, NoReturn

from fastapi import HTTPException

EMPTY, LOCKED = 400, 423


def refuse_empty(detail: str) -> NoReturn:
    """Answer 400: what was sent has the right shape and says nothing."""
    raise HTTPException(EMPTY, detail)


def refuse_locked(code: str) -> NoReturn:
    """Answer 423: risk forbids it."""
    raise HTTPException(LOCKED, code)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe refusals for the interface description."""
    known = {
        EMPTY: "what was sent is empty",
        404: "unknown id, or a liquid target without a price",
        409: "the `Idempotency-Key` was used for another request",
        LOCKED: "the kill switch blocks; `detail` is its code",
    }
    return {status: {"description": known[status]} for status in statuses}
