"""How much memory a process takes, and a cap on it."""

import resource
import sys
from pathlib import Path

import psutil

MIB = 1 << 20
_STATUS = Path("/proc/self/status")


def peak_resident_bytes() -> int:
    """Give the largest resident size this process has had.

    Linux keeps the parent's peak in `getrusage` across fork and exec; the high-water mark of the address space
    (`VmHWM`) belongs to this program alone.
    """
    if _STATUS.exists():
        return _status_bytes("VmHWM")
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage if sys.platform == "darwin" else usage * 1024


def resident_bytes(pid: int) -> int:
    """Give the resident size of a process; 0 once it has ended."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def private_bytes() -> int:
    """Give the private writable memory of this process: what the cap counts. Mapped read-only files are not in it."""
    if _STATUS.exists():
        return _status_bytes("VmData")
    return int(psutil.Process().memory_info().rss)


def cap_private_memory(limit_bytes: int) -> None:
    """Let allocations fail beyond `limit_bytes` of private memory (enforced by Linux; a watcher serves elsewhere)."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, hard))


def lift_memory_cap() -> None:
    """Undo `cap_private_memory`, so that the failure itself can be reported."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def _status_bytes(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"{_STATUS} must have {field}")
