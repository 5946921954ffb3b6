"""How long an order is on its way to a paper venue: the same for the same order, whenever it is asked."""

from dataclasses import dataclass
from hashlib import blake2b

from marketsentry.exceptions import InputError

_BITS = 53
_UNIT = 2.0**-53


@dataclass(frozen=True, slots=True)
class Latency:
    """At least `base_s` seconds, at most `jitter_frac` of it more, as `seed` and the order's name decide."""

    base_s: float
    jitter_frac: float = 0.0
    seed: int = 7

    def __post_init__(self) -> None:
        if not (0.0 <= self.base_s < 60.0 and 0.0 <= self.jitter_frac <= 10.0):
            raise InputError(
                f"latency must be 0 to 60 s with a jitter of 0 to 10 times that, was {self.base_s} s and "
                f"{self.jitter_frac}"
            )

    def of(self, name: str) -> float:
        """Seconds that the order of a name takes."""
        digest = blake2b(f"{self.seed}/{name}".encode(), digest_size=8).digest()
        share = (int.from_bytes(digest, "big") >> (64 - _BITS)) * _UNIT
        return self.base_s * (1.0 + self.jitter_frac * share)
