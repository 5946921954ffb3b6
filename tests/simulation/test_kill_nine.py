"""The program trades, live and in a replay, and its processes are killed at moments that nobody chose.

Roles, engines and the program as a whole are killed while clients trade over HTTP at a simulated exchange and a replay
trades a model on the same record. Then the exchange's own books say whether an order was sent twice or a fill was lost,
and a replay that nobody killed says what the other one must have come to.
"""

import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from marketsentry.adapters.postgres.database import Database
from marketsentry.core.orders.order import OrderStatus
from simulation.clients import ADAPTER, Answered
from simulation.invariants import Found, judge, read_record
from simulation.killed import AWAY, KILLED, KINDS, REPLAY
from simulation.killed_run import KilledRun, start
from simulation.replayed import differences, rows_of
from simulation.venue_truth import Told, running_venue

N_KILLS = int(os.environ.get("KILLS", "6"))
FIRST = int(os.environ.get("FROM", "7"))
N_BARS = 12 + 6 * N_KILLS
MOST_EVENTS, MOST_OF_REPLAY = 20, 6  # between two kills
_KEYS = "SELECT idempotency_key, decision_id FROM decisions WHERE idempotency_key IS NOT NULL"


@pytest.mark.slow
@pytest.mark.timeout(600 + 30 * N_KILLS)
def test_what_was_traded_survives_being_killed(tmp_path: Path) -> None:
    began, draw = time.monotonic(), random.Random(FIRST)
    with running_venue(seed=FIRST) as venue, start(tmp_path, venue, n_bars=N_BARS) as run:
        started = time.monotonic()
        for kind in _drawn(draw):
            most = MOST_OF_REPLAY if kind == REPLAY else MOST_EVENTS
            run.kill_when_it_has_traded(kind, more=draw.randint(1, most))
        killed = time.monotonic()
        run.finish()
        ended = time.monotonic()
        engines = run.program.engines()
        assert engines is not None
        found, keys = asyncio.run(_read(engines.database_url))
        truth = venue.truth()
        asked = {one.key: one.n_orders for one in run.clients.answers if one.entered[0] == 200}
        broken = judge(Told(truth, asked, _surprises(run)), found)
        broken["every answer is kept"] = every_answer_is_kept(run.clients.answers, found, keys)
        broken["what was seen is kept"] = what_was_seen_is_kept(run)
        broken["the replay comes to the same"] = differences(
            rows_of(engines.database_url, run.unkilled.strategy_id), run.unkilled.rows
        )
        figures = {
            "killed": dict(run.kills),
            "orders": dict(Counter(str(one.status) for one in found.rows)),
            "at the venue": len(truth.orders),
            "fills": len(found.fills),
            "requests": len(run.clients.answers),
            "asked again": run.clients.n_asked_again,
            "answers": dict(Counter(_told(one.entered) for one in run.clients.answers)),
            "runs": dict(Counter(_told(one.ran) for one in run.clients.answers if one.ran)),
            "seen before a kill": len(run.seen),
            "replay": run.replay.summary,
            "replay exits": dict(run.replay.exits),
            "seconds": {
                "to prepare": round(started - began, 1),
                "of kills": round(killed - started, 1),
                "to clear": round(ended - killed, 1),
                **{f"until {what} were over": round(s, 1) for what, s in run.over_after_s.items()},
            },
        }
        assert run.program.close() == 0
    told = json.dumps(figures, indent=2)
    assert not any(broken.values()), f"{told}\n{json.dumps(broken, indent=2)}"
    assert found.fills, told
    sys.stdout.write(f"\n{told}\n")


def _told(answer: tuple[int, Mapping[str, Any]]) -> str:
    """Name an answer: its status, and why it is a refusal."""
    status, body = answer
    return str(status) if status == 200 else f"{status} {body.get('detail')}"


def _drawn(draw: random.Random) -> list[str]:
    """Draw what is killed; each kind gets its share."""
    kinds: list[str] = []
    while len(kinds) < N_KILLS:
        kinds += draw.sample(KINDS, len(KINDS))
    return kinds[:N_KILLS]


async def _read(url: str) -> tuple[Found, dict[str, str]]:
    async with Database(url) as database:
        with psycopg.connect(url) as monitor:
            found = await read_record(database.transactions, monitor, adapter=ADAPTER)
            return found, dict(monitor.execute(_KEYS).fetchall())


def _surprises(run: KilledRun) -> list[str]:
    """What nobody may see of a kill: errors that no service knows, exits that are none, bugs in answers."""
    exits = [f"the replay ended {n} times with {code}" for code, n in run.replay.exits.items()
             if code not in (0, AWAY, KILLED)]  # fmt: skip
    bugs = [
        str(one) for one in run.clients.answers for told in (one.entered, one.ran) if told and told[0] == 500
    ]
    return run.program.surprises() + exits + bugs


def every_answer_is_kept(answers: Sequence[Answered], found: Found, keys: dict[str, str]) -> list[str]:
    """A request that was answered is in the record as it was answered, and one that was refused is not."""
    orders: dict[str, dict[int, tuple[str, float]]] = {}
    for row in found.rows:
        orders.setdefault(row.decision_id, {})[row.id] = (str(row.status), round(float(row.filled_qty), 8))
    wrong = []
    for one in answers:
        status, told = one.entered
        decision = keys.get(one.key)
        if status != 200:
            wrong += [f"{one.key} was refused with {status} and is {decision}"] if decision else []
            continue
        there = orders.get(told["decision_id"], {})
        if told["decision_id"] != decision or set(told["order_ids"]) != set(there):
            wrong.append(
                f"{one.key} was answered {told}, the record has {decision} with orders {sorted(there)}"
            )
        for ran in one.ran[1]["orders"] if one.ran is not None and one.ran[0] == 200 else ():
            answered = ran["status"], ran["filled_qty"]
            if OrderStatus(ran["status"]).is_final and there.get(ran["order_id"]) != answered:
                wrong.append(
                    f"order {ran['order_id']} was answered {answered}, is {there.get(ran['order_id'])}"
                )
    return wrong


def what_was_seen_is_kept(run: KilledRun) -> list[str]:
    """No event of a live order that was read before a kill is gone or another one after it."""
    now = run.events()
    return [
        f"version {version} of order {order_id} was there before a kill and is now {now.get((order_id, version))}"
        for (order_id, version), told in run.seen.items()
        if now.get((order_id, version)) != told
    ]
