"""Pure judgements over facts of the machine: memory and GPU levels of contract section 1.1, doctor findings."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

HOST_WARNING_PERCENT = 75.0
HOST_CRITICAL_PERCENT = 85.0
# (warning, critical) in GB used, by device index; further devices are judged by share of their memory.
GPU_LIMITS_GB = {0: (20.0, 25.0), 1: (35.0, 42.0)}
GPU_LIMITS_FRAC = (0.8, 0.95)


class Level(StrEnum):
    """How a resource stands."""

    NORMAL = "normal"
    WARNING = "warning"
    CRITICAL = "critical"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class GpuMemory:
    """Memory of one device; `None` where the driver gave no figure."""

    device: int
    used_gb: float | None
    total_gb: float | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `doctor`: what was looked at, what was found, and what to do about it."""

    name: str
    level: Level
    found: str
    advice: str = ""


def judge_host_memory(percent: float) -> Level:
    """Judge host memory in use, in percent."""
    if percent > HOST_CRITICAL_PERCENT:
        return Level.CRITICAL
    return Level.WARNING if percent > HOST_WARNING_PERCENT else Level.NORMAL


def judge_gpu_memory(gpu: GpuMemory) -> Level:
    """Judge one device by its own limits; a device without figures is unavailable, never normal."""
    if gpu.used_gb is None or not gpu.total_gb:
        return Level.UNAVAILABLE
    fallback = (gpu.total_gb * GPU_LIMITS_FRAC[0], gpu.total_gb * GPU_LIMITS_FRAC[1])
    warning_gb, critical_gb = GPU_LIMITS_GB.get(gpu.device, fallback)
    if gpu.used_gb > critical_gb:
        return Level.CRITICAL
    return Level.WARNING if gpu.used_gb > warning_gb else Level.NORMAL


def worst(levels: Sequence[Level]) -> Level:
    """Return the worst level; nothing looked at is unavailable."""
    order = (Level.NORMAL, Level.WARNING, Level.UNAVAILABLE, Level.CRITICAL)
    return max(levels, key=order.index, default=Level.UNAVAILABLE)


def judge_python(version: tuple[int, int, int]) -> Finding:
    """Python 3.11 is the oldest that works."""
    found = ".".join(map(str, version))
    if version < (3, 11, 0):
        return Finding("python", Level.CRITICAL, found, "install Python 3.11 or newer")
    return Finding("python", Level.NORMAL, found)


def judge_cores(cores: int) -> Finding:
    """One core works, slowly: the engines and the training child share it."""
    if cores < 2:
        return Finding("cpu", Level.WARNING, f"{cores} core", "2 cores or more keep training off the engines")
    return Finding("cpu", Level.NORMAL, f"{cores} cores")


def judge_free_memory(free_gb: float, total_gb: float) -> Finding:
    """The demo needs about 1.5 GB, a panel of a dozen coins about 3."""
    found = f"{free_gb:.1f} of {total_gb:.1f} GB free"
    if free_gb < 1.5:
        return Finding("memory", Level.CRITICAL, found, "the demo needs about 1.5 GB; close other programs")
    if free_gb < 4.0:
        return Finding("memory", Level.WARNING, found, "panels of a dozen coins need about 3 GB")
    return Finding("memory", Level.NORMAL, found)


def judge_free_disk(free_gb: float, path: str) -> Finding:
    """The demo writes about 1 GB; recorded years of several coins some more."""
    found = f"{free_gb:.1f} GB free at {path}"
    if free_gb < 2.0:
        return Finding(
            "disk", Level.CRITICAL, found, "the demo writes about 1 GB; set MS_HOME to a larger disk"
        )
    if free_gb < 10.0:
        return Finding("disk", Level.WARNING, found, "years of 5m bars and their features need about 10 GB")
    return Finding("disk", Level.NORMAL, found)


def judge_port(port: int, holder: str | None) -> Finding:
    """A taken port keeps the API from starting."""
    if holder is None:
        return Finding(f"port {port}", Level.NORMAL, "free")
    return Finding(
        f"port {port}",
        Level.WARNING,
        f"taken by {holder}",
        "stop it, or choose another with MS_API_BIND=127.0.0.1:PORT",
    )


def judge_clock_skew(skew_s: float | None, error: str = "") -> Finding:
    """Venues refuse signed requests of a clock that is more than a few seconds off."""
    if skew_s is None:
        return Finding(
            "clock skew", Level.UNAVAILABLE, f"not measured: {error}", "venues cannot be reached from here"
        )
    found = f"{skew_s:+.2f} s against the venue"
    if not abs(skew_s) <= 5.0:
        return Finding(
            "clock skew", Level.CRITICAL, found, "venues refuse signed requests; run an NTP service"
        )
    if not abs(skew_s) <= 1.0:
        return Finding("clock skew", Level.WARNING, found, "run an NTP service")
    return Finding("clock skew", Level.NORMAL, found)
