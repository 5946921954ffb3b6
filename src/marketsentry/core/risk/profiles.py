"""Sector, style and bucket of each target: the groups whose exposure is capped."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from marketsentry.core.risk.positions import Position
from marketsentry.exceptions import InputError

_CRYPTO = "crypto"
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
        return Profile(_CRYPTO, "crypto_beta")
    return Profile("equity", "core")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A position with its labels, and every group that it counts in, in lower case."""

    position: Position
    sectors: tuple[str, ...]
    styles: tuple[str, ...]


def label_position(position: Position, registered: Profile | None) -> Labelled:
    """Find the labels of a position (contract 1.5, step 1; K-40).

    Parameters
    ----------
    position
        With the labels of the request, if it has any.
    registered
        What the entity registry says; None when it has no entity of that name.

    Returns
    -------
    Labelled
        The registry's label rules. Where it has none the label of the request is taken, and one of the major coins
        counts in its own group as well, so that no label takes it out. Else the fallback.
    """
    known = registered or Profile(None, None)
    fallback = fallback_profile(position.track, position.target)
    is_major = fallback.sector == _CRYPTO
    sectors = _groups(known.sector, position.sector, fallback.sector, keeps_own=is_major)
    styles = _groups(known.style, position.style_bucket, fallback.style, keeps_own=is_major)
    named = Position(
        position.target,
        position.weight,
        position.track,
        _said(known.sector) or _said(position.sector) or fallback.sector,
        _said(known.style) or _said(position.style_bucket) or fallback.style,
        position.bucket,
    )
    return Labelled(named, sectors, styles)


def label_positions(
    positions: tuple[Position, ...], registry: Mapping[tuple[str, str], Profile]
) -> tuple[Labelled, ...]:
    """Label each position; `registry` is keyed by track and target."""
    return tuple(label_position(one, registry.get(one.key)) for one in positions)


def _groups(known: str | None, said: str | None, own: str | None, *, keeps_own: bool) -> tuple[str, ...]:
    if _said(known) is not None:
        names = [known]
    elif _said(said) is not None:
        names = [said, own] if keeps_own else [said]
    else:
        names = [own]
    return tuple(dict.fromkeys(name.strip().lower() for name in names if name))


def _said(label: str | None) -> str | None:
    return (label or "").strip() or None
