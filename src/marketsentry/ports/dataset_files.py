"""Where datasets lie as files, for training without the database."""

from collections.abc import Mapping
from typing import Any, Protocol

from marketsentry.core.dataset import Dataset


class DatasetFiles(Protocol):
    """Datasets by content hash; whole or absent. The calls block: run them in a thread."""

    def path_of(self, content_hash: str) -> str:
        """Name the directory of a dataset, whether it is there or not."""
        ...

    def manifest(self, content_hash: str) -> Mapping[str, Any] | None:
        """Read a dataset's manifest; None when the dataset is not there."""
        ...

    def save(self, dataset: Dataset, values_sha256: Mapping[str, str]) -> Mapping[str, Any]:
        """Write a dataset unless it is there; returns its manifest.

        `values_sha256` are the hashes of what was computed, see `core.dataset.values_hash`.
        """
        ...

    def load(self, content_hash: str) -> Dataset:
        """Read a dataset and verify every file against the manifest and the manifest against its name.

        Raises `NotFoundError` when it is not there, `ConflictError` when a byte differs.
        """
        ...
