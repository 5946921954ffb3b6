"""The header `Idempotency-Key`: a retry under the same key gives what the first call stored."""

from typing import Annotated

from fastapi import Header
from pydantic import BaseModel

from marketsentry.core.lineage import hash_params
from marketsentry.ports.decisions import MAX_KEY_LENGTH, Idempotency

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=MAX_KEY_LENGTH,
        pattern=r"^[\x21-\x7e]+$",
        description="a retry with the same key and body gives the stored result; another body is a 409",
    ),
]


def idempotency_of(key: str | None, endpoint: str, body: BaseModel) -> Idempotency | None:
    """Name a request by its key, and by the hash of what it asks of which endpoint; None without a key."""
    if key is None:
        return None
    return Idempotency(key, hash_params({"endpoint": endpoint, "body": body.model_dump(mode="json")}))
