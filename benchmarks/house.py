"""Start-up, first result and size: what a newcomer waits for."""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.program import MS, running_program
from benchmarks.rows import Row, median, seconds, spread

CHECKOUT = Path(__file__).resolve().parents[1]


def bench_help() -> list[dict[str, Any]]:
    """`ms --help` with a warm file cache."""
    samples = seconds(lambda: subprocess.run((MS, "--help"), capture_output=True, check=True), n=11)
    return [Row("help", median(samples), "s", budget=0.3, n=len(samples), spread=spread(samples)).as_dict()]


def bench_up() -> list[dict[str, Any]]:
    """`ms up` on an empty data directory, and again on the same: seconds until `/health/ready` answers 200."""
    with tempfile.TemporaryDirectory() as home:
        first = _seconds_until_ready(home)
        later = [_seconds_until_ready(home) for _ in range(5)]
    return [
        Row("up", first, "s", budget=12.0, notes="first start: initdb and migrations").as_dict(),
        Row("up-later", median(later), "s", budget=6.0, n=len(later), spread=spread(later)).as_dict(),
    ]


def bench_first_result() -> list[dict[str, Any]]:
    """Clone -> report with one command, and the demo again on an empty data directory with all installed."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "marketsentry"
        subprocess.run(("git", "clone", "--quiet", CHECKOUT, clone), check=True)
        whole, of_whole = _seconds_of_demo(clone)
        shutil.rmtree(clone / "var")
        installed, of_installed = _seconds_of_demo(clone)
    notes = f"clone, install, demo; packages as cached here; {of_whole}"
    return [
        Row("first-result", whole, "s", budget=180.0, notes=notes).as_dict(),
        Row(
            "first-result-installed",
            installed,
            "s",
            budget=60.0,
            notes=f"empty data directory; {of_installed}",
        ).as_dict(),
    ]


def bench_install_size() -> list[dict[str, Any]]:
    """Size of the default install's site-packages, and who takes what."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run((sys.executable, "-m", "venv", "--without-pip", folder), check=True)
        site = next(Path(folder).glob("lib/python*/site-packages"))
        pip = (
            sys.executable,
            "-m",
            "pip",
            "--python",
            f"{folder}/bin/python",
            "install",
            "--quiet",
            "--no-compile",
        )
        subprocess.run((*pip, "-c", CHECKOUT / "constraints.txt", CHECKOUT), check=True)
        sizes = {entry.name: _size(entry) / 1e6 for entry in site.iterdir()}
    largest = sorted(sizes.items(), key=lambda pair: -pair[1])[:12]
    table = ", ".join(f"{name} {size:.0f}" for name, size in largest)
    total = sum(sizes.values())
    return [Row("install-size", total, "MB", budget=700.0, notes=f"without byte code; {table}").as_dict()]


def _seconds_until_ready(home: str) -> float:
    with running_program(home) as program:
        return program.ready_s


def _seconds_of_demo(clone: Path) -> tuple[float, str]:
    """Wall seconds, and in words what a busy machine does not stretch as much: the processor's."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("MS_", "VIRTUAL_ENV"))}
    started, processor_s = time.perf_counter(), _processor_s()
    subprocess.run(("make", "demo", "ARGS=--once"), cwd=clone, env=env, capture_output=True, check=True)
    taken, load = time.perf_counter() - started, os.getloadavg()[0]
    return taken, f"{_processor_s() - processor_s:.0f} s of processor time, load {load:.1f} at the end"


def _processor_s() -> float:
    """Processor seconds of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink())
