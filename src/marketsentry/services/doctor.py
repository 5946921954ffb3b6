"""`ms doctor`: collect facts of the machine through a port, judge each, name what would help."""

import sys
from pathlib import Path
from typing import Protocol

from marketsentry.core import health
from marketsentry.core.health import Finding, Level
from marketsentry.exceptions import DependencyError

# optional part -> (module that shows it is there, what it would bring)
OPTIONAL_PARTS = {
    "deep": ("torch", "sequence models"),
    "tune": ("optuna", "hyper-parameter search"),
    "text": ("sentence_transformers", "local news embeddings"),
    "scale": ("ray", "training and sweeps on a cluster"),
}


class MachineFacts(Protocol):
    """What the doctor asks of the machine."""

    def free_memory_gb(self) -> tuple[float, float]: ...
    def free_disk_gb(self, path: Path) -> float: ...
    def port_holder(self, port: int) -> str | None: ...
    def read_gpus(self) -> tuple[health.GpuMemory, ...]: ...
    def clock_skew_s(self, url: str) -> float: ...
    def has_module(self, name: str) -> bool: ...
    def cores(self) -> int: ...
    def engine_versions(self) -> dict[str, str]: ...


def examine(machine: MachineFacts, *, home: Path, port: int, time_url: str | None) -> tuple[Finding, ...]:
    """Examine the machine.

    Parameters
    ----------
    machine : MachineFacts
        Where the facts come from.
    home : Path
        The data directory; its disk is examined.
    port : int
        The port of the API.
    time_url : str or None
        A venue's public time endpoint; None leaves the clock out.

    Returns
    -------
    tuple of Finding
        What is needed first, what is optional last.
    """
    return (
        health.judge_python(sys.version_info[:3]),
        health.judge_cores(machine.cores()),
        health.judge_free_memory(*machine.free_memory_gb()),
        health.judge_free_disk(machine.free_disk_gb(home), str(home)),
        health.judge_port(port, machine.port_holder(port)),
        *_engines(machine),
        *([_clock(machine, time_url)] if time_url else []),
        *_gpus(machine),
        *_optional_parts(machine),
    )


def _engines(machine: MachineFacts) -> list[Finding]:
    found = []
    for name, version in machine.engine_versions().items():
        if version:
            found.append(Finding(name, Level.NORMAL, version))
        else:
            advice = "reinstall MarketSentry, or point to an outside engine with DATABASE_URL and REDIS_URL"
            found.append(Finding(name, Level.CRITICAL, "no program found", advice))
    return found


def _clock(machine: MachineFacts, url: str) -> Finding:
    try:
        return health.judge_clock_skew(machine.clock_skew_s(url))
    except DependencyError as error:
        return health.judge_clock_skew(None, str(error))


def _gpus(machine: MachineFacts) -> list[Finding]:
    gpus = machine.read_gpus()
    if not gpus:
        return [Finding("gpu", Level.NORMAL, "none; everything runs on the CPU")]
    return [
        Finding(
            f"gpu {gpu.device}",
            health.judge_gpu_memory(gpu),
            "no memory figures"
            if gpu.used_gb is None
            else f"{gpu.used_gb:.1f} of {gpu.total_gb or 0:.1f} GB used",
        )
        for gpu in gpus
    ]


def _optional_parts(machine: MachineFacts) -> list[Finding]:
    found = []
    for extra, (module, brings) in OPTIONAL_PARTS.items():
        if machine.has_module(module):
            found.append(Finding(f"extra {extra}", Level.NORMAL, f"installed: {brings}"))
        else:
            advice = f"pip install 'marketsentry[{extra}]'"
            found.append(Finding(f"extra {extra}", Level.UNAVAILABLE, f"not installed: {brings}", advice))
    return found
