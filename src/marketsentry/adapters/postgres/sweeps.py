"""The settings of sweeps in PostgreSQL: rows of the append-only trials."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.types.json import Jsonb

from marketsentry.adapters.postgres.statements import Statements
from marketsentry.ports.models import Trial

_COPY = "COPY trials (track, kind, model_name, params_hash, metrics) FROM STDIN"

_SETTINGS = """
    SELECT DISTINCT ON ((metrics->>'setting')::bigint) metrics
    FROM trials
    WHERE track = %(track)s AND model_name = %(model_name)s AND kind = 'sweep'
      AND metrics->>'sweep' = %(sweep_hash)s
    ORDER BY (metrics->>'setting')::bigint, id
"""


class PostgresSweepStore:
    """`SweepStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def add(self, trials: Sequence[Trial]) -> None:
        """Append the trials of some settings."""
        async with self._statements.copy(_COPY) as copy:
            for one in trials:
                await copy.write_row(
                    (one.track, one.kind, one.model_name, one.params_hash, Jsonb(dict(one.metrics)))
                )

    async def settings_of(
        self, sweep_hash: str, *, track: str, model_name: str
    ) -> Sequence[Mapping[str, Any]]:
        """Read the settings of a sweep that are done; see `SweepStore.settings_of`."""
        named = {"sweep_hash": sweep_hash, "track": track, "model_name": model_name}
        return [row[0] for row in await self._statements.tuples(_SETTINGS, named)]
