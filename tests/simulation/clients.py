"""Clients who enter orders over HTTP and run them, and ask again until they are answered, whoever was killed."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import httpx

API = "/api/v2/execution"
ADAPTER = "coinbase_live"
MID = 60_000.0
_AGAIN = frozenset({429, 503})  # it may help to ask again, as after an answer of a server that is going down
_ASK_EVERY_S = 0.2
_PATIENT_S = 1.0  # then a client goes on, and its request is asked again behind it
_MOST_BEHIND = 6


@dataclass(frozen=True, slots=True)
class Answered:
    """A request to store orders and one to run them, as they were answered in the end."""

    key: str
    n_orders: int
    entered: tuple[int, Mapping[str, Any]]
    ran: tuple[int, Mapping[str, Any]] | None


@dataclass(slots=True)
class Clients:
    """Clients of one API; run them in a thread.

    Parameters
    ----------
    base_url
        Where it listens, also while nobody answers there.
    strategy
        For which they trade.
    n
        How many.
    """

    base_url: str
    strategy: str
    n: int
    stop: Event = field(default_factory=Event)
    leave: Event = field(default_factory=Event)  # also what was not answered
    answers: list[Answered] = field(default_factory=list)
    n_asked_again: int = 0

    def run(self) -> None:
        """Trade until `stop` is set and everything that was asked is answered."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=self.n)
        async with (
            httpx.AsyncClient(base_url=self.base_url, timeout=60.0, limits=limits) as http,
            asyncio.TaskGroup() as group,
        ):
            for number in range(self.n):
                group.create_task(self._trade(f"client-{number}", http, group))

    async def _trade(self, name: str, http: httpx.AsyncClient, group: asyncio.TaskGroup) -> None:
        draw = random.Random(name)
        n, behind = 0, set[asyncio.Task[None]]()
        while not self.stop.is_set():
            n += 1
            decision = group.create_task(self._decide(f"{name}-{n}", draw, http))
            await asyncio.wait({decision}, timeout=_PATIENT_S)
            behind = {one for one in (*behind, decision) if not one.done()}
            while len(behind) > _MOST_BEHIND:
                _, behind = await asyncio.wait(behind, return_when=asyncio.FIRST_COMPLETED)

    async def _decide(self, key: str, draw: random.Random, http: httpx.AsyncClient) -> None:
        orders = [self._order(draw) for _ in range(draw.choice((1, 1, 2)))]
        how = {
            "limit_timeout_sec": 0.5,
            "time_in_force": draw.choice(("GTC", "IOC")),
            "max_slippage_bps": 200,
        }
        entered = await self._answer(http, "orders", {"adapter": ADAPTER, "orders": orders}, key)
        ran = None
        if entered[0] == httpx.codes.OK:
            run = {"adapter": ADAPTER, "decision_id": entered[1]["decision_id"], **how}
            ran = await self._answer(http, "run", run, None)
        self.answers.append(Answered(key, len(orders), entered, ran))

    def _order(self, draw: random.Random) -> dict[str, Any]:
        """Half of them with a price, so that a limit leg goes first."""
        return {
            "target": "BTC",
            "side": draw.choice(("buy", "buy", "sell")),
            "quantity": draw.randrange(10, 500) / 10_000,
            "strategy_id": self.strategy,
            "est_price": draw.choice((MID, None)),
        }

    async def _answer(
        self, http: httpx.AsyncClient, path: str, body: Mapping[str, Any], key: str | None
    ) -> tuple[int, Mapping[str, Any]]:
        headers = {} if key is None else {"Idempotency-Key": key}
        while not self.leave.is_set():
            try:
                answer = await http.post(f"{API}/{path}", json=body, headers=headers)
            except httpx.TransportError:
                pass
            else:
                if answer.status_code not in _AGAIN and answer.headers["content-type"] == "application/json":
                    return answer.status_code, answer.json()
            self.n_asked_again += 1
            await asyncio.sleep(_ASK_EVERY_S)
        raise TimeoutError(f"{path} of {body} was never answered")
