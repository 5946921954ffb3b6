"""Read the model registry, and prove that the files behind a version are those that were registered."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from marketsentry.ports import Artifacts, Transactions
from marketsentry.ports.models import RegisteredModel


@dataclass(frozen=True, slots=True)
class VerifiedModel:
    """A registered version whose files were read and have the registered hash; sizes in bytes by file name."""

    registered: RegisteredModel
    file_sizes: Mapping[str, int]


async def list_versions(transactions: Transactions, *, track: str | None = None) -> Sequence[RegisteredModel]:
    """List registered versions, newest first."""
    async with transactions() as stores:
        return await stores.models.list_versions(track=track)


async def show_version(
    name: str, version: str | None, *, track: str, transactions: Transactions, artifacts: Artifacts
) -> VerifiedModel:
    """Read one version and verify its files.

    Parameters
    ----------
    name
        Name of the model.
    version
        Its version; None takes the newest.
    track
        Its track.
    transactions
        The record.
    artifacts
        Where the files are.

    Returns
    -------
    VerifiedModel

    Raises
    ------
    NotFoundError
        If there is no such version or its files are gone.
    ConflictError
        If its files have another hash than was registered.
    """
    async with transactions() as stores:
        registered = await stores.models.get(name, version, track=track)
    model = registered.model
    files = await asyncio.to_thread(artifacts.get, model.artifact_path, model.artifact_sha256)
    return VerifiedModel(registered, {file: len(content) for file, content in files.items()})
