"""What can go wrong between a client and a venue, on a schedule that a seed repeats exactly."""

import fnmatch
import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """One thing that goes wrong with one request."""

    TOO_MANY = "too_many"  # 429 with Retry-After
    SERVER_ERROR = "server_error"  # 502 with an HTML body, as from a proxy
    TIMEOUT = "timeout"  # no answer while the client waits
    DROP = "drop"  # the connection closes before an answer
    CUT = "cut"  # the connection closes in the middle of the body
    BLOCKED = "blocked"  # 451, this location is not served
    SHORT = "short"  # some candles at one end of the page are left out
    DUPLICATE = "duplicate"  # candles appear twice
    UNORDERED = "unordered"  # candles come in no order


PAGE_FAULTS = frozenset({Fault.SHORT, Fault.DUPLICATE, Fault.UNORDERED})


class FaultSchedule:
    """Draws a fault, or none, for each request.

    `script` is used up first, one entry per request; then `rates` (fault -> probability) are drawn with `seed`.
    `max_in_a_row` bounds how many requests in a row may fail, so that a patient client gets through.
    """

    def __init__(
        self,
        *,
        script: Sequence[Fault | None] = (),
        rates: Mapping[Fault, float] | None = None,
        seed: int = 0,
        max_in_a_row: int = 3,
        retry_after_s: float = 1.0,
    ) -> None:
        self.retry_after_s = retry_after_s
        self.rng = random.Random(seed)
        self._script = list(script)
        self._rates = dict(rates or {})
        self._max_in_a_row = max_in_a_row
        self._in_a_row = 0

    def script(self, faults: Sequence[Fault | None]) -> None:
        """Append faults for the next requests."""
        self._script.extend(faults)

    def draw(self, *, is_page: bool) -> Fault | None:
        """Decide what happens to the next request; faults of pages befall requests for candles only."""
        if self._script:
            fault = self._script.pop(0)
        else:
            fault = self._draw_from_rates()
        if fault in PAGE_FAULTS and not is_page:
            fault = None
        self._in_a_row = self._in_a_row + 1 if fault else 0
        return fault

    def _draw_from_rates(self) -> Fault | None:
        drawn = self.rng.random()
        if self._in_a_row >= self._max_in_a_row:
            return None
        for fault, rate in self._rates.items():
            if drawn < rate:
                return fault
            drawn -= rate
        return None


class VenueFault(StrEnum):
    """One thing that goes wrong between a trading client and the venue."""

    LATENCY = "latency"  # the answer comes `value` seconds late
    TIMEOUT_BEFORE = "timeout_before"  # nothing was done and no answer comes
    TIMEOUT_AFTER = "timeout_after"  # it was done, and no answer comes
    DROP_BEFORE = "drop_before"  # nothing was done, the connection closes
    DROP_AFTER = "drop_after"  # it was done, the connection closes
    TOO_MANY = "too_many"  # 429 with Retry-After of `value` seconds
    SERVER_ERROR = "server_error"  # 502 as from a proxy; nothing was done
    ERROR_AFTER = "error_after"  # 502 as from a proxy, but it was done
    INSUFFICIENT_FUNDS = "insufficient_funds"  # an order is refused
    HALTED = "halted"  # an order is refused
    PARTIAL_FILL = "partial_fill"  # an order finds only `value` of its quantity in the book
    CLOCK_SKEW = "clock_skew"  # the venue's clock is `value` seconds ahead
    STREAM_DROP = "stream_drop"  # a message is not sent
    STREAM_DUPLICATE = "stream_duplicate"  # a message is sent twice
    STREAM_REORDER = "stream_reorder"  # a message is sent after its successor
    DISCONNECT = "disconnect"  # the connection of a stream is cut


REQUEST_FAULTS = (
    VenueFault.TIMEOUT_BEFORE,
    VenueFault.TIMEOUT_AFTER,
    VenueFault.DROP_BEFORE,
    VenueFault.DROP_AFTER,
    VenueFault.TOO_MANY,
    VenueFault.SERVER_ERROR,
    VenueFault.ERROR_AFTER,
)
ORDER_FAULTS = (VenueFault.INSUFFICIENT_FUNDS, VenueFault.HALTED, VenueFault.PARTIAL_FILL)
STREAM_FAULTS = (
    VenueFault.STREAM_DROP,
    VenueFault.STREAM_DUPLICATE,
    VenueFault.STREAM_REORDER,
    VenueFault.DISCONNECT,
)


@dataclass(frozen=True, slots=True)
class FaultRule:
    """When a fault happens.

    `where` is a shell pattern over `METHOD /path` of a request or `ws channel` of a stream. The fault befalls a match
    with probability `rate`, the first `skip` matches never, at most `times` of them, from `from_s` to `until_s` on the
    venue's clock. `value` is what the fault's kind says: seconds, or a fraction.
    """

    fault: VenueFault
    where: str = "*"
    rate: float = 1.0
    times: int | None = None
    skip: int = 0
    from_s: float = -math.inf
    until_s: float = math.inf
    value: float = 0.0


@dataclass(slots=True)
class _Armed:
    rule: FaultRule
    skip: int
    left: float


class FaultPlan:
    """Rules in the order they were added, and what they have done. The same seed and calls give the same faults."""

    def __init__(self, *, now_s: Callable[[], float], seed: int = 0) -> None:
        self.injected: Counter[str] = Counter()
        self._now_s = now_s
        self._rng = random.Random(seed)
        self._armed: list[_Armed] = []

    def add(self, rule: FaultRule) -> None:
        """Arm a rule."""
        self._armed.append(_Armed(rule, rule.skip, math.inf if rule.times is None else rule.times))

    def clear(self) -> None:
        """Disarm all rules; what was injected stays counted."""
        self._armed.clear()

    def draw(self, kinds: Sequence[VenueFault], where: str) -> FaultRule | None:
        """Decide what befalls one request or message, of the kinds asked for, and count it."""
        now_s = self._now_s()
        for armed in self._armed:
            rule = armed.rule
            if rule.fault not in kinds or not armed.left or not rule.from_s <= now_s < rule.until_s:
                continue
            if not fnmatch.fnmatchcase(where, rule.where):
                continue
            if armed.skip:
                armed.skip -= 1
                continue
            if rule.rate < 1.0 and self._rng.random() >= rule.rate:
                continue
            armed.left -= 1
            self.injected[rule.fault.value] += 1
            return rule
        return None
