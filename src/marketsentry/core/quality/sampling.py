"""How many rows of each stratum a stratified sample takes."""

import heapq
from collections.abc import Sequence


def allocate(sizes: Sequence[int], limit: int) -> tuple[int, ...]:
    """Share the places of a sample among strata in proportion to their sizes.

    Parameters
    ----------
    sizes : sequence of int
        Rows of each stratum, >= 0.
    limit : int
        Places, >= 0.

    Returns
    -------
    tuple of int
        Places of each stratum, never more than it has rows. They add up to `limit`, or to all rows where there are
        fewer. Every stratum that is not empty gets one place before any gets two, the larger ones first.

    Notes
    -----
    Places after the first go one by one to the stratum with the largest ``size / (2 * places + 1)`` (the method of
    Webster), of equals to the one that stands first. A stratum never loses a place when the limit grows.

    Examples
    --------
    >>> allocate([90, 9, 1], 10)
    (8, 1, 1)
    """
    places = [0] * len(sizes)
    waiting = [(-float("inf"), -size, i) for i, size in enumerate(sizes) if size > 0]
    heapq.heapify(waiting)
    for _ in range(limit):
        if not waiting:
            break
        i = waiting[0][-1]
        places[i] += 1
        if places[i] == sizes[i]:
            heapq.heappop(waiting)
        else:
            heapq.heapreplace(waiting, (-sizes[i] / (2 * places[i] + 1), 0, i))
    return tuple(places)
