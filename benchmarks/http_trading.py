"""Signal, risk check and execution over HTTP: the running program, one client that keeps its connection.

The peer is a plain synchronous service (`plain_api`) on the same PostgreSQL, called in turn with the program.
"""

import asyncio
import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.desk import FIVE_MINUTES, HORIZON, MODEL, PER_DAY, SYMBOLS, make_bars, train_on
from benchmarks.machine import CommitFloor, commit_floor, load_now
from benchmarks.program import free_port, running_program, wait_until_ready
from benchmarks.timing import latency_rows
from marketsentry.adapters.embedded import read_owner
from marketsentry.adapters.venues.paper import PaperRules
from marketsentry.bootstrap import open_system
from marketsentry.settings import Settings

N_TRAINED = 10 * PER_DAY
N_WARM, N_CALLS, N_BLOCKS = 10, 200, 4
VENUE_DELAY_S = PaperRules().latency_s
_API = "/api/v2"


def bench_http_signal() -> list[dict[str, Any]]:
    """POST /signals/generate: a prediction of the default model on live features, decided, stored."""
    return _measured("http-signal", 8.0, _signals, "of the three symbols in turn")


def bench_http_risk_check() -> list[dict[str, Any]]:
    """POST /risk/check of five positions against limits, ledger and kill switch."""
    return _measured("http-risk-check", 4.0, _checks, "five positions, approved")


def bench_http_execution_run() -> list[dict[str, Any]]:
    """POST /execution/run of one order: admitted, executed on paper, booked, told."""
    notes = f"one limit order that fills; the paper venue's own delay of {1e3 * VENUE_DELAY_S:.0f} ms is taken off"
    return _measured("http-execution-run", 15.0, _runs, notes, taken_off_s=VENUE_DELAY_S)


Calls = Callable[["Client", int], Iterable[float]]


class Client:
    """One connection to the API of the running program."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def post(self, path: str, body: dict[str, Any]) -> tuple[float, dict[str, Any]]:
        """Seconds of a call, and its answer; raises where that is not a success."""
        sent = json.dumps(body).encode()
        started = time.perf_counter()
        self._connection.request("POST", _API + path, sent, headers={"Content-Type": "application/json"})
        answer = self._connection.getresponse()
        document = json.loads(answer.read())
        seconds = time.perf_counter() - started
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}: {document}")
        return seconds, document

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _signals(client: Client, n: int) -> Iterable[float]:
    for i in range(n):
        body = {"track": "liquid", "target": SYMBOLS[i % len(SYMBOLS)], "horizon": HORIZON}
        seconds, told = client.post("/signals/generate", body)
        if told["score"] is None:
            raise RuntimeError(f"the model did not answer: {told}")
        yield seconds


def _checks(client: Client, n: int) -> Iterable[float]:
    weights = [0.05, 0.04, 0.03, 0.02, 0.01]
    proposed = [{"target": f"C{i}", "weight": weight, "track": "liquid"} for i, weight in enumerate(weights)]
    body = {"proposed_positions": proposed, "current_positions": proposed[:3]}
    for _ in range(n):
        seconds, told = client.post("/risk/check", body)
        if not told["approved"]:
            raise RuntimeError(f"the check was not approved: {told}")
        yield seconds


def _runs(client: Client, n: int) -> Iterable[float]:
    price: float | None = None
    for _ in range(n):
        order = {
            "target": SYMBOLS[0],
            "side": "buy",
            "quantity": 0.0001,
            "est_price": price,
            "strategy_id": "bench",
        }
        _, entered = client.post("/execution/orders", {"orders": [order]})
        seconds, told = client.post("/execution/run", {"decision_id": entered["decision_id"]})
        if told["filled"] != 1:
            raise RuntimeError(f"the order was not filled: {told}")
        price = told["orders"][0]["execution"]["avg_fill_price"]
        yield seconds


def _measured(
    name: str, budget_ms: float, calls: Calls, notes: str, *, taken_off_s: float = 0.0
) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as home:
        floor = asyncio.run(_prepared(Path(home)))
        env = {"MS_SERVED_MODELS": f"{HORIZON}={':'.join(MODEL)}", "RISK_MAX_ABS_RETURN": "0"}
        with running_program(home, env=env) as program, _plain(Path(home)) as port:
            ours, plain = Client(program.port), Client(port)
            for one in (ours, plain):
                list(calls(one, N_WARM))
            load = load_now()
            samples: list[float] = []
            peer: list[float] = []
            for _ in range(N_BLOCKS):
                samples += [seconds - taken_off_s for seconds in calls(ours, N_CALLS // N_BLOCKS)]
                peer += calls(plain, N_CALLS // N_BLOCKS)
            ours.close()
            plain.close()
    return latency_rows(
        name,
        samples,
        {"p95": budget_ms},
        main="p95",
        limit_ms=floor.ms,
        peer=peer,
        notes=f"{notes}; limit is one durable commit; peer is a plain synchronous service, in turn; {load}",
    )


@contextmanager
def _plain(home: Path) -> Iterator[int]:
    """Run the plain service on the database of the program that runs there; tells its port."""
    owner = read_owner(home)
    if owner is None or not owner.database_url:
        raise RuntimeError(f"no program runs the engines of {home}")
    port = free_port()
    words = (sys.executable, "-m", "benchmarks.plain_api", owner.database_url, str(port))
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as service:
        try:
            wait_until_ready(port, service)
            yield port
        finally:
            service.terminate()


async def _prepared(home: Path) -> CommitFloor:
    """Fill a record up to now, train, and measure a commit on it."""
    end_ns = time.time_ns() // FIVE_MINUTES.ns * FIVE_MINUTES.ns
    bars = make_bars(N_TRAINED, start_ns=end_ns - N_TRAINED * FIVE_MINUTES.ns)
    async with open_system(Settings(home=home)) as system:
        await train_on(system, bars)
        newest_ns = time.time_ns() // FIVE_MINUTES.ns * FIVE_MINUTES.ns
        late = make_bars((newest_ns - end_ns) // FIVE_MINUTES.ns + N_TRAINED, start_ns=int(bars[0].ts_ns[0]))
        async with system.transactions() as stores:
            for series in late:
                await stores.bars.merge(series)
        return await commit_floor(system)
