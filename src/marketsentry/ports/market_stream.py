"""Trades as a venue tells them while they happen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from marketsentry.core.market.trade_bars import Print


@dataclass(frozen=True, slots=True)
class Traded:
    """Trades of one market, in any order, some perhaps told before."""

    symbol: str
    prints: tuple[Print, ...]


@dataclass(frozen=True, slots=True)
class Begun:
    """Every trade of a market from `at_ns` on, by the venue's clock, will be told."""

    symbol: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Heard:
    """The venue said something at `at_ns` of its clock: its line is open, and what it said before has come."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Trades may be missed from now on, until a market is told to have begun again."""

    reason: str


MarketEvent = Traded | Begun | Heard | Interrupted
Hear = Callable[[MarketEvent], None]


class MarketStream(Protocol):
    """The trades of some markets of one venue."""

    async def run(self, hear: Hear) -> None:
        """Listen until cancelled; a connection that breaks is told and made again."""
        ...
