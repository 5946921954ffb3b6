"""The doctor names what is missing and what it would bring."""

from dataclasses import dataclass, field
from pathlib import Path

from marketsentry.core.health import GpuMemory, Level
from marketsentry.exceptions import DependencyError
from marketsentry.services.doctor import examine


@dataclass
class Machine:
    engines: dict[str, str] = field(default_factory=lambda: {"postgresql": "16.4", "redis": "7.2"})
    gpus: tuple[GpuMemory, ...] = ()
    modules: frozenset[str] = frozenset()
    holder: str | None = None
    online: bool = True

    def free_memory_gb(self) -> tuple[float, float]:
        return 8.0, 16.0

    def free_disk_gb(self, path: Path) -> float:
        return 50.0

    def port_holder(self, port: int) -> str | None:
        return self.holder

    def read_gpus(self) -> tuple[GpuMemory, ...]:
        return self.gpus

    def clock_skew_s(self, url: str) -> float:
        if not self.online:
            raise DependencyError("no route to the venue")
        return 0.1

    def has_module(self, name: str) -> bool:
        return name in self.modules

    def cores(self) -> int:
        return 2

    def engine_versions(self) -> dict[str, str]:
        return self.engines


def _levels(machine: Machine, time_url: str | None = "http://venue") -> dict[str, Level]:
    findings = examine(machine, home=Path("var"), port=8000, time_url=time_url)
    return {one.name: one.level for one in findings}


def test_a_good_machine_lacks_only_optional_parts() -> None:
    levels = _levels(Machine())
    assert {name for name, level in levels.items() if level is not Level.NORMAL} == {
        "extra deep",
        "extra tune",
        "extra text",
        "extra scale",
    }


def test_a_missing_engine_is_critical() -> None:
    assert _levels(Machine(engines={"postgresql": "", "redis": "7"}))["postgresql"] is Level.CRITICAL


def test_a_taken_port_is_named_with_its_holder() -> None:
    findings = examine(Machine(holder="nginx (pid 3)"), home=Path("var"), port=8000, time_url=None)
    port = next(one for one in findings if one.name == "port 8000")
    assert "nginx (pid 3)" in port.found
    assert port.level is Level.WARNING


def test_an_unreachable_venue_is_not_a_failure() -> None:
    assert _levels(Machine(online=False))["clock skew"] is Level.UNAVAILABLE
    assert "clock skew" not in _levels(Machine(), time_url=None)


def test_one_mute_gpu_does_not_hide_the_other() -> None:
    levels = _levels(Machine(gpus=(GpuMemory(0, None, None), GpuMemory(1, 3.0, 42.0))))
    assert (levels["gpu 0"], levels["gpu 1"]) == (Level.UNAVAILABLE, Level.NORMAL)
