"""The same three calls as a plain synchronous service answers them: a yardstick that runs beside the program.

FastAPI with functions in its thread pool, psycopg without a pipeline, a table for each thing that is stored. There is
no model, no ledger, no outbox, no lock, no lease and no log of events: it predicts by a moving average, looks each
fact up by a statement of its own and writes the rows that a client can read back. It is started as
`python -m benchmarks.plain_api URL PORT`.
"""

import json
import sys
import uuid
from datetime import UTC, datetime
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool
from pydantic import BaseModel, Field

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS plain;
CREATE TABLE IF NOT EXISTS plain.predictions (
    id bigserial PRIMARY KEY, track text, target text, horizon text, score float8, outputs jsonb,
    created_at timestamptz);
CREATE TABLE IF NOT EXISTS plain.signals (
    id bigserial PRIMARY KEY, decision_id text, prediction_id bigint REFERENCES plain.predictions, target text,
    action text, score float8, created_at timestamptz);
CREATE TABLE IF NOT EXISTS plain.switches (track text, strategy text, is_on boolean);
CREATE TABLE IF NOT EXISTS plain.prices (target text PRIMARY KEY, price float8, at timestamptz);
CREATE TABLE IF NOT EXISTS plain.orders (
    id bigserial PRIMARY KEY, decision_id text, target text, side text, quantity float8, est_price float8, status text,
    metadata jsonb, created_at timestamptz);
CREATE INDEX IF NOT EXISTS plain_orders_decision ON plain.orders (decision_id);
CREATE TABLE IF NOT EXISTS plain.positions (
    id bigserial PRIMARY KEY, decision_id text, target text, weight float8, created_at timestamptz);
"""
_CLOSES = "SELECT close FROM market_bars WHERE symbol = %s AND timeframe = '5m' ORDER BY ts DESC LIMIT 60"
_MAX_WEIGHT, _MAX_GROSS, _MAX_TURNOVER = 0.2, 1.0, 0.35


class Position(BaseModel):
    """One weight of a book."""

    target: str
    weight: float = Field(ge=-1, le=1)
    track: str = "liquid"


class SignalAsk(BaseModel):
    """What is to be predicted."""

    track: str
    target: str
    horizon: str = "1h"


class RiskAsk(BaseModel):
    """A book that is proposed."""

    proposed_positions: list[Position]
    current_positions: list[Position] = []


class Order(BaseModel):
    """One order of a client."""

    target: str
    side: str
    quantity: float = Field(gt=0)
    est_price: float | None = None
    strategy_id: str = "default"


class OrdersAsk(BaseModel):
    """Orders to store."""

    orders: list[Order]


class RunAsk(BaseModel):
    """Which decision is to be executed."""

    decision_id: str


def make_app(pool: ConnectionPool[Any]) -> FastAPI:
    """Make the service on a database that has bars."""
    app = FastAPI()

    @app.get("/health/ready")
    def ready() -> dict[str, str]:
        return {"status": "ready"}

    @app.post("/api/v2/signals/generate")
    def signal(ask: SignalAsk) -> dict[str, Any]:
        with pool.connection() as connection:
            closes = [row["close"] for row in connection.execute(_CLOSES, (ask.target,))]
            if not closes:
                raise HTTPException(404, "no bars")
            score = float(closes[0] / (sum(closes) / len(closes)) - 1)
            action = "buy" if score > 0 else "sell"
            now, decision_id = datetime.now(UTC), uuid.uuid4().hex
            outputs = {"score": score, "confidence": 0.5}
            row = connection.execute(
                "INSERT INTO plain.predictions (track, target, horizon, score, outputs, created_at) "
                "VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
                (ask.track, ask.target, ask.horizon, score, Jsonb(outputs), now),
            ).fetchone()
            assert row is not None
            connection.execute(
                "INSERT INTO plain.signals (decision_id, prediction_id, target, action, score, created_at) "
                "VALUES (%s, %s, %s, %s, %s, %s)",
                (decision_id, row["id"], ask.target, action, score, now),
            )
        return {"decision_id": decision_id, "target": ask.target, "action": action, "score": score, **outputs}

    @app.post("/api/v2/risk/check")
    def check(ask: RiskAsk) -> dict[str, Any]:
        violations = []
        with pool.connection() as connection:
            blocked = connection.execute("SELECT 1 FROM plain.switches WHERE is_on").fetchone()
            if blocked is not None:
                violations.append("kill_switch")
            for one in ask.proposed_positions:
                known = connection.execute(
                    "SELECT price, at FROM plain.prices WHERE target = %s", (one.target,)
                ).fetchone()
                if known is not None and not known["price"] > 0:
                    violations.append(f"no_data:{one.target}")
                if abs(one.weight) > _MAX_WEIGHT:
                    violations.append(f"single_weight:{one.target}")
        gross = sum(abs(one.weight) for one in ask.proposed_positions)
        before = {one.target: one.weight for one in ask.current_positions}
        turnover = sum(abs(one.weight - before.get(one.target, 0.0)) for one in ask.proposed_positions)
        if gross > _MAX_GROSS:
            violations.append("gross_exposure")
        if turnover > _MAX_TURNOVER:
            violations.append("turnover")
        return {"approved": not violations, "violations": violations, "gross": gross, "turnover": turnover}

    @app.post("/api/v2/execution/orders")
    def enter(ask: OrdersAsk) -> dict[str, Any]:
        now, decision_id = datetime.now(UTC), uuid.uuid4().hex
        ids: list[int] = []
        with pool.connection() as connection:
            for one in ask.orders:
                row = connection.execute(
                    "INSERT INTO plain.orders (decision_id, target, side, quantity, est_price, status, metadata, "
                    "created_at) VALUES (%s, %s, %s, %s, %s, 'new', %s, %s) RETURNING id",
                    (decision_id, one.target, one.side, one.quantity, one.est_price, Jsonb({}), now),
                ).fetchone()
                assert row is not None
                ids.append(row["id"])
        return {"decision_id": decision_id, "order_ids": ids}

    @app.post("/api/v2/execution/run")
    def run(ask: RunAsk) -> dict[str, Any]:
        done, now = [], datetime.now(UTC)
        with pool.connection() as connection:
            blocked = connection.execute("SELECT 1 FROM plain.switches WHERE is_on").fetchone()
            rows = connection.execute(
                "SELECT * FROM plain.orders WHERE decision_id = %s AND status = 'new'", (ask.decision_id,)
            ).fetchall()
            if not rows:
                raise HTTPException(404, "no orders for decision")
            for row in rows:
                closes = [one["close"] for one in connection.execute(_CLOSES, (row["target"],))]
                price = float(row["est_price"] or closes[0])
                filled = {"avg_fill_price": price * 1.0003, "filled_qty": row["quantity"]}
                connection.execute(
                    "UPDATE plain.orders SET status = %s, metadata = %s WHERE id = %s",
                    ("blocked" if blocked else "filled", Jsonb(filled), row["id"]),
                )
                connection.execute(
                    "INSERT INTO plain.positions (decision_id, target, weight, created_at) VALUES (%s, %s, %s, %s)",
                    (ask.decision_id, row["target"], row["quantity"], now),
                )
                done.append({"order_id": row["id"], "status": "filled", "execution": filled})
        return {"decision_id": ask.decision_id, "filled": len(done), "orders": done}

    return app


def main() -> None:
    """Serve until it is stopped."""
    url, port = sys.argv[1:]
    with ConnectionPool[Any](url, min_size=2, max_size=8, kwargs={"row_factory": dict_row}) as pool:
        with pool.connection() as connection:
            connection.execute(SCHEMA)
        sys.stdout.write(json.dumps({"port": int(port)}) + "\n")
        uvicorn.run(make_app(pool), host="127.0.0.1", port=int(port), log_config=None, access_log=False)


if __name__ == "__main__":
    main()
