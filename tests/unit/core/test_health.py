"""Levels of contract section 1.1 and the findings of the doctor."""

import math

import pytest

from marketsentry.core import health
from marketsentry.core.health import GpuMemory, Level


@pytest.mark.parametrize(
    ("percent", "level"),
    [(0, "normal"), (75, "normal"), (75.1, "warning"), (85, "warning"), (85.1, "critical")],
)
def test_host_memory_levels(percent: float, level: str) -> None:
    assert health.judge_host_memory(percent) == level


@pytest.mark.parametrize(
    ("device", "used_gb", "level"),
    [
        (0, 20.0, "normal"),
        (0, 20.5, "warning"),
        (0, 25.5, "critical"),
        (1, 30.0, "normal"),
        (1, 36.0, "warning"),
        (1, 43.0, "critical"),
        (2, 60.0, "normal"),
        (2, 65.0, "warning"),
        (2, 77.0, "critical"),
    ],
)
def test_each_device_has_its_own_limits(device: int, used_gb: float, level: str) -> None:
    assert health.judge_gpu_memory(GpuMemory(device, used_gb, 80.0)) == level


def test_a_mute_device_is_unavailable_never_normal() -> None:
    assert health.judge_gpu_memory(GpuMemory(0, None, 80.0)) is Level.UNAVAILABLE
    assert health.judge_gpu_memory(GpuMemory(0, 1.0, None)) is Level.UNAVAILABLE


def test_worst_of_nothing_is_unavailable() -> None:
    assert health.worst([]) is Level.UNAVAILABLE
    assert health.worst([Level.NORMAL, Level.CRITICAL, Level.WARNING]) is Level.CRITICAL


@pytest.mark.parametrize(
    ("skew_s", "level"), [(0.2, "normal"), (-2.0, "warning"), (8.0, "critical"), (math.nan, "critical")]
)
def test_clock_skew_fails_on_nan(skew_s: float, level: str) -> None:
    assert health.judge_clock_skew(skew_s).level == level


def test_an_unmeasured_clock_says_why() -> None:
    finding = health.judge_clock_skew(None, "no route")
    assert finding.level is Level.UNAVAILABLE
    assert "no route" in finding.found


def test_every_bad_finding_says_what_to_do() -> None:
    bad = [
        health.judge_python((3, 10, 9)),
        health.judge_cores(1),
        health.judge_free_memory(0.5, 8),
        health.judge_free_memory(3, 8),
        health.judge_free_disk(1, "var"),
        health.judge_free_disk(5, "var"),
        health.judge_port(8000, "nginx (pid 3)"),
        health.judge_clock_skew(9.0),
    ]
    assert all(one.level is not Level.NORMAL and one.advice for one in bad)
