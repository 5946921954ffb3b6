"""Five bugs that trading programs are known for. Each is planted beside the product; the simulation must find it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from marketsentry.core.orders.order import Fill
from marketsentry.ports import Transactions
from marketsentry.ports.risk import SwitchReading
from marketsentry.ports.venue import (
    LegRef,
    LegRequest,
    LegStatus,
    LegView,
    OutcomeUnknownError,
    Venue,
    VenueRefusedError,
)
from simulation.world import Bug, World

_UNSEEN = (OutcomeUnknownError, TimeoutError)
_REMEMBERED_S = 1.0
_PATIENCE_S = 9.0  # of a program that minds its own time-out; within that of a call


class _Beside:
    """Everything of another object but what a subclass does otherwise."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _SendsAgain(_Beside):
    """After a time-out it sends the order again, under a fresh id."""

    async def submit(self, request: LegRequest) -> LegView:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._inner.submit(request)  # type: ignore[no-any-return]
        except _UNSEEN:
            again = replace(request, client_order_id=f"{request.client_order_id}-again")
            view: LegView = await self._inner.submit(again)
            return replace(view, client_order_id=request.client_order_id)


class _BooksTwice(_Beside):
    """The answer to an order and the list of its fills name the same fill by different ids."""

    async def submit(self, request: LegRequest) -> LegView:
        view: LegView = await self._inner.submit(request)
        return replace(view, fills=tuple(replace(one, trade_id=f"{one.trade_id}-r") for one in view.fills))


class _TrustsTheCancel(_Beside):
    """Once a cancel was answered it takes the order for cancelled, with what it had seen filled until then."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self._seen: dict[str, LegView] = {}
        self._cancelled: dict[str, LegView] = {}

    async def submit(self, request: LegRequest) -> LegView:
        view: LegView = await self._inner.submit(request)
        self._seen[request.client_order_id] = view
        return view

    async def cancel(self, leg: LegRef) -> None:
        await self._inner.cancel(leg)
        seen = self._seen.get(leg.client_order_id)
        if seen is not None and not seen.status.is_over:
            known = sum((fill.qty for fill in seen.fills), seen.qty * 0)
            gone = replace(seen, status=LegStatus.CANCELED, filled_qty=known, venue_status="CANCELED")
            self._cancelled[leg.client_order_id] = gone

    async def order(self, leg: LegRef) -> LegView | None:
        if leg.client_order_id in self._cancelled:
            return self._cancelled[leg.client_order_id]
        view: LegView | None = await self._inner.order(leg)
        if view is not None:
            fills: Sequence[Fill] = await self._inner.fills(leg)
            self._seen[leg.client_order_id] = replace(
                view, fills=tuple({one.trade_id: one for one in fills}.values())
            )
        return view


class _LosesTheUnknown(_Beside):
    """No answer is taken for a no."""

    async def submit(self, request: LegRequest) -> LegView:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._inner.submit(request)  # type: ignore[no-any-return]
        except _UNSEEN as error:
            raise VenueRefusedError("venue_error:timeout", "no answer") from error


class _EarlierSwitches(_Beside):
    """Switches as an earlier transaction has read them, and no lock; who changes them reads them himself."""

    def __init__(self, inner: Any, earlier: "_Reading") -> None:
        super().__init__(inner)
        self._earlier, self._changes = earlier, False

    async def lock_switches(self, tracks: Sequence[str]) -> None:
        return None

    async def lock_switch_for_change(self, track: str) -> None:
        self._changes = True
        await self._inner.lock_switch_for_change(track)

    async def read_switches(self, tracks: Sequence[str], strategy_ids: Sequence[str]) -> SwitchReading:
        return await self.all_switches()

    async def all_switches(self) -> SwitchReading:
        now, kept = asyncio.get_running_loop().time(), self._earlier
        if kept.read is None or self._changes or now > kept.at + _REMEMBERED_S:
            kept.read, kept.at = await self._inner.all_switches(), now
        told: SwitchReading = kept.read
        return told


@dataclass
class _Reading:
    read: SwitchReading | None = None
    at: float = 0.0


class _StoresWith(_Beside):
    def __init__(self, inner: Any, risk: Any) -> None:
        super().__init__(inner)
        self.risk = risk


def _reads_the_switch_before(inner: Transactions, world: World) -> Transactions:
    """A process that has read the switches does not read them again for a second."""
    earlier = _Reading()

    @asynccontextmanager
    async def opened() -> AsyncIterator[Any]:
        async with inner() as stores:
            yield _StoresWith(stores, _EarlierSwitches(stores.risk, earlier))

    return opened


def _venue(kind: type[_Beside]) -> Callable[[Venue, World], Venue]:
    return lambda line, world: kind(line)


BUGS = (
    Bug("double send after a time-out", venue=_venue(_SendsAgain)),
    Bug("fill booked twice", venue=_venue(_BooksTwice)),
    Bug("cancel race", venue=_venue(_TrustsTheCancel)),
    Bug("lost unknown", venue=_venue(_LosesTheUnknown)),
    Bug("switch read outside the transaction", transactions=_reads_the_switch_before),
)
