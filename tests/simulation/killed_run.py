"""One run of everything that trades on one record: the program, clients of its API, and a replay beside them."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from marketsentry.adapters.embedded import EmbeddedEngines
from marketsentry.bootstrap import open_system
from marketsentry.ports.accounts import SubLedger
from marketsentry.services.execution_request import ACCOUNT
from marketsentry.services.ledger import pay
from marketsentry.settings import Settings
from programs import clean_environment, eventually
from recorded_prices import add_prices
from simulation.clients import ADAPTER, MID, Clients
from simulation.killed import REPLAY, Program, Record, Replay
from simulation.replayed import SERVED, Unkilled, fill_record, replay_unkilled
from simulation.venue_truth import RunningVenue
from simulation.world import TRACK
from traded_runs import SYMBOLS
from trader_market import MODEL

N_CLIENTS = 3
STRATEGY, VENUE = "killed", "coinbase"
PACED, AT_ONCE = "1200", "max"  # a bar in three seconds
STILL_S = 300.0  # a record that says nothing new for so long stands still
# Rules that would end all trading after some of it are lifted.
_LIFTED = {
    "RISK_MAX_SINGLE_WEIGHT": "1", "RISK_MAX_GROSS_EXPOSURE": "1e6", "RISK_MAX_TURNOVER": "1e6",
    "RISK_MAX_SECTOR_EXPOSURE": "1e6", "RISK_MAX_STYLE_EXPOSURE": "1e6", "RISK_MAX_DRAWDOWN": "1",
    "RISK_MAX_DAILY_LOSS": "1", "RISK_MAX_CONSECUTIVE_LOSSES": "1000000", "RISK_MAX_ABS_RETURN": "0",
    "RISK_MAX_PRICE_AGE_S": "1e6",
}  # fmt: skip
_PROGRESS = """
SELECT count(*) FROM order_events AS e JOIN orders_sim AS o ON o.id = e.order_id
WHERE (o.adapter = 'paper') = %(is_replay)s
"""
_EVENTS = """
SELECT e.order_id, e.version, md5(concat_ws(' ', e.kind, e.at, e.payload))
FROM order_events AS e JOIN orders_sim AS o ON o.id = e.order_id WHERE o.adapter <> 'paper'
"""
_OPEN = "SELECT count(*) FROM orders_sim WHERE status IN ('executing', 'unknown')"


class KilledRun:
    """What trades, and what was seen of it.

    Parameters
    ----------
    program
        The program.
    replay
        A replay on its engines.
    unkilled
        What the replay must come to.
    """

    def __init__(self, program: Program, replay: Replay, unkilled: Unkilled) -> None:
        self.program, self.replay, self.unkilled = program, replay, unkilled
        self.record = Record(program)
        self.clients = Clients(f"http://127.0.0.1:{program.port}", STRATEGY, N_CLIENTS)
        self.kills: Counter[str] = Counter()
        self.seen: dict[tuple[int, int], str] = {}  # events of live orders that were read before a kill
        self.over_after_s: dict[str, float] = {}  # how long what was open took to end
        self._pool = ThreadPoolExecutor(1)
        self._trading = self._pool.submit(self.clients.run)

    def kill_when_it_has_traded(self, kind: str, *, more: int) -> None:
        """Wait until the record has so many events more of what is to be killed, and kill it."""
        wanted: int | None = None

        def has_traded() -> bool:
            nonlocal wanted
            assert self.replay.summary is None, "the replay has ended before it was killed often enough"
            if self._trading.done():
                self._trading.result()
            self.replay.tend(self.record, speed=PACED)
            now = self._progress(is_replay=kind == REPLAY)
            if now is not None and wanted is None:
                wanted = now + more
            return now is not None and wanted is not None and now >= wanted

        self._wait(has_traded, f"{kind} does not trade", tracks=[kind == REPLAY])
        self.seen.update(self.events())
        if kind == REPLAY:
            self.replay.kill()
        else:
            self.program.kill(kind)
        self.kills[kind] += 1

    def finish(self) -> None:
        """Wait until every request is answered, no order is open and the replay is complete."""
        self.clients.stop.set()
        self.replay.kill()  # what is left of it need not take its time
        self.over_after_s = {}
        started = time.monotonic()

        def is_over() -> bool:
            self.replay.tend(self.record, speed=AT_ONCE)
            done = {
                "requests": self._trading.done(),
                "replay": self.replay.summary is not None,
                "orders": self.record.ask(_OPEN) == [(0,)],
            }
            for what, is_done in done.items():
                if is_done:
                    self.over_after_s.setdefault(what, time.monotonic() - started)
                else:
                    self.over_after_s.pop(what, None)
            return all(done.values())

        self._wait(is_over, "something stays open", tracks=[True, False])
        self._trading.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End whatever still runs."""
        self.clients.stop.set()
        self.clients.leave.set()
        self.replay.kill()
        self.record.close()
        self.program.close()
        self._pool.shutdown()

    def events(self) -> dict[tuple[int, int], str]:
        """Read the events of live orders; nothing while the record is away."""
        rows = self.record.ask(_EVENTS) or ()
        return {(order_id, version): told for order_id, version, told in rows}

    def _progress(self, *, is_replay: bool) -> int | None:
        found = self.record.ask(_PROGRESS, {"is_replay": is_replay})
        return None if found is None else int(found[0][0])

    def _wait(self, condition: Callable[[], bool], otherwise: str, *, tracks: Sequence[bool]) -> None:
        """Wait for as long as the record has something new to say of the replay, of what is live, or of either."""
        last: list[Any] = []
        while not eventually(condition, STILL_S):
            now = [self._progress(is_replay=one) for one in tracks]
            assert now != last, f"{otherwise}: {self.program.served.stderr[-4_000:]}"
            last = now


def start(folder: Path, venue: RunningVenue, *, n_bars: int) -> KilledRun:
    """Fill a record, replay on a copy of it, and start everything that trades on it."""
    home = folder / "home"
    unkilled = _prepared(home, venue.at_start["USD"], n_bars)
    live = {
        "LIVE_TRADING_ENABLED": "1",
        "MS_LIVE_VENUES": VENUE,
        "COINBASE_ADVANCED_TRADE_API": venue.url,
        "COINBASE_API_KEY": venue.key["key"],
        "COINBASE_API_SECRET": venue.key["secret"],
        "RATE_LIMIT_RPS": "1000",
    }
    served = {"MS_SERVED_MODELS": SERVED, "LIQUID_SYMBOLS": ",".join(SYMBOLS)}
    program = Program(home, clean_environment(home, **live, **_LIFTED))
    replay = Replay(program, unkilled.span, clean_environment(home, **served))
    return KilledRun(program, replay, unkilled)


def _prepared(home: Path, money: Decimal, n_bars: int) -> Unkilled:
    with EmbeddedEngines(home) as engines:
        settings = Settings.model_validate(
            {
                "home": home,
                "database_url": engines.urls.database_url,
                "redis_url": engines.urls.redis_url,
                "served_models": (("1h", *MODEL),),
                "liquid_symbols": SYMBOLS,
            }
        )
        asyncio.run(_fill(settings, money, n_bars))
        return replay_unkilled(settings, n_bars)


async def _fill(settings: Settings, money: Decimal, n_bars: int) -> None:
    now = datetime.now(UTC)
    async with open_system(settings) as system:
        await fill_record(system, n_bars)
        await add_prices(system.database, "BTC", MID, until=now)
        async with system.transactions() as stores:
            account = await stores.accounts.open(adapter=ADAPTER, venue=VENUE, name=ACCOUNT, currency="USD")
            await pay(stores, SubLedger(account.id, STRATEGY, TRACK), money, reference="first", at=now)
