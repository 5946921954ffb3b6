"""Keep the evidence pack of a model version, and read it back with its hash verified."""

import asyncio
from dataclasses import dataclass

from marketsentry.core.evidence.pack import EvidencePack, pack_bytes, read_pack
from marketsentry.core.gates.verdict import GateVerdict, verdict_from_document
from marketsentry.exceptions import NotFoundError
from marketsentry.ports import ArtifactRef, Artifacts, Transactions
from marketsentry.ports.models import ModelVersion

ARTIFACT_KIND = "evidence"
FILE = "evidence.json"


@dataclass(frozen=True, slots=True)
class StoredEvidence:
    """The pack of one version and its verdict; `content` are the stored bytes, `sha256` names their artifact."""

    name: str
    version: str
    track: str
    sha256: str
    content: bytes
    pack: EvidencePack
    verdict: GateVerdict


def store_pack(pack: EvidencePack, artifacts: Artifacts) -> ArtifactRef:
    """Store a pack as one JSON file; the same pack gives the same reference."""
    return artifacts.put(ARTIFACT_KIND, {FILE: pack_bytes(pack)})


def read_evidence(model: ModelVersion, artifacts: Artifacts) -> StoredEvidence | None:
    """Read the pack of a registered version and verify its hash; None for one registered before packs were kept."""
    kept = model.manifest.get("evidence")
    if kept is None:
        return None
    content = artifacts.get(kept["path"], kept["sha256"])[FILE]
    return StoredEvidence(
        name=model.name,
        version=model.version,
        track=model.track,
        sha256=kept["sha256"],
        content=content,
        pack=read_pack(content),
        verdict=verdict_from_document(dict(model.verdict)),
    )


async def load_evidence(
    name: str, version: str | None, *, track: str, transactions: Transactions, artifacts: Artifacts
) -> StoredEvidence:
    """Find the pack of a registered version.

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
        Where the pack is.

    Returns
    -------
    StoredEvidence

    Raises
    ------
    NotFoundError
        If there is no such version, it has no pack, or the pack is gone.
    ConflictError
        If the pack has another hash than was registered.
    """
    async with transactions() as stores:
        registered = await stores.models.get(name, version, track=track)
    model = registered.model
    found = await asyncio.to_thread(read_evidence, model, artifacts)
    if found is None:
        raise NotFoundError(
            f"model {model.name}:{model.version} has no evidence pack: it was registered before packs were kept; "
            "train a new version"
        )
    return found
