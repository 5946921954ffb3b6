"""Holm's correction: several p values of one question, made to count for how many were asked."""

from collections.abc import Sequence

from marketsentry.exceptions import InputError


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p values so that the chance of any false rejection stays below the level.

    Parameters
    ----------
    p_values
        One per hypothesis, each in 0..1; None where a test could not be made, which still counts as asked.

    Returns
    -------
    list of float or None
        In the same order, never below the raw value, at most 1.

    Raises
    ------
    InputError
        If a value lies outside 0..1 or is NaN.

    Notes
    -----
    ``max over j <= i of min(1, (m - j) p_(j))`` for the sorted values ``p_(0) <= p_(1) <= ...`` of m hypotheses. It
    holds under any dependence between them.

    References
    ----------
    Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6,
    65-70.

    Examples
    --------
    >>> holm([0.01, 0.04, None])
    [0.03, 0.08, None]
    """
    for p in p_values:
        if p is not None and not 0.0 <= p <= 1.0:
            raise InputError(f"a p value must be in 0..1, was {p}")
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, i) in enumerate(known):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p))
        adjusted[i] = largest
    return adjusted
