"""The shape of one measured row, and the few statistics that every benchmark needs."""

import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure beside its budget. `limit` and `peer` were measured in the same run, or are None.

    `spread` is the interquartile range of the samples over their median. `ok` is None where the row has no budget
    of its own (a part of another row).
    """

    name: str
    value: float
    unit: str
    budget: float | None = None
    limit: float | None = None
    peer: float | None = None
    better: Better = "lower"
    n: int = 1
    spread: float | None = None
    notes: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The row as `ms bench --json` prints it."""
        ok = None
        if self.budget is not None:
            ok = self.value >= self.budget if self.better == "higher" else self.value <= self.budget
        return {
            **asdict(self),
            "ratio_to_limit": self.value / self.limit if self.limit else None,
            "ratio_to_peer": self.value / self.peer if self.peer else None,
            "ok": ok,
        }


def median(samples: Sequence[float]) -> float:
    """Middle of the samples."""
    return statistics.median(samples)


def spread(samples: Sequence[float]) -> float | None:
    """Interquartile range over the median; None for fewer than four samples."""
    if len(samples) < 4:
        return None
    low, _, high = statistics.quantiles(samples, n=4)
    return (high - low) / statistics.median(samples)


def seconds(work: Callable[[], object], n: int = 5) -> list[float]:
    """Wall seconds of `n` calls, after one call that compiles and warms."""
    work()
    samples = []
    for _ in range(n):
        started = time.perf_counter()
        work()
        samples.append(time.perf_counter() - started)
    return samples


def percentile(samples: Sequence[float], q: float) -> float:
    """The `q` quantile (0..1) by the nearest rank."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def peak_memory_mib() -> float:
    """Peak resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
