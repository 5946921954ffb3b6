"""Which statements were sent to PostgreSQL while something ran, BEGIN and COMMIT among them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg


@contextmanager
def sent_statements() -> Iterator[list[str]]:
    """Collect the texts of all connections of this process, in their order."""
    sent: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def noted(self: Any, query: Any, *given: Any, **options: Any) -> Any:
        sent.append(" ".join(str(query).split()))
        return await execute(self, query, *given, **options)

    psycopg.AsyncCursor.execute = noted  # type: ignore[assignment,method-assign]
    try:
        yield sent
    finally:
        psycopg.AsyncCursor.execute = execute  # type: ignore[method-assign]
