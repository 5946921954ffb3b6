"""What can go wrong between a client and a venue, on a schedule that a seed repeats exactly."""

import random
from collections.abc import Mapping, Sequence
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
