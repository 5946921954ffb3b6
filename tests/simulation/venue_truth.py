"""What a simulated exchange that runs as a process says through its back door, as invariants ask for it."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from marketsentry.core.orders.order import ZERO, Fill
from simulation.world import Blocked


@dataclass(frozen=True)
class Booked:
    """An order of the venue."""

    fills: tuple[Fill, ...]

    @property
    def filled_qty(self) -> Decimal:
        """Sum of the fills."""
        return sum((one.qty for one in self.fills), ZERO)


@dataclass(frozen=True)
class Truth:
    """The venue as its back door tells it; balances less what was there at the start but for money."""

    orders: Mapping[str, Booked]
    balances: Mapping[str, Decimal]
    handed_in: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """What others than the record know of a run."""

    exchange: Truth
    asked: Mapping[str, int]
    surprises: list[str]
    blocked: tuple[Blocked, ...] = ()


class RunningVenue:
    """A venue that runs, as it was greeted.

    Parameters
    ----------
    greeting
        What it printed: where it listens, and with which key.
    """

    def __init__(self, greeting: Mapping[str, Any]) -> None:
        self.url, self._door = str(greeting["url"]), str(greeting["admin_url"])
        self.key: Mapping[str, str] = greeting["key"]
        self.at_start = self._balances(self._ask())

    def truth(self) -> Truth:
        """Ask for everything."""
        told = self._ask()
        names = {one["id"]: one["client_id"] for one in told["orders"] if one["owner"] == self.key["owner"]}
        fills: dict[str, list[Fill]] = {name: [] for name in names.values()}
        for one in told["fills"]:
            if one["order_id"] in names:
                fills[names[one["order_id"]]].append(_fill(one))
        kept = {coin: amount for coin, amount in self.at_start.items() if coin != "USD"}
        now = self._balances(told)
        return Truth(
            {name: Booked(tuple(of_order)) for name, of_order in fills.items()},
            {coin: amount - kept.get(coin, ZERO) for coin, amount in now.items()},
        )

    def _ask(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self._door}truth", timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def _balances(self, told: Mapping[str, Any]) -> dict[str, Decimal]:
        held = told["balances"][self.key["owner"]]
        return {coin: Decimal(one["available"]) + Decimal(one["held"]) for coin, one in held.items()}


@contextmanager
def running_venue(*, seed: int) -> Iterator[RunningVenue]:
    """Run a simulated Coinbase whose market moves by itself."""
    command = (sys.executable, "-m", "marketsentry.simexchange", "--seed", str(seed), "--until-stdin-closes")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield RunningVenue(json.loads(process.stdout.readline()))
        process.stdin.close()


def _fill(one: Mapping[str, Any]) -> Fill:
    at = datetime.fromtimestamp(one["at_s"], UTC)
    qty, price, fee = (Decimal(one[name]) for name in ("quantity", "price", "fee"))
    return Fill(one["trade_id"], qty, price, fee, one["fee_coin"], at)
