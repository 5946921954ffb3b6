"""Execute one order that was admitted: step by step, each written down before and after the venue is called (K-24).

Whoever drives holds the lease of the order. It asks what is to be done, writes that it is about to do it, does it and
writes what came of it. A crash between any two of these leaves a record from which the next one goes on: a leg that is
`sending` may be at the venue, so it is asked for and never sent again. A venue in the record is not called before: it
answers in the transaction that writes the leg (ADR 0256).
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog

from marketsentry.core.orders.change import Change, take
from marketsentry.core.orders.events import (
    Admitted,
    CancelSending,
    Event,
    Finished,
    LegRefused,
    LegSending,
    LegUnseen,
)
from marketsentry.core.orders.order import ZERO, Fill, Leg, Order
from marketsentry.core.orders.plan import (
    Ask,
    Cancel,
    Finish,
    Market,
    Plan,
    PlanStyle,
    Send,
    expiry,
    next_step,
    plan_of,
)
from marketsentry.core.orders.product import Product
from marketsentry.core.orders.reconcile import Evidence, reconcile
from marketsentry.core.risk.kill_switch import effective_switch
from marketsentry.exceptions import ConflictError, DependencyError
from marketsentry.ports import Stores
from marketsentry.ports.orders import order_of
from marketsentry.ports.record_venue import Offer
from marketsentry.ports.risk import SwitchReading
from marketsentry.ports.urgency import Urgency, asking_as
from marketsentry.ports.venue import (
    LegRef,
    LegRequest,
    LegView,
    OutcomeUnknownError,
    Venue,
    VenueRefusedError,
)
from marketsentry.services.execution_booking import write_change
from marketsentry.services.execution_claim import Claimed, DriveParts

_SWITCHES_KNOWN_S = 0.1  # as long as a reading counts
_ANSWERS_WITHIN_S = 0.5
_LEASE_TO_ACT = 0.5
_NOT_THERE_FOR_S = 10.0  # so long a venue must say that it has no such order, by a clock that nobody sets
_LEASE_TO_WAIT = 0.75  # what must be left of a lease: a wait is calls of the venue and a pause
log = structlog.get_logger(__name__)


async def drive(claimed: Claimed, parts: DriveParts, *, owner: str) -> Order:
    """Execute an order to its end.

    Parameters
    ----------
    claimed
        The order, held by `owner`.
    parts
        Record, venues and time.
    owner
        Who drives.

    Returns
    -------
    Order
        Final.

    Raises
    ------
    ConflictError
        If the lease has passed on, or the venue contradicts what is recorded.
    DependencyError
        If the record is away; the order stays as it was written last.
    """
    return await Driver(claimed, parts, owner).run()


class Driver:
    """One order on its way; see `drive` for what is given."""

    venue: Venue

    def __init__(self, claimed: Claimed, parts: DriveParts, owner: str) -> None:
        self.stored, self.parts, self.owner = claimed.stored, parts, owner
        self.plan: Plan = plan_of(self.stored.plan or {})
        self.log = list(claimed.log)
        self.order = order_of(self.stored, self.log)
        self.admitted_at = next((one.at for one in self.log if isinstance(one, Admitted)), None)
        self.held_until = claimed.held_until
        self.switches: SwitchReading | None = claimed.switches  # until they are used once
        self.in_record = parts.venues.in_record(
            self.stored.adapter, self.stored.venue, fee_bps=self.plan.fee_bps
        )
        self.due: Send | None = None
        self.missed_at: float | None = None  # since when the venue has said that it has not the open leg

    def plan_leg(self, offer: Offer) -> None:
        """Decide on the next leg, which is then due, where nothing else is to be done first."""
        if self.order.open_leg is not None or not self.order.remaining_qty:
            return
        assert self.switches is not None
        if not self.order.is_reduce_only and self._stop(self.switches) is not None:
            return
        market = Market(offer.quote.bid, offer.quote.ask)
        now = self.parts.clock.now()
        step = next_step(self.order, self.plan, now=now, market=market, product=offer.product)
        if isinstance(step, Send):
            self.due, self.switches = step, None

    async def run(self) -> Order:
        """Execute the order to its end; see `drive`. What only closes is asked for before everything else."""
        with asking_as(Urgency.EXIT if self.order.is_reduce_only else Urgency.OTHER):
            return await self._run()

    async def _run(self) -> Order:
        self.venue = self.in_record or await self.parts.venues.open(
            self.stored.adapter, self.stored.venue, fee_bps=self.plan.fee_bps
        )
        if self.due is not None:
            await self._send(self.due)
        while self.order.status.is_open:
            await self.step()
        return self.order

    async def step(self) -> None:
        stop = await self._hold() or self._expired()
        market, product = None, None
        if self.order.open_leg is None and self.order.remaining_qty and stop is None:
            asked = asyncio.get_running_loop().time()
            market, product = await asyncio.gather(self._market(), self._product())
            if asyncio.get_running_loop().time() - asked > _ANSWERS_WITHIN_S:
                stop = await self._hold()  # a switch may have been pulled while the venue took its time
        now = self.parts.clock.now()
        step = next_step(self.order, self.plan, now=now, market=market, product=product, stop=stop)
        match step:
            case Send():
                await self._send(step)
            case Cancel(client_order_id=name):
                await self._write([CancelSending(now, name)])
                await self._cancel(self._leg(name))
            case Ask():
                await self._ask(step)
            case Finish(if_unfilled=status, reason=reason):
                await self._write([Finished(now, status, reason)])

    def _expired(self) -> str | None:
        if self.admitted_at is None:
            return None
        return expiry(self.order, admitted_at=self.admitted_at, now=self.parts.clock.now())

    async def _hold(self) -> str | None:
        """Hold the order longer when half of its lease is over, and earlier where it is waited for.

        Tells why it may not go on, where a switch says so.
        """
        rules, started = self.parts.rules, asyncio.get_running_loop().time()
        waits = self.order.open_leg is not None
        is_ending = started >= self.held_until - rules.lease_s * (_LEASE_TO_WAIT if waits else _LEASE_TO_ACT)
        if not (is_ending or waits) and self.order.is_reduce_only:
            return None
        switches, self.switches = self.switches, None
        if switches is not None and started < self.held_until - rules.lease_s + _SWITCHES_KNOWN_S:
            return self._stop(switches)  # read when it was taken, just now
        stored = self.stored
        async with self.parts.transactions() as stores:
            if is_ending:
                await self._renew(stores)
            stop = self._stop(await stores.risk.read_switches([stored.track], [stored.strategy_id]))
        if is_ending:
            self.held_until = started + rules.lease_s
        return stop

    async def _renew(self, stores: Stores) -> None:
        if not await stores.orders.renew(self.owner, [self.stored.id], lease_s=self.parts.rules.lease_s):
            raise ConflictError(f"the lease of order {self.stored.id} has passed on")

    def _stop(self, reading: SwitchReading) -> str | None:
        """Tell the code of the switch that takes this order from the venue, where there is one.

        A switch that cancels openings leaves exits alone. One that demands closing takes those too that wait at a
        price: the rest is closed at the market. That works market legs only, and so it is left alone.
        """
        stored = self.stored
        switch = effective_switch(
            reading.rows, track=stored.track, strategy_id=stored.strategy_id, now=reading.now
        )
        if switch.mode is None:
            return None
        waits = self.plan.style is not PlanStyle.MARKET and switch.mode.demands_closing
        stops = waits if self.order.is_reduce_only else switch.mode.cancels_openings
        return switch.code if stops else None

    async def _send(self, step: Send) -> None:
        """Write that a leg is about to be sent, and send it; a venue in the record writes it with its answer."""
        sending = _sending(step, self.parts.clock.now())
        if self.in_record is None:
            await self._write([sending])
            asleep = self.parts.clock.now() - sending.at  # all of the machine may have been, its timers too
            if asleep >= timedelta(seconds=self.parts.rules.lease_s):
                raise ConflictError(
                    f"order {self.stored.id} was to be sent {asleep} ago: others may drive it"
                )
            await self._hand_in(step)
        else:
            await self._hand_in(step, sending)

    async def _hand_in(self, step: Send, *unwritten: LegSending) -> None:
        if asyncio.get_running_loop().time() >= self.held_until:
            raise ConflictError(f"the lease of order {self.stored.id} ended before its leg was sent")
        request = LegRequest(
            client_order_id=step.client_order_id,
            symbol=self.stored.target,
            side=self.order.side,
            kind=step.kind,
            qty=step.qty,
            limit_price=step.limit_price,
            time_in_force=step.time_in_force,
            is_reduce_only=self.order.is_reduce_only,
            terms=self.plan.terms,
            is_netted=self.plan.is_netted,
        )
        try:
            async with asyncio.timeout(self.parts.rules.call_s):
                answer = await self._submit(request, unwritten)
        except VenueRefusedError as refused:
            answer = [LegRefused(self.parts.clock.now(), step.client_order_id, refused.code)]
        except (OutcomeUnknownError, TimeoutError) as unseen:
            reason = str(unseen) or "timeout"
            answer = [LegUnseen(self.parts.clock.now(), step.client_order_id, reason)]
        await self._write([*unwritten, *answer] if answer else ())

    async def _submit(self, request: LegRequest, unwritten: Sequence[LegSending]) -> Sequence[Event]:
        """Hand in a leg; tells what is left to be written of the answer."""
        name = request.client_order_id
        if self.in_record is None:
            view = await self.venue.submit(request)
            return self._evidence(self.order, name, view, view.fills, is_proof=_tells_fills(view))
        noted = self._change(())

        async def note(stores: Stores, view: LegView) -> None:
            nonlocal noted
            sent = take(self.order, unwritten).after
            noted = self._change([*unwritten, *self._evidence(sent, name, view, view.fills)])
            await self._record(stores, noted)

        await self.in_record.submit_with(request, note)
        self.moved(noted)
        return ()

    @asynccontextmanager
    async def _asking(self) -> AsyncIterator[None]:
        """Bound what the venue is asked about a leg; the record is no venue to be waited for aside."""
        if self.in_record is not None:
            async with asyncio.timeout(self.parts.rules.call_s):
                yield
        else:
            async with self.parts.aside(), asyncio.timeout(self.parts.rules.call_s):
                yield

    async def _cancel(self, leg: Leg) -> None:
        try:
            async with self._asking():
                await self.venue.cancel(self._ref(leg))
        except (OutcomeUnknownError, VenueRefusedError, TimeoutError) as error:
            log.info("cancel_unproved", order_id=self.stored.id, leg=leg.client_order_id, reason=str(error))

    async def _ask(self, step: Ask) -> None:
        leg = self._leg(step.client_order_id)
        try:
            async with self._asking():
                view, fills = await self._look(leg)
        except (OutcomeUnknownError, VenueRefusedError, TimeoutError) as error:
            log.info("look_failed", order_id=self.stored.id, leg=leg.client_order_id, reason=str(error))
            await self._wait(step)
            return
        before = self.order
        await self._write(self._evidence(before, step.client_order_id, view, fills))
        if self.order is not before:
            return
        if step.cancels_again and view is not None and not view.status.is_over:
            await self._cancel(leg)
        await self._wait(step)

    async def _wait(self, step: Ask) -> None:
        """Let the venue have its time, but no more than is left of the lease after calls: who lost it begins anew."""
        rules = self.parts.rules
        bearable_s = max(rules.lease_s * _LEASE_TO_WAIT - rules.call_s, rules.lease_s * (1 - _LEASE_TO_WAIT))
        await self.parts.sleep(min(step.wait_s, bearable_s))

    async def _look(self, leg: Leg) -> tuple[LegView | None, Sequence[Fill]]:
        view = await self.venue.order(self._ref(leg))
        if view is None:
            return None, ()
        is_told = (
            self.in_record is not None or _tells_fills(view) or not (view.status.is_over or view.filled_qty)
        )
        return view, view.fills if is_told else await self.venue.fills(self._ref(leg))

    def _evidence(
        self,
        order: Order,
        client_order_id: str,
        view: LegView | None,
        fills: Iterable[Fill],
        *,
        is_proof: bool = True,
    ) -> Sequence[Event]:
        """Tell what a view and fills come to; one that is no proof ends no leg: its total may be behind the fills."""
        evidence, now, grace = None, self.parts.clock.now(), timedelta(seconds=self.parts.rules.grace_s)
        if view is not None:
            self.missed_at = None
            is_over = view.status.is_over and is_proof
            evidence = Evidence(view.venue_order_id, is_over, view.filled_qty, view.venue_status)
        elif self.in_record is not None:  # only who holds the order hands a leg in there
            grace = timedelta(0)
        else:
            grace = self._grace()
        return reconcile(order, client_order_id, evidence, fills, now=now, grace=grace)

    def _grace(self) -> timedelta:
        """Tell how old the open leg must be to be absent, as the venue has said again.

        Back from an outage it may not know yet what it took: it is asked twice, by a clock that nobody sets. One that
        was missed for long enough is absent however old it seems: the other clock may have been set back meanwhile.
        """
        asked_at = self.parts.steady()
        self.missed_at = asked_at if self.missed_at is None else self.missed_at
        missed_s, grace_s = asked_at - self.missed_at, self.parts.rules.grace_s
        if missed_s < _NOT_THERE_FOR_S:
            return timedelta.max
        return timedelta(seconds=grace_s) if missed_s < grace_s else timedelta.min

    async def _write(self, events: Iterable[Event]) -> None:
        change = self._change(events)
        if change.events:
            async with self.parts.transactions() as stores:
                await self._record(stores, change)
            self.moved(change)

    def _change(self, events: Iterable[Event]) -> Change:
        """Tell what events come to; where all is filled, the end of the order with them: nothing can come between."""
        told = list(events)
        change = take(self.order, told)
        after = change.after
        if change.events and after.status.is_open and after.open_leg is None and not after.remaining_qty:
            end = Finish()
            finished = Finished(self.parts.clock.now(), end.if_unfilled, end.reason)
            ended = take(after, [finished])
            change = Change(self.order, change.events + ended.events, ended.after)
        return change

    async def _record(self, stores: Stores, change: Change) -> None:
        if change.events:
            accounts = self.parts.accounts
            await write_change(stores, self.stored, change, self.log, owner=self.owner, accounts=accounts)

    def moved(self, change: Change) -> None:
        """Go on from what is committed."""
        if change.after.open_leg is None:
            self.missed_at = None
        self.order = change.after
        self.log += change.events

    async def _market(self) -> Market | None:
        try:
            async with asyncio.timeout(self.parts.rules.call_s):
                quote = await self.venue.quote(self.stored.target)
        except (DependencyError, TimeoutError):
            return None
        return Market(quote.bid, quote.ask)

    async def _product(self) -> Product | None:
        async with asyncio.timeout(self.parts.rules.call_s):
            products = await self.venue.products()
        return next((one for one in products if one.symbol == self.stored.target), None)

    def _leg(self, client_order_id: str) -> Leg:
        leg = self.order.leg(client_order_id)
        assert leg is not None
        return leg

    def _ref(self, leg: Leg) -> LegRef:
        return LegRef(self.stored.target, leg.client_order_id, leg.venue_order_id, leg.sent_at)


def _tells_fills(view: LegView) -> bool:
    """Whether a view has the fills of its total with it."""
    return 0 < view.filled_qty <= sum((fill.qty for fill in view.fills), ZERO)


def _sending(step: Send, now: datetime) -> LegSending:
    return LegSending(now, step.client_order_id, step.kind, step.qty, step.limit_price, step.time_in_force)
