"""What a verb took: rows, seconds and peak memory, under the same three names in every JSON document."""

import time
from typing import Any

from marketsentry.adapters.process_memory import MIB, peak_resident_bytes


class Stopwatch:
    """Started when it is made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    def used(self, rows: int) -> dict[str, Any]:
        """Give `rows` handled, `seconds` since the start, and the `peak_memory_mib` of this process."""
        return {
            "rows": rows,
            "seconds": round(time.perf_counter() - self._started, 3),
            "peak_memory_mib": round(peak_resident_bytes() / MIB, 1),
        }
