"""Quantile of Student's t, for statistics whose error is itself estimated from few terms."""

from statistics import NormalDist

from marketsentry.exceptions import InputError

MIN_DOF = 4.0


def student_quantile(probability: float, dof: float) -> float:
    """Give the value below which Student's t lies with a probability.

    Parameters
    ----------
    probability
        In (0, 1).
    dof
        Degrees of freedom, >= `MIN_DOF`; need not be whole.

    Returns
    -------
    float
        Within 0.2 % of the exact value for probabilities from 0.01 to 0.99.

    Raises
    ------
    InputError
        If a number is out of range.

    Notes
    -----
    The expansion about the normal quantile in powers of ``1 / dof``, to the fourth.

    References
    ----------
    Abramowitz and Stegun (1964), "Handbook of Mathematical Functions", 26.7.5.
    """
    if not 0.0 < probability < 1.0:
        raise InputError(f"probability must be in (0, 1), was {probability}")
    if not dof >= MIN_DOF:
        raise InputError(f"dof must be >= {MIN_DOF:g}, was {dof}")
    z = NormalDist().inv_cdf(probability)
    first = (z**3 + z) / 4.0
    second = (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / 96.0
    third = (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / 384.0
    fourth = (79.0 * z**9 + 776.0 * z**7 + 1482.0 * z**5 - 1920.0 * z**3 - 945.0 * z) / 92160.0
    return z + first / dof + second / dof**2 + third / dof**3 + fourth / dof**4
