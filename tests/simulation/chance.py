"""What chance decides: one stream of numbers for each purpose, so that one more draw in one place moves no other."""

from collections import Counter
from dataclasses import dataclass, field
from random import Random


@dataclass(frozen=True, slots=True)
class Rates:
    """How often things go wrong; drawn anew for each seed, so that calm and wild runs both occur.

    `call` and `message` are probabilities of each call of the venue and each message to the record, `commit` of
    each commit. `crash_every` is how many steps a process lives on average. `slow` is the share of steps that take
    time, `stall` that of transactions around which a task stands still for longer than a call, or than a lease.
    """

    call: float
    message: float
    commit: float
    crash_every: float
    slow: float
    stall: float = 0.0


@dataclass
class Chance:
    """The draws of one run, the faults that came of them, and what happened when."""

    seed: int
    is_calm: bool = False
    faults: Counter[str] = field(default_factory=Counter)
    _streams: dict[str, Random] = field(default_factory=dict)

    def of(self, name: str) -> Random:
        """The stream of one purpose."""
        if name not in self._streams:
            self._streams[name] = Random(f"{self.seed}/{name}")
        return self._streams[name]

    def rates(self) -> Rates:
        """How wild this run is."""
        draw = self.of("rates")
        return Rates(
            call=draw.choice((0.0, 0.05, 0.15, 0.3)),
            message=draw.choice((0.0, 0.0, 0.003, 0.012)),
            commit=draw.choice((0.0, 0.01, 0.03, 0.06)),
            crash_every=draw.choice((float("inf"), 2000.0, 700.0, 200.0)),
            slow=draw.choice((0.05, 0.2, 0.6)),
            stall=draw.choice((0.0, 0.0, 0.005, 0.02)),
        )

    def happens(self, fault: str, probability: float) -> bool:
        """Draw whether a fault happens, and count it."""
        if self.is_calm or not self.of(fault).random() < probability:
            return False
        self.faults[fault] += 1
        return True
