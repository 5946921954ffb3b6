"""Sector, style and bucket of each target: the groups whose exposure is capped."""

from dataclasses import dataclass, field

from marketsentry.exceptions import InputError

_MAJORS = frozenset({"BTC", "ETH", "SOL", "BNB", "XRP", "DOGE"})


@dataclass(frozen=True, slots=True)
class Profile:
    """Groups of one target; None means that it belongs to none of that kind."""

    sector: str | None
    style: str | None
    bucket: str | None = None


@dataclass(frozen=True, slots=True)
class BucketCaps:
    """Most of the risk budget each strategy bucket may use."""

    cap_of: dict[str, float] = field(
        default_factory=lambda: {"trend": 0.5, "event": 0.4, "mean_reversion": 0.35}
    )

    def __post_init__(self) -> None:
        for bucket, cap in self.cap_of.items():
            if not cap > 0.0:
                raise InputError(f"cap of bucket {bucket} must be > 0, was {cap}")


def fallback_profile(track: str, target: str) -> Profile:
    """Profile a target of which neither the request nor the registry says more (contract 1.5, step 1).

    Parameters
    ----------
    track
        `liquid` or `vc`.
    target
        Canonical symbol. Its base asset counts: `BTC`, `BTC-PERP` and `BTC-USD` are one risk.

    Returns
    -------
    Profile
        Sector and style, no bucket.

    Examples
    --------
    >>> fallback_profile("liquid", "BTC-PERP")
    Profile(sector='crypto', style='crypto_beta', bucket=None)
    """
    if track == "vc":
        return Profile("private", "venture")
    if target.upper().split("-")[0] in _MAJORS:
        return Profile("crypto", "crypto_beta")
    return Profile("equity", "core")
