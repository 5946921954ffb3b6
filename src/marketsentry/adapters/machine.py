"""Facts of the machine this program runs on: memory, disk, ports, GPUs, the distance to a venue's clock."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import psutil

from marketsentry.adapters.embedded.binaries import postgres_binaries, redis_binary
from marketsentry.core.health import GpuMemory
from marketsentry.exceptions import DependencyError, MarketSentryError

_GB = 1e9
_GPU_QUERY = ("--query-gpu=index,memory.used,memory.total", "--format=csv,noheader,nounits")


class LocalMachine:
    """This machine, asked anew at each call."""

    def host_memory_percent(self) -> float:
        """Host memory in use, in percent."""
        return float(psutil.virtual_memory().percent)

    def free_memory_gb(self) -> tuple[float, float]:
        """Memory that a new program could take, and all of it, in GB."""
        memory = psutil.virtual_memory()
        return memory.available / _GB, memory.total / _GB

    def free_disk_gb(self, path: Path) -> float:
        """Free space in GB on the disk that holds `path` or its nearest existing parent."""
        existing = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
        return shutil.disk_usage(existing).free / _GB

    def port_holder(self, port: int) -> str | None:
        """Name the program that listens on a loopback port; None when the port is free."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return _listener(port)
        return None

    def read_gpus(self, timeout_s: float = 2.0) -> tuple[GpuMemory, ...]:
        """List every GPU that the driver knows; one mute device does not hide the others (K-95)."""
        tool = shutil.which("nvidia-smi")
        if tool is None:
            return ()
        try:
            answer = subprocess.run(
                (tool, *_GPU_QUERY), capture_output=True, text=True, timeout=timeout_s, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return ()
        return tuple(parse_gpu_line(line) for line in answer.stdout.splitlines() if line.strip())

    def clock_skew_s(self, url: str, timeout_s: float = 2.0) -> float:
        """Measure our clock minus the venue's, in seconds, at the middle of one request.

        Parameters
        ----------
        url : str
            An endpoint that answers JSON with `epochMillis`, as the venue's public time endpoint does.
        timeout_s : float
            Give up after this long.

        Returns
        -------
        float
            Positive when this machine is ahead. Accurate to half the round trip.

        Raises
        ------
        DependencyError
            If the venue does not answer, or answers something else.
        """
        before = time.time()
        try:
            with urllib.request.urlopen(url, timeout=timeout_s) as answer:
                venue_s = int(json.load(answer)["epochMillis"]) / 1e3
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DependencyError(f"no time from {url}: {error}") from error
        return (before + time.time()) / 2 - venue_s

    def has_module(self, name: str) -> bool:
        """Say whether an optional part is installed, without importing it."""
        return find_spec(name) is not None

    def cores(self) -> int:
        """Cores that this process may use."""
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def engine_versions(self) -> dict[str, str]:
        """Versions of the engine programs that an embedded start would use; empty where none is found."""
        return {"postgresql": _version_of(_postgres), "redis": _version_of(redis_binary)}


def parse_gpu_line(line: str) -> GpuMemory:
    """Read one line `index, used MiB, total MiB`; a figure that is not a number is unknown."""
    index, used, total = (part.strip() for part in line.split(","))
    return GpuMemory(int(index), _mib_to_gb(used), _mib_to_gb(total))


def _mib_to_gb(text: str) -> float | None:
    return float(text) * 2**20 / _GB if text.replace(".", "", 1).isdigit() else None


def _listener(port: int) -> str:
    try:
        for one in psutil.net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port and one.pid:
                return f"{psutil.Process(one.pid).name()} (pid {one.pid})"
    except psutil.Error:
        return "another program"
    return "another program"


def _postgres() -> Path:
    return postgres_binaries(Path("absent")) / "postgres"


def _version_of(find: Callable[[], Path]) -> str:
    try:
        command = (find(), "--version")
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    except (MarketSentryError, OSError, subprocess.SubprocessError):
        return ""
