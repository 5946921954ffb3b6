"""JSON shapes of the system endpoints (contract section 1.1)."""

from typing import Literal

from pydantic import BaseModel, Field

from marketsentry.api.schemas.times import UtcTime


class HostMemory(BaseModel):
    """Host memory in use."""

    status: str = Field(description="`normal`, `warning` above 75 %, `critical` above 85 %")
    percent: float


class Gpu(BaseModel):
    """One device. A figure that the driver does not give is null."""

    device: int
    used_gb: float | None
    total_gb: float | None
    usage_percent: float | None
    status: str


class GpuSection(BaseModel):
    """Host memory and every GPU found; a machine without a GPU has an empty list and is normal."""

    system: HostMemory
    gpus: list[Gpu]


class HealthOut(BaseModel):
    """What the probes found just now."""

    status: Literal["healthy", "degraded"]
    gpu: GpuSection
    redis: Literal["connected", "disconnected"]
    postgres: Literal["connected", "disconnected"]
    timestamp: UtcTime


class LiveOut(BaseModel):
    """The process answers."""

    status: Literal["live"] = "live"


class ReadyOut(BaseModel):
    """Whether the process can do its work now, and what keeps it from it."""

    status: Literal["ready", "not_ready"]
    missing: list[str] = Field(description="dependencies that did not answer: `postgres`, `redis`")
