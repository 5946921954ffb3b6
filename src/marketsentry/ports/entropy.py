"""Randomness for ids, as an argument."""

from typing import Protocol


class Entropy(Protocol):
    """Draws random bytes; a test or a simulation draws them from a seed."""

    def __call__(self, n_bytes: int, /) -> bytes:
        """Return `n_bytes` bytes that nobody can guess and that do not come twice."""
        ...
