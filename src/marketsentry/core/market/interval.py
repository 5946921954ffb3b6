"""Bar intervals: `5m`, `1h`, `1d` and the like, with their length in nanoseconds."""

import re
from dataclasses import dataclass
from functools import lru_cache

from marketsentry.exceptions import InputError

NS_PER_S = 1_000_000_000
_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_PATTERN = re.compile(r"^([1-9][0-9]{0,3})([smhd])$")


@dataclass(frozen=True, slots=True)
class Interval:
    """One bar length. `name` is the venue-style spelling, `ns` its length in nanoseconds."""

    name: str
    ns: int

    @property
    def seconds(self) -> int:
        return self.ns // NS_PER_S

    @property
    def bars_per_day(self) -> float:
        return 86_400 / self.seconds

    @property
    def periods_per_year(self) -> float:
        """Bars in 365 days: crypto trades around the clock, without holidays."""
        return 365 * self.bars_per_day

    def bars_in(self, span: "Interval") -> int:
        """Count whole bars in `span`; refuses a span that is not a multiple of the bar."""
        if span.ns % self.ns:
            raise InputError(f"span must be a multiple of the bar interval {self.name}, was {span.name}")
        return span.ns // self.ns

    def __str__(self) -> str:
        return self.name


@lru_cache(maxsize=256)
def parse_interval(text: str) -> Interval:
    """Read `5m`, `1h`, `1d`; `60m` is spelled `1h` so that one length has one name."""
    match = _PATTERN.match(text.strip().lower())
    if match is None:
        raise InputError(f"interval must look like 5m, 1h or 1d, was {text!r}")
    return interval_of_seconds(int(match[1]) * _UNIT_S[match[2]])


def interval_of_seconds(seconds: int) -> Interval:
    """Name a bar length by its largest whole unit: 3600 -> `1h`."""
    if seconds < 1:
        raise InputError(f"interval must be at least 1 second, was {seconds}")
    unit = next(u for u in ("d", "h", "m", "s") if seconds % _UNIT_S[u] == 0)
    return Interval(f"{seconds // _UNIT_S[unit]}{unit}", seconds * NS_PER_S)
