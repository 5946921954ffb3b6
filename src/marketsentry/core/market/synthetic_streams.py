"""Named random streams of the synthetic market.

Every quantity of every symbol draws from a stream of its own, so adding a symbol or more bars changes nothing
that was drawn before: the first month of a year-long market is the month-long market of the same seed.
"""

import zlib

import numpy as np


def stream(seed: int, name: str) -> np.random.Generator:
    """Open the random stream `name` of the market `seed`."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])
