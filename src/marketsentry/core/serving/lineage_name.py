"""Names of the lineages of inference: `infer-{UTC yyyymmddHHMMSS}-{target}` (contract 4.5)."""

import hashlib
import re
from datetime import UTC, datetime

_SLUG_LENGTH = {"liquid": 20, "vc": 12}


def infer_lineage_id(at: datetime, track: str, target: str) -> str:
    """Name what is served of one target within one second.

    Parameters
    ----------
    at : datetime
        When it is served; aware.
    track : str
        `liquid` or `vc`.
    target : str
        Symbol or company; a name without Latin letters or digits is hashed.

    Returns
    -------
    str
        At most 64 characters.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", target.lower()).strip("-")[: _SLUG_LENGTH[track]].strip("-")
    slug = slug or hashlib.sha256(target.encode()).hexdigest()[:12]
    return f"infer-{at.astimezone(UTC):%Y%m%d%H%M%S}-{slug}"
