"""A simulated exchange as a child process: started, spoken to by its back door, and stopped whatever happens."""

import asyncio
import json
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

from marketsentry.core.orders.order import ZERO
from marketsentry.core.orders.truth import TrueOrder, TrueTrade, Truth
from marketsentry.exceptions import DependencyError
from marketsentry.ports.drill import FaultOrder

_START_S = 60.0
_STOP_S = 10.0
_ANSWER_S = 20.0


class SimulatedExchange:
    """`BreakableVenue` of a child that is running.

    Parameters
    ----------
    greeting
        What it said when it started.
    pid
        Of the child.
    """

    def __init__(self, greeting: Mapping[str, Any], pid: int) -> None:
        self.pid = pid
        self.url = str(greeting["url"])
        self.api_key = str(greeting["key"]["key"])
        self.api_secret = str(greeting["key"]["secret"])
        self._owner = str(greeting["key"]["owner"])
        self._admin = str(greeting["admin_url"])
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback has no proxy

    async def deposit(self, coin: str, amount: Decimal) -> None:
        """Bring money in; see `BreakableVenue.deposit`."""
        await self._ask("deposit", {"coin": coin, "amount": str(amount)})

    async def inject(self, faults: Sequence[FaultOrder]) -> None:
        """Arm faults; see `BreakableVenue.inject`."""
        await self._ask("faults", {"rules": [one.document() for one in faults]})

    async def lift(self) -> Mapping[str, int]:
        """Disarm all faults; see `BreakableVenue.lift`."""
        told: Mapping[str, int] = await self._ask("faults", {"clear": True})
        return told

    async def truth(self) -> Truth:
        """Read everything; see `BreakableVenue.truth`."""
        return read_truth(await self._ask("truth"), self._owner)

    async def _ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:  # Any: JSON as it came
        return await asyncio.to_thread(self._ask_now, path, body)

    def _ask_now(self, path: str, body: Mapping[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._admin}{path}", data)
        try:
            with self._opener.open(request, timeout=_ANSWER_S) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            with refused:
                raise DependencyError(
                    f"the simulated exchange refused {path}: {refused.read().decode()}"
                ) from None
        except (OSError, ValueError) as error:
            raise DependencyError(f"the simulated exchange did not answer {path}: {error}") from error


def read_truth(told: Mapping[str, Any], owner: str) -> Truth:
    """Read what the venue knows of one owner."""
    coins = told["balances"].get(owner, {})
    return Truth(
        orders=tuple(
            TrueOrder(row["id"], row["client_id"], Decimal(row["filled"]), row["status"] == "open")
            for row in told["orders"]
            if row["owner"] == owner
        ),
        trades=tuple(
            TrueTrade(
                row["order_id"],
                Decimal(row["quantity"]),
                Decimal(row["price"]),
                Decimal(row["fee"]),
            )
            for row in told["fills"]
            if row["owner"] == owner
        ),
        totals={coin: sum((Decimal(part) for part in parts.values()), ZERO) for coin, parts in coins.items()},
    )


@asynccontextmanager
async def running_exchange(venue: str, *, seed: int, tick_s: float = 0.5) -> AsyncIterator[SimulatedExchange]:
    """Run a simulated exchange while the block lasts; it ends with us too when we are killed.

    Parameters
    ----------
    venue
        Whose words it speaks: `coinbase` or `bitget`.
    seed
        Of its prices, ids and faults.
    tick_s
        How often its market moves.

    Yields
    ------
    SimulatedExchange

    Raises
    ------
    DependencyError
        If it does not start.
    """
    words = ("--venue", venue, "--seed", str(seed), "--tick-s", str(tick_s), "--until-stdin-closes")
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "marketsentry.simexchange", *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield SimulatedExchange(await _greeting(child), child.pid)
    finally:
        await _stop(child)


async def _greeting(child: asyncio.subprocess.Process) -> Mapping[str, Any]:
    assert child.stdout is not None
    try:
        async with asyncio.timeout(_START_S):
            line = await child.stdout.readline()
        told: Mapping[str, Any] = json.loads(line)
    except (TimeoutError, ValueError) as error:
        raise DependencyError(f"the simulated exchange did not start within {_START_S:g} s") from error
    return told


async def _stop(child: asyncio.subprocess.Process) -> None:
    """End the child, gently first; one that ended by itself is no error."""
    for end in (child.terminate, child.kill):
        with suppress(ProcessLookupError):
            end()
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await child.wait()
                return
