"""`ms drill exchange_jitter`: nothing is lost at a broken exchange, what is planted is found, and all is undone."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from faulty_venue import Faults, FaultyVenue
from marketsentry.adapters.embedded import Engines
from marketsentry.bootstrap import System
from marketsentry.core.orders.order import Fill
from marketsentry.core.orders.truth import Truth
from marketsentry.core.risk.losses import OrderOutcomes
from marketsentry.exceptions import DependencyError, InputError, LockedError
from marketsentry.ports.drill import BreakableVenue, FaultOrder
from marketsentry.ports.execution import Venues
from marketsentry.ports.risk import ChangedBy
from marketsentry.ports.venue import LegRef, LegRequest, LegStatus, LegView, Venue
from marketsentry.rehearsal import jitter_drill
from marketsentry.services.account_figures import accounts_of_track
from marketsentry.services.drill import DrillParts, JitterRequest, exchange_jitter, jitter_faults
from marketsentry.services.risk_switch import pull_automatic
from verbs import ms, on_engines

SMALL = JitterRequest(n_orders=16, seed=11)


class Careless(FaultyVenue):
    """An adapter that sends orders twice, under another name, until one is filled; then it denies that one was."""

    def __init__(self, inner: Venue, faults: Faults, planted: dict[str, str]) -> None:
        super().__init__(inner, faults)
        self.venue, self.planted = inner, planted

    async def submit(self, request: LegRequest) -> LegView:
        view = await self.venue.submit(request)
        if "twice" not in self.planted:
            again = replace(request, client_order_id=f"{request.client_order_id}-again")
            with suppress(DependencyError):
                if (await self.venue.submit(again)).filled_qty:
                    self.planted["twice"] = again.client_order_id
        elif "hidden" not in self.planted and view.filled_qty:
            self.planted["hidden"] = request.client_order_id
        return view if view.client_order_id != self.planted.get("hidden") else _denied(view)

    async def order(self, leg: LegRef) -> LegView | None:
        view = await self.venue.order(leg)
        return view if view is None or leg.client_order_id != self.planted.get("hidden") else _denied(view)

    async def fills(self, leg: LegRef) -> Sequence[Fill]:
        return () if leg.client_order_id == self.planted.get("hidden") else await self.venue.fills(leg)


def _denied(view: LegView) -> LegView:
    return replace(view, filled_qty=Decimal(0), fills=(), status=LegStatus.CANCELED)


class CarelessVenues:
    """`Venues` whose only venue is careless; what was planted is noted."""

    def __init__(self, inner: Venues) -> None:
        self.inner, self.planted = inner, dict[str, str]()

    def currency(self, adapter: str, venue: str) -> str:
        return self.inner.currency(adapter, venue)

    def refusal(self, adapter: str, venue: str) -> str | None:
        return self.inner.refusal(adapter, venue)

    def in_record(self, adapter: str, venue: str, *, fee_bps: Decimal) -> None:
        """Tell that every venue is asked outside of the record."""

    async def open(self, adapter: str, venue: str, *, fee_bps: Decimal) -> Venue:
        return Careless(await self.inner.open(adapter, venue, fee_bps=fee_bps), Faults(), self.planted)


class Watched:
    """An exchange that notes what was armed and lifted."""

    def __init__(self, inner: BreakableVenue) -> None:
        self.inner, self.calls = inner, list[str]()

    async def deposit(self, coin: str, amount: Decimal) -> None:
        await self.inner.deposit(coin, amount)

    async def inject(self, faults: Sequence[FaultOrder]) -> None:
        self.calls.append("inject")
        await self.inner.inject(faults)

    async def lift(self) -> Mapping[str, int]:
        self.calls.append("lift")
        return await self.inner.lift()

    async def truth(self) -> Truth:
        return await self.inner.truth()


@asynccontextmanager
async def a_drill(system: System) -> AsyncIterator[DrillParts]:
    """A drill whose exchange is known to be gone afterwards."""
    known = {child.pid for child in psutil.Process().children(recursive=True)}
    async with jitter_drill(system, seed=SMALL.seed) as parts:
        yield parts
    left = [one for one in psutil.Process().children(recursive=True) if one.pid not in known]
    assert not [one for one in left if any("simexchange" in word for word in one.cmdline())]


async def test_nothing_is_lost_and_the_account_counts_for_nobody_else(
    system: System, engines: Engines, database_url: str, tmp_path: Path
) -> None:
    environment = on_engines(engines, database_url, tmp_path)
    done = ms(environment, "drill", "exchange_jitter", "--orders", "20", "--seed", "7", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"], told["differences"]) == (0, True, []), done.stderr
    assert (told["orders"], told["lost"], told["duplicated"], told["unknown_left"]) == (20, 0, 0, 0)
    assert told["faults"].keys() >= {one.fault for one in jitter_faults(20)}
    assert [step["code"] for step in told["steps"]] == [0] * 5
    assert all(step.keys() == {"code", "stdout", "stderr"} for step in told["steps"])
    assert (told["scenario"], told["seconds"] > 0) == ("exchange_jitter", True)

    async with system.transactions() as stores:
        (account,) = await stores.accounts.list()
        assert (account.adapter, account.is_apart) == ("coinbase_live", True)
        assert await accounts_of_track(stores, track="liquid") == []
        assert await accounts_of_track(stores, track="liquid", account_id=account.id) == [account]
        since = datetime.now(UTC) - timedelta(days=1)
        assert await stores.orders.outcomes("liquid", since=since, limit=100) == OrderOutcomes(
            Decimal(0), Decimal(0)
        )


async def test_what_was_sent_twice_or_not_booked_is_found(system: System) -> None:
    async with a_drill(system) as parts:
        careless = CarelessVenues(parts.drive.venues)
        planted = replace(parts, drive=replace(parts.drive, venues=careless))
        report = await exchange_jitter(SMALL, planted)
    found = report.comparison
    assert careless.planted.keys() == {"twice", "hidden"}
    assert not report.ok
    assert (found.duplicated >= 1, found.lost >= 1, found.unknown_left) == (True, True, 0), found.differences
    for name in careless.planted.values():
        assert any(name in line for line in found.differences), found.differences
    assert {one.client_order_id for one in report.reconciled} >= set(careless.planted.values())


async def test_a_drill_that_fails_lifts_its_faults_and_stops_its_exchange(system: System) -> None:
    await pull_automatic(
        "liquid",
        "global",
        reason="test",
        minutes=5,
        by=ChangedBy("test"),
        metadata={},
        transactions=system.transactions,
    )
    async with a_drill(system) as parts:
        watched = Watched(parts.exchange)
        with pytest.raises(LockedError, match="kill_switch"):
            await exchange_jitter(SMALL, replace(parts, exchange=watched))
        assert watched.calls == ["inject", "lift"]


def test_too_few_orders_for_every_fault_are_refused() -> None:
    with pytest.raises(InputError, match="must be >= 16"):
        JitterRequest(n_orders=15)
    assert JitterRequest().n_orders >= 100
