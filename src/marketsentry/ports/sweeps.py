"""The settings of sweeps. Each is a trial, so what a sweep tried is counted and cannot be uncounted."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from marketsentry.ports.models import Trial


class SweepStore(Protocol):
    """Trials of kind `sweep`; their metrics name the sweep (`sweep`) and the setting's place in it (`setting`)."""

    async def add(self, trials: Sequence[Trial]) -> None:
        """Append the trials of some settings."""
        ...

    async def settings_of(
        self, sweep_hash: str, *, track: str, model_name: str
    ) -> Sequence[Mapping[str, Any]]:
        """Read the metrics of the settings of a sweep that are done, in their order; the first of doubles."""
        ...
