"""Drills: break something on purpose, prove that it was broken, that nothing was lost, and undo it (contract 5.7).

`exchange_jitter` trades at a simulated exchange that answers late, twice, wrongly or not at all, through the same
admission, executor, live adapter and ledger as any other trading, and then holds the record against everything that the
exchange knows. Two things are not as usual. The limits of risk are lifted, and the breaker is not asked: it judges
recorded prices, and those of a simulated exchange are not in the record. And the account is one of the drill alone,
which counts for no other risk; switches that block openings block the drill too.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from time import monotonic

from marketsentry.core.market.symbols import base_of
from marketsentry.core.orders.order import ZERO, Side, TimeInForce
from marketsentry.core.orders.truth import BookedTrade, Comparison, Recorded, compare_truth
from marketsentry.exceptions import DependencyError, InputError, LockedError
from marketsentry.ports import Entropy
from marketsentry.ports.accounts import SubLedger
from marketsentry.ports.drill import BreakableVenue, FaultOrder
from marketsentry.services.execution import EnteredOrder, EnterRequest, ExecutionParts, enter_orders
from marketsentry.services.execution_admit import admit_within
from marketsentry.services.execution_claim import DriveParts
from marketsentry.services.execution_reconcile import Difference, ReconcileParts, reconcile_all
from marketsentry.services.execution_request import ACCOUNT, AdmitParts, RunRequest
from marketsentry.services.execution_risk import Refusal
from marketsentry.services.executor import Executor
from marketsentry.services.ledger import pay

JITTER = "exchange_jitter"
MIN_ORDERS = 16
_TRACK = "liquid"
_SYMBOLS = ("BTC", "ETH")
_PER_DECISION = 12
_CASH = Decimal(1_000_000)
_SMALLEST_QUOTE, _LARGEST_QUOTE = 100, 3_000
_LOT = Decimal("1e-6")
_SLIPPAGE_BPS = Decimal(200)
_QUOTE_TRIES = 30
_DECISION_S = 4.0
_AFTER_S = 90.0
_TOLD = 5
_ORDERS, _CANCELS = "POST */brokerage/orders", "POST */orders/batch_cancel"
_LOOKS, _BOOKS = "GET */orders/historical/*", "GET */product_book"
_ON_ORDERS = (  # each happens at least once
    ("timeout_before", 0.0),
    ("timeout_after", 0.0),
    ("drop_before", 0.0),
    ("drop_after", 0.0),
    ("server_error", 0.0),
    ("error_after", 0.0),
    ("too_many", 0.5),
    ("insufficient_funds", 0.0),
    ("halted", 0.0),
    ("partial_fill", 0.4),
)
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class JitterRequest:
    """How many orders, from which seed, and within how many seconds they must be over while the faults last."""

    n_orders: int = 120
    seed: int = 7
    within_s: float = 300.0

    def __post_init__(self) -> None:
        if self.n_orders < MIN_ORDERS:
            raise InputError(f"orders must be >= {MIN_ORDERS} for every fault to happen, was {self.n_orders}")


@dataclass(frozen=True, slots=True)
class DrillParts:
    """The exchange that is broken, and the trading plane that trades there under a name of the drill.

    `name` is that of the venue in the record and of the strategy; `currency` that of the account.
    """

    exchange: BreakableVenue
    admit: AdmitParts
    drive: DriveParts
    entropy: Entropy
    name: str
    adapter: str
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class DrillStep:
    """One step of a drill as contract 5.7 tells it: `code` is 0, or 2 where it went wrong."""

    code: int
    stdout: str
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class JitterReport:
    """What became of the orders. `faults` counts what was injected by kind; `missing` names what never happened."""

    scenario: str
    orders: int
    faults: Mapping[str, int]
    missing: tuple[str, ...]
    statuses: Mapping[str, int]
    comparison: Comparison
    reconciled: Sequence[Difference]
    steps: tuple[DrillStep, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether every fault happened and nothing of it can be seen in the record."""
        return self.comparison.is_equal and not self.missing and not self.reconciled


async def exchange_jitter(
    request: JitterRequest, parts: DrillParts, progress: Progress = lambda step, share: None
) -> JitterReport:
    """Trade at an exchange that is broken in every way it knows, repair it, and compare.

    Parameters
    ----------
    request
        How much.
    parts
        The exchange and what trades there.
    progress
        Told the step and its done share, 0..1.

    Returns
    -------
    JitterReport
        The faults are lifted, also when this raises.

    Raises
    ------
    LockedError
        With the code by which risk blocks openings: a switch is pulled.
    DependencyError
        If the record or the exchange itself is away.
    """
    drill, started = _Drill(request, parts, progress), monotonic()
    try:
        return await drill.run(started)
    finally:
        await drill.executor.close()


def jitter_faults(n_orders: int) -> Sequence[FaultOrder]:
    """Say what goes wrong with so many orders: each fault of an order once for certain, and all of them by chance."""
    spread = 2 * len(_ON_ORDERS)
    certain = [
        FaultOrder(fault, _ORDERS, times=1, skip=index * n_orders // spread, value=value)
        for index, (fault, value) in enumerate(_ON_ORDERS)
    ]
    rates = {"partial_fill": 0.15, "insufficient_funds": 0.02, "halted": 0.02, "too_many": 0.02}
    chance = [
        FaultOrder(fault, _ORDERS, rate=rates.get(fault, 0.04), value=value) for fault, value in _ON_ORDERS
    ]
    reads = [
        FaultOrder(fault, where, rate=rate)
        for where in (_LOOKS, _BOOKS)
        for fault, rate in (("server_error", 0.02), ("drop_before", 0.02), ("timeout_before", 0.01))
    ]
    late = [FaultOrder("drop_after", _CANCELS, rate=0.2), FaultOrder("latency", "*", rate=0.2, value=0.25)]
    return [*certain, *chance, *reads, *late]


class _Drill:
    """One drill on its way."""

    def __init__(self, request: JitterRequest, parts: DrillParts, progress: Progress) -> None:
        self.request, self.parts, self.progress = request, parts, progress
        self.executor = Executor(parts.drive, owner=parts.name)
        self.rng = random.Random(request.seed)
        self.decisions: list[str] = []
        self.ids: list[int] = []
        self.steps: list[DrillStep] = []

    async def run(self, started: float) -> JitterReport:
        exchange, faults = self.parts.exchange, jitter_faults(self.request.n_orders)
        ledger = await self._fund()
        await self._prices()  # what is read once and kept is read before anything is broken
        before = (await exchange.truth()).totals
        try:
            await exchange.inject(faults)
            await self._trade()
            left = await self._settle(self.request.within_s, "settle")
        except BaseException:
            with suppress(DependencyError):  # the first error is the one to tell
                await exchange.lift()
            raise
        injected = await exchange.lift()
        missing = tuple(sorted({one.fault for one in faults} - injected.keys()))
        self._step(not missing, f"injected {dict(injected)}", f"never happened: {', '.join(missing)}")
        if left:
            left = await self._settle(_AFTER_S, "recover")
        self._step(not left, f"{len(self.ids)} orders are definite", f"{left} of {len(self.ids)} are not")
        recorded, statuses = await self._recorded(ledger)
        comparison = compare_truth(before, await exchange.truth(), recorded)
        self._step(comparison.is_equal, "record equals exchange", "\n".join(comparison.differences[:_TOLD]))
        parts = ReconcileParts(self.parts.admit.transactions, self.parts.admit.venues, self.parts.admit.clock)
        found = await reconcile_all(parts)
        self._step(
            not found, "reconciliation finds nothing", "\n".join(one.event_code for one in found[:_TOLD])
        )
        return JitterReport(
            scenario=JITTER,
            orders=len(self.ids),
            faults=injected,
            missing=missing,
            statuses=statuses,
            comparison=comparison,
            reconciled=found,
            steps=tuple(self.steps),
            seconds=round(monotonic() - started, 3),
        )

    async def _fund(self) -> SubLedger:
        """Pay the same in at the exchange and into an account of the drill."""
        parts = self.parts
        await parts.exchange.deposit(parts.currency, _CASH)
        async with parts.admit.transactions() as stores:
            account = await stores.accounts.open(
                adapter=parts.adapter, venue=parts.name, name=ACCOUNT, currency=parts.currency
            )
            ledger = SubLedger(account.id, parts.name, _TRACK)
            await pay(stores, ledger, _CASH, reference=parts.name, at=parts.admit.clock.now())
        return ledger

    async def _trade(self) -> None:
        """Enter decision after decision; the next one does not wait for an order that nobody knows of."""
        while len(self.ids) < self.request.n_orders:
            n = min(_PER_DECISION, self.request.n_orders - len(self.ids))
            force = TimeInForce.GTC if len(self.decisions) % 2 else TimeInForce.IOC
            ids = await self._enter(n, force)
            self.ids += ids
            await self.executor.settle(ids, within_s=_DECISION_S)
            self.progress("trade", len(self.ids) / self.request.n_orders)
        told = f"{len(self.ids)} orders in {len(self.decisions)} decisions"
        self._step(is_well=True, told=told, wrong="")

    async def _enter(self, n: int, force: TimeInForce) -> Sequence[int]:
        parts, prices = self.parts, await self._prices()
        orders = tuple(self._order(prices) for _ in range(n))
        entered = await enter_orders(
            EnterRequest(
                orders,
                adapter=parts.adapter,
                venue=parts.name,
                time_in_force=force,
                max_slippage_bps=_SLIPPAGE_BPS,
            ),
            ExecutionParts(parts.admit, self.executor, parts.entropy),
        )
        self.decisions.append(entered.decision_id)
        run = RunRequest(
            entered.decision_id,
            adapter=parts.adapter,
            venue=parts.name,
            time_in_force=force,
            max_slippage_bps=_SLIPPAGE_BPS,
            limit_timeout_s=Decimal(1),
        )
        judged = frozenset((_TRACK, symbol) for symbol in _SYMBOLS)
        try:
            async with parts.admit.transactions() as stores:
                admitted = await admit_within(stores, run, parts.admit, judged)
        except Refusal as refusal:
            raise LockedError(refusal.detail) from None
        return [one.id for one in admitted]

    def _order(self, prices: Mapping[str, Decimal]) -> EnteredOrder:
        symbol, side = self.rng.choice(_SYMBOLS), self.rng.choice(tuple(Side))
        worth = Decimal(self.rng.randint(_SMALLEST_QUOTE, _LARGEST_QUOTE))
        return EnteredOrder(
            symbol,
            side,
            (worth / prices[symbol]).quantize(_LOT),
            track=_TRACK,
            est_price=prices[symbol],
            strategy_id=self.parts.name,
        )

    async def _prices(self) -> Mapping[str, Decimal]:
        parts = self.parts
        venue = await parts.admit.venues.open(parts.adapter, parts.name, fee_bps=ZERO)
        await venue.products()
        found: dict[str, Decimal] = {}
        for attempt in range(_QUOTE_TRIES):
            try:
                for symbol in [one for one in _SYMBOLS if one not in found]:
                    found[symbol] = (await venue.quote(symbol)).mid
            except DependencyError:
                if attempt == _QUOTE_TRIES - 1:
                    raise
                await parts.drive.sleep(0.2)
        return found

    async def _settle(self, within_s: float, step: str) -> int:
        """Drive what is open until it is definite; tells how many are not in time. Orders of others are not touched."""
        deadline = monotonic() + within_s
        while True:
            left = await self._open()
            self.progress(step, 1 - len(left) / len(self.ids))
            if not left or monotonic() >= deadline:
                return len(left)
            await self.executor.settle(left, within_s=min(_DECISION_S, deadline - monotonic()))
            await self.parts.drive.sleep(0.2)

    async def _open(self) -> Sequence[int]:
        async with self.parts.admit.transactions() as stores:
            return [
                one.id
                for decision_id in self.decisions
                for one in await stores.orders.of_decision(decision_id)
                if not one.status.is_final
            ]

    async def _recorded(self, ledger: SubLedger) -> tuple[Recorded, Mapping[str, int]]:
        """Read what the record knows: orders from their logs, fills from their table, money from the ledger."""
        async with self.parts.admit.transactions() as stores:
            stored = [
                one for decision_id in self.decisions for one in await stores.orders.of_decision(decision_id)
            ]
            orders = await stores.orders.orders(stored)
            fills = [
                one
                for decision_id in self.decisions
                for one in await stores.orders.fills(decision_id=decision_id)
            ]
            moved = {base_of(one.target): one.position.qty for one in await stores.accounts.positions(ledger)}
            cash = dict(await stores.accounts.cash(ledger))
        cash[self.parts.currency] = cash.get(self.parts.currency, ZERO) - _CASH
        trades = tuple(
            BookedTrade(one.venue_trade_id, one.client_order_id, one.qty, one.price, one.fee) for one in fills
        )
        statuses: dict[str, int] = {}
        for one in stored:
            statuses[str(one.status)] = statuses.get(str(one.status), 0) + 1
        return Recorded(tuple(orders[one.id] for one in stored), trades, moved | cash), statuses

    def _step(self, is_well: bool, told: str, wrong: str) -> None:
        self.steps.append(DrillStep(0, told) if is_well else DrillStep(2, "", wrong))
