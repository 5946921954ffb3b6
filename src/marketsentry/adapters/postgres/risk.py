"""The kill switch with its history, risk events and limits in PostgreSQL.

Admissions and triggers meet on advisory locks of the track: the first share one, the second take it alone. A lock on
rows would not do, since a scope that was never blocked has none.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from marketsentry.adapters.postgres.binary import array_of, epoch_ns
from marketsentry.adapters.postgres.statements import ANEW, Statements
from marketsentry.core.market.symbols import base_of
from marketsentry.core.risk.codes import GLOBAL, Rule
from marketsentry.core.risk.kill_switch import Action, Mode, Source, SwitchRow, SwitchState, Transition
from marketsentry.core.risk.profiles import Profile
from marketsentry.ports.risk import (
    ChangedBy,
    EventFilter,
    PricePath,
    RiskEvent,
    Severity,
    StoredRiskEvent,
    SwitchEvent,
    SwitchReading,
)

_SWITCH_LOCKS, _BUDGET_LOCKS = 1_297_306_451, 1_297_306_452  # key spaces of the advisory locks

_SHARE = """
SELECT pg_advisory_xact_lock_shared(%(space)s::int, hashtext(track))
FROM (SELECT DISTINCT unnest(%(tracks)s::text[]) AS track ORDER BY track) AS ordered
"""

_LOCK = "SELECT pg_advisory_xact_lock(%(space)s::int, hashtext(%(track)s))"

_LOCK_DECISION = """
SELECT pg_advisory_xact_lock(%(space)s::int, hashtext(track))
FROM (SELECT DISTINCT track FROM orders_sim WHERE decision_id = %(decision_id)s ORDER BY track) AS ordered
"""

_ALL_SWITCHES = """
SELECT clock.now, s.track, s.strategy_id AS scope, s.state, s.reason, s.source, s.mode, s.until_cleared, s.metadata,
       s.triggered_at, s.expires_at, s.updated_at
FROM (SELECT statement_timestamp() AS now) AS clock
LEFT JOIN risk_control_state AS s ON true
"""

_SWITCHES = (
    _ALL_SWITCHES + "AND s.track = ANY(%(tracks)s::text[]) AND s.strategy_id = ANY(%(scopes)s::text[])"
)

_SAVE_SWITCH = """
INSERT INTO risk_control_state (track, strategy_id, state, reason, source, mode, until_cleared, metadata,
                                triggered_at, expires_at, updated_at)
VALUES (%(track)s, %(scope)s, %(state)s, %(reason)s, %(source)s, %(mode)s, %(until_cleared)s, %(metadata)s,
        %(triggered_at)s, %(expires_at)s, %(updated_at)s)
ON CONFLICT (track, strategy_id) DO UPDATE
SET state = excluded.state, reason = excluded.reason, source = excluded.source, mode = excluded.mode,
    until_cleared = excluded.until_cleared, metadata = excluded.metadata, triggered_at = excluded.triggered_at,
    expires_at = excluded.expires_at, updated_at = excluded.updated_at
"""

_ADD_HISTORY = """
INSERT INTO kill_switch_events (track, strategy_id, action, reason, source, actor, request_id, state, mode,
                                until_cleared, expires_at, before, created_at)
VALUES (%(track)s, %(scope)s, %(action)s, %(given_reason)s, %(source)s, %(actor)s, %(request_id)s, %(state)s,
        %(mode)s, %(until_cleared)s, %(expires_at)s, %(before)s, statement_timestamp())
"""

_HISTORY = """
SELECT id, track, strategy_id AS scope, action, reason, source, actor, request_id, state, mode, until_cleared,
       expires_at, before, created_at
FROM kill_switch_events
WHERE track = %(track)s AND (%(scope)s::text IS NULL OR strategy_id = %(scope)s)
ORDER BY id DESC
LIMIT %(limit)s
"""

_LABELS = """
SELECT wanted.track, wanted.target, entity.sector, entity.style
FROM unnest(%(tracks)s::text[], %(targets)s::text[], %(bases)s::text[]) AS wanted (track, target, base)
CROSS JOIN LATERAL (
    SELECT e.sector, coalesce(e.metadata ->> 'style_bucket', e.metadata ->> 'style') AS style
    FROM entities AS e
    WHERE (upper(e.symbol) IN (upper(wanted.target), wanted.base) OR lower(e.name) = lower(wanted.target))
      AND (e.sector IS NOT NULL OR e.metadata ->> 'style_bucket' IS NOT NULL OR e.metadata ->> 'style' IS NOT NULL)
    ORDER BY upper(e.symbol) = upper(wanted.target) DESC NULLS LAST, e.entity_type = 'asset' DESC, e.id
    LIMIT 1
) AS entity
"""

_ADD_EVENTS = """
INSERT INTO risk_events (decision_id, severity, code, message, payload)
SELECT decision_id, severity, code, message, payload
FROM unnest(%(decision_ids)s::text[], %(severities)s::text[], %(codes)s::text[], %(messages)s::text[],
            %(payloads)s::jsonb[]) WITH ORDINALITY AS given (decision_id, severity, code, message, payload, place)
ORDER BY place
RETURNING id
"""

_PAGE_EVENTS = (
    ANEW
    + """
SELECT id, decision_id, severity, code, message, payload, created_at
FROM risk_events
WHERE (%(severity)s::text IS NULL OR severity = %(severity)s)
  AND (%(code)s::text IS NULL OR (left(code, 200) = left(%(code)s, 200) AND code = %(code)s))
  AND (%(decision_id)s::text IS NULL
       OR (left(decision_id, 200) = left(%(decision_id)s, 200) AND decision_id = %(decision_id)s))
  AND (%(before_id)s::bigint IS NULL OR id < %(before_id)s)
ORDER BY id DESC
LIMIT %(limit)s
"""
)

_RECORD_LIMITS = """
INSERT INTO risk_limit_versions (version, limits) VALUES (%(version)s, %(limits)s)
ON CONFLICT (version) DO NOTHING
"""

_LIMITS_SEEN = "SELECT first_seen_at FROM risk_limit_versions WHERE version = %(version)s"

_SPOT_PRICES = """
WITH known AS (
    (SELECT id, timestamp, price FROM prices
     WHERE symbol = %(symbol)s AND timestamp <= %(as_of)s AND known_at <= %(as_of)s
       AND timestamp > %(as_of)s::timestamptz - interval '2 days'
     ORDER BY timestamp DESC, id DESC LIMIT 97)
    UNION
    SELECT last.id, last.timestamp, last.price
    FROM generate_series(0, CASE WHEN EXISTS (
        SELECT FROM prices
        WHERE symbol = %(symbol)s AND timestamp <= %(as_of)s AND timestamp > %(as_of)s::timestamptz - interval '2 days'
    ) THEN 575 ELSE -1 END) AS slot
    CROSS JOIN LATERAL (
        SELECT id, timestamp, price FROM prices
        WHERE symbol = %(symbol)s AND known_at <= %(as_of)s
          AND timestamp <= date_bin('5 minutes', %(as_of)s, 'epoch') - slot * interval '5 minutes'
          AND timestamp > date_bin('5 minutes', %(as_of)s, 'epoch') - (slot + 1) * interval '5 minutes'
        ORDER BY timestamp DESC, id DESC LIMIT 1
    ) AS last
)
SELECT array_send(array_agg(at)), array_send(array_agg(price))
FROM (SELECT timestamp AS at, price::float8 AS price FROM known ORDER BY timestamp, id) AS ordered
"""

_BAR_CLOSES = """
SELECT array_send(array_agg(at)), array_send(array_agg(price))
FROM (
    SELECT bar.ts + series.timeframe::interval AS at, bar.close AS price
    FROM (
        SELECT symbol, timeframe FROM market_series
        WHERE symbol = %(symbol)s AND last_ts > %(as_of)s::timestamptz - interval '2 days'
        ORDER BY timeframe::interval LIMIT 1
    ) AS series
    JOIN market_bars AS bar ON bar.symbol = series.symbol AND bar.timeframe = series.timeframe
    WHERE bar.ts > %(as_of)s::timestamptz - interval '3 days' AND bar.ts < %(as_of)s AND bar.known_at <= %(as_of)s
      AND bar.ts + series.timeframe::interval <= %(as_of)s
    ORDER BY bar.ts
) AS ordered
"""


class PostgresRiskStore:
    """`RiskStore` over one open transaction, which belongs to the caller."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def lock_switches(self, tracks: Sequence[str]) -> None:
        """Hold the switches of tracks beside others; see `RiskStore.lock_switches`."""
        await self._statements.send(_SHARE, {"space": _SWITCH_LOCKS, "tracks": list(tracks)})

    async def lock_switch_for_change(self, track: str) -> None:
        """Hold the switches of a track alone; see `RiskStore.lock_switch_for_change`."""
        await self._statements.send(_LOCK, {"space": _SWITCH_LOCKS, "track": track})

    async def lock_budget(self, track: str) -> None:
        """Hold the risk budget of a track alone; see `RiskStore.lock_budget`."""
        await self._statements.send(_LOCK, {"space": _BUDGET_LOCKS, "track": track})

    async def lock_budgets_of(self, decision_id: str) -> None:
        """Hold the risk budgets of the tracks of a decision alone; see `RiskStore.lock_budgets_of`."""
        await self._statements.send(_LOCK_DECISION, {"space": _BUDGET_LOCKS, "decision_id": decision_id})

    async def read_switches(self, tracks: Sequence[str], strategy_ids: Sequence[str]) -> SwitchReading:
        """Read rows and clock by one statement; see `RiskStore.read_switches`."""
        scopes = [*strategy_ids, GLOBAL]
        return _reading(await self._statements.rows(_SWITCHES, {"tracks": list(tracks), "scopes": scopes}))

    async def all_switches(self) -> SwitchReading:
        """Read every row, by track and strategy."""
        return _reading(await self._statements.rows(_ALL_SWITCHES, {}))

    async def save_transition(self, transition: Transition, *, by: ChangedBy, reason: str) -> None:
        """Store what became of a row, and append it to the history."""
        given = _switch_columns(transition.after)
        if transition.action is not Action.KEPT:
            await self._statements.send(_SAVE_SWITCH, given)
        before = None if transition.before is None else Jsonb(_told(transition.before))
        await self._statements.send(
            _ADD_HISTORY,
            {
                **given,
                "action": str(transition.action),
                "given_reason": reason,
                "actor": by.actor,
                "request_id": by.request_id,
                "before": before,
            },
        )

    async def history(self, track: str, scope: str | None, *, limit: int) -> Sequence[SwitchEvent]:
        """List transitions, newest first."""
        rows = await self._statements.rows(_HISTORY, {"track": track, "scope": scope, "limit": limit})
        return [SwitchEvent(**{**row, "until_cleared": tuple(row["until_cleared"])}) for row in rows]

    async def registered_labels(self, targets: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Profile]:
        """Read sector and style of targets from the entity registry; see `RiskStore.registered_labels`."""
        given = {
            "tracks": [track for track, _ in targets],
            "targets": [target for _, target in targets],
            "bases": [base_of(target).upper() for _, target in targets],
        }
        return {
            (row["track"], row["target"]): Profile(row["sector"], row["style"])
            for row in await self._statements.rows(_LABELS, given)
        }

    async def add_events(self, events: Sequence[RiskEvent]) -> Sequence[int]:
        """Append events by one statement."""
        given = {
            "decision_ids": [event.decision_id for event in events],
            "severities": [str(event.severity) for event in events],
            "codes": [event.code for event in events],
            "messages": [event.message for event in events],
            "payloads": [Jsonb(dict(event.payload)) for event in events],
        }
        return [row["id"] for row in await self._statements.rows(_ADD_EVENTS, given)] if events else []

    async def page_events(
        self, wanted: EventFilter, *, before_id: int | None, limit: int
    ) -> Sequence[StoredRiskEvent]:
        """List events, newest first."""
        given = {
            "severity": None if wanted.severity is None else str(wanted.severity),
            "code": wanted.code,
            "decision_id": wanted.decision_id,
            "before_id": before_id,
            "limit": limit,
        }
        return [
            StoredRiskEvent(**{**row, "severity": Severity(row["severity"])})
            for row in await self._statements.rows(_PAGE_EVENTS, given)
        ]

    async def record_limits(self, version: str, limits: Mapping[str, Any]) -> datetime:
        """Note that limits are in force; returns when they first were."""
        await self._statements.send(_RECORD_LIMITS, {"version": version, "limits": Jsonb(dict(limits))})
        rows = await self._statements.rows(_LIMITS_SEEN, {"version": version})
        seen: datetime = rows[0]["first_seen_at"]
        return seen

    async def spot_prices(self, symbol: str, *, as_of: datetime) -> PricePath:
        """Read the prices that the breaker judges; see `RiskStore.spot_prices`."""
        return await self._path(_SPOT_PRICES, symbol, as_of)

    async def bar_closes(self, symbol: str, *, as_of: datetime) -> PricePath:
        """Read closes of the shortest bars; see `RiskStore.bar_closes`."""
        return await self._path(_BAR_CLOSES, symbol, as_of)

    async def _path(self, query: str, symbol: str, as_of: datetime) -> PricePath:
        given = {"symbol": symbol, "as_of": as_of}
        ((times, prices),) = await self._statements.tuples(query, given, is_binary=True)
        return PricePath(epoch_ns(array_of(times, "i8")), array_of(prices, "f8"))


def _reading(rows: list[dict[str, Any]]) -> SwitchReading:
    now: datetime = rows[0]["now"]
    found = [_switch(row) for row in rows if row["track"] is not None]
    return SwitchReading(tuple(sorted(found, key=lambda row: (row.track, row.scope))), now)


def _switch(row: dict[str, Any]) -> SwitchRow:
    return SwitchRow(
        track=row["track"],
        scope=row["scope"],
        state=SwitchState(row["state"]),
        reason=row["reason"],
        source=Source(row["source"]),
        mode=Mode(row["mode"]),
        until_cleared=frozenset(Rule(name) for name in row["until_cleared"]),
        metadata=row["metadata"],
        triggered_at=row["triggered_at"],
        expires_at=row["expires_at"],
        updated_at=row["updated_at"],
    )


def _switch_columns(row: SwitchRow) -> dict[str, Any]:
    return {
        "track": row.track,
        "scope": row.scope,
        "state": str(row.state),
        "reason": row.reason,
        "source": str(row.source),
        "mode": str(row.mode),
        "until_cleared": sorted(str(rule) for rule in row.until_cleared),
        "metadata": Jsonb(dict(row.metadata)),
        "triggered_at": row.triggered_at,
        "expires_at": row.expires_at,
        "updated_at": row.updated_at,
    }


def _told(row: SwitchRow) -> dict[str, Any]:
    """Spell a row for the history."""
    columns = {**_switch_columns(row), "metadata": dict(row.metadata)}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in columns.items()
    }
