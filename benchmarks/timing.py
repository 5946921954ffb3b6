"""Time calls, and tell the quantiles of a latency as rows."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.rows import Row, percentile, spread

_QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def timed(work: Callable[[], object], n: int, *, warm: int = 20) -> list[float]:
    """Wall seconds of `n` calls, after `warm` that do not count."""
    for _ in range(warm):
        work()
    samples = []
    for _ in range(n):
        started = time.perf_counter()
        work()
        samples.append(time.perf_counter() - started)
    return samples


def latency_rows(
    name: str,
    samples: Sequence[float],
    budgets_ms: Mapping[str, float],
    *,
    main: str,
    limit_ms: Callable[[float], float],
    notes: str,
    peer: Sequence[float] | None = None,
) -> list[dict[str, Any]]:
    """Rows of the 50th, 95th and 99th percentile in ms; `main` of them carries the name of the budget itself.

    `samples` and those of a `peer` are in seconds.
    """
    rows = []
    for label, q in sorted(_QUANTILES, key=lambda one: one[0] != main):
        is_main = label == main
        rows.append(
            Row(
                name if is_main else f"{name}-{label}",
                1e3 * percentile(samples, q),
                "ms",
                budgets_ms.get(label),
                limit_ms(q),
                1e3 * percentile(peer, q) if peer else None,
                n=len(samples),
                spread=spread(samples) if is_main else None,
                notes=f"{label}; {notes}" if is_main else "",
            ).as_dict()
        )
    return rows
