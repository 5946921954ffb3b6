"""Refusals of a request that says nothing, and what the interface description tells of refusals (section 0.3)."""

from typing import Any, NoReturn

from fastapi import HTTPException

EMPTY, LOCKED = 400, 423


def refuse_empty(detail: str) -> NoReturn:
    """Answer 400: what was sent has the right shape and says nothing."""
    raise HTTPException(EMPTY, detail)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe refusals for the interface description."""
    known = {
        EMPTY: "what was sent is empty",
        404: "unknown id, or a liquid target without a price",
        409: "the `Idempotency-Key` was used for another request",
        LOCKED: "the kill switch blocks; `detail` is its code",
    }
    return {status: {"description": known[status]} for status in statuses}
