"""What a switch demands after it was pulled: what is held is closed, and a hard block ends with its breach (K-41).

One pass looks at every switch in force. Each scope is flattened beside the others: one at a venue that does not answer
holds up no other. A flatten that was not proved is tried again after a growing pause: a product that the venue has
halted is asked for and not hammered.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from marketsentry.core.orders.order import ZERO
from marketsentry.core.risk.codes import GLOBAL, flattened_code
from marketsentry.core.risk.hard_rules import LossFigures
from marketsentry.core.risk.kill_switch import SwitchRow
from marketsentry.exceptions import DependencyError
from marketsentry.ports.accounts import SubLedger
from marketsentry.ports.ending import end
from marketsentry.ports.risk import ChangedBy, EventFilter
from marketsentry.services.flat_proof import Scope, accounts_in
from marketsentry.services.flatten import FlatReport, FlattenParts, flatten
from marketsentry.services.passes import keep_passing
from marketsentry.services.risk_switch import release_cleared

LOOK_EVERY_S = 0.2
JUDGE_EVERY = timedelta(seconds=2)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=2), timedelta(seconds=60)
BY = ChangedBy("rule:risk_watch")
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Try:
    """When an unproved flatten is tried again; `row` is the block that asked for it."""

    row: SwitchRow
    next_at: datetime
    pause: timedelta = FIRST_PAUSE


@dataclass(slots=True)
class RiskWatch:
    """Acts on the switches in force; make one per process that executes.

    Parameters
    ----------
    parts
        What closing needs; its risk parts name the ledger that breaches are judged by.
    """

    parts: FlattenParts
    _tries: dict[tuple[str, str], _Try] = field(default_factory=dict)
    _flattening: dict[tuple[str, str], asyncio.Task[FlatReport]] = field(default_factory=dict)
    _judge_at: datetime | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Pass now and again until `stop` is set; what is being flattened then is taken up by whoever comes next."""
        try:
            await keep_passing(
                self._pass,
                name="risk_watch",
                every_s=LOOK_EVERY_S,
                stop=stop,
                transactions=self.parts.admit.transactions,
            )
        finally:
            await end(self._flattening.values())

    async def once(self) -> list[FlatReport]:
        """Look at every switch in force; returns what was flattened, or tried, when all of it is done."""
        try:
            return list(await asyncio.gather(*await self._pass()))
        finally:
            self._ended()

    async def _pass(self) -> list[asyncio.Task[FlatReport]]:
        """Begin to flatten what is due; what went wrong with one scope is raised after all of them were looked at."""
        errors = self._ended()
        async with self.parts.admit.transactions() as stores:
            reading = await stores.risk.all_switches()
        in_force = [row for row in reading.rows if row.blocks_at(reading.now)]
        judges = self._judge_at is None or reading.now >= self._judge_at
        if judges:
            self._judge_at = reading.now + JUDGE_EVERY
        begun = []
        for row in in_force:
            key = (row.track, row.scope)
            try:
                if row.until_cleared and judges:
                    await self._release(row)
                if row.mode.demands_closing and key not in self._flattening and await self._is_due(row):
                    begun.append(asyncio.create_task(self._flatten(row), name=f"flatten-{row.scope}"))
                    self._flattening[key] = begun[-1]
            except Exception as error:  # noqa: BLE001 - it is raised below
                errors.append(error)
        demanded = {(row.track, row.scope) for row in in_force if row.mode.demands_closing}
        for key in self._flattening.keys() - demanded:
            self._flattening[key].cancel()  # it was reset or has expired: what is opened now may stay
        self._tries = {key: one for key, one in self._tries.items() if key in demanded}
        if errors:
            raise errors[0]
        return begun

    def _ended(self) -> list[BaseException]:
        """Take the flattens off that are through; tells what they raised."""
        done = {key: task for key, task in self._flattening.items() if task.done()}
        for key in done:
            del self._flattening[key]
        return [
            error
            for task in done.values()
            if not task.cancelled() and (error := task.exception()) is not None
        ]

    async def _flatten(self, row: SwitchRow) -> FlatReport:
        try:
            report = await flatten(Scope(row.track, row.scope), self.parts, since=row.updated_at)
        except DependencyError:
            self._pause(row, FIRST_PAUSE)  # the record is away, and at its return there is no time to lose
            raise
        except Exception:
            self._pause(row, self._next_pause(row))
            raise
        if report.proof.is_flat:
            self._tries.pop((row.track, row.scope), None)
            log.info("flattened", track=row.track, scope=row.scope, seconds=round(report.seconds, 3))
            return report
        pause = self._next_pause(row)
        self._pause(row, pause)
        log.error(
            "flatten_unproved",
            track=row.track,
            scope=row.scope,
            remaining=[f"{one.name}: {one.reason}" for one in report.proof.remaining],
            next_in_s=pause.total_seconds(),
        )
        return report

    def _next_pause(self, row: SwitchRow) -> timedelta:
        before = self._tries.get((row.track, row.scope))
        is_again = before is not None and before.row.updated_at == row.updated_at
        return min(before.pause * 2, LONGEST_PAUSE) if before is not None and is_again else FIRST_PAUSE

    def _pause(self, row: SwitchRow, pause: timedelta) -> None:
        self._tries[row.track, row.scope] = _Try(row, self.parts.admit.clock.now() + pause, pause)

    async def _is_due(self, row: SwitchRow) -> bool:
        """Whether a flatten is to be tried: not proved since the block was last changed, or something is held again."""
        tried = self._tries.get((row.track, row.scope))
        if tried is not None and tried.row.updated_at == row.updated_at:
            left = tried.next_at - self.parts.admit.clock.now()
            return not timedelta(0) < left <= tried.pause  # more is left where the clock was set back
        scope = Scope(row.track, row.scope)
        async with self.parts.admit.transactions() as stores:
            code = flattened_code(row.track, row.scope)
            newest = await stores.risk.page_events(EventFilter(code=code), before_id=None, limit=1)
            if not newest or newest[0].created_at < row.updated_at:
                return True
            for account in await accounts_in(stores, scope):
                whole = SubLedger(account.id, GLOBAL, row.track)
                for held in await stores.accounts.positions(whole):
                    if held.position.qty != ZERO and scope.covers(row.track, held.ledger.strategy_id):
                        return True
        return False

    async def _release(self, row: SwitchRow) -> None:
        """Let a hard block go whose breach has ended by the ledger; what cannot be read releases nothing."""
        read = self.parts.admit.risk.account
        if read is None:
            return
        try:
            async with self.parts.admit.transactions() as stores:
                figures: LossFigures = (await read(stores, track=row.track, strategy_id=row.scope)).figures
        except DependencyError as error:
            log.warning("block_not_judged", track=row.track, scope=row.scope, reason=str(error))
            return
        for change in await release_cleared(
            row.track,
            row.scope,
            figures,
            limits=self.parts.admit.risk.limits,
            by=BY,
            transactions=self.parts.admit.transactions,
        ):
            log.info("block_released", track=change.after.track, scope=change.after.scope)
