"""Ids that are drawn, not counted: their randomness is an argument."""

from marketsentry.exceptions import InputError

DECISION_ID_BYTES = 16


def decision_id_from(entropy: bytes) -> str:
    """Name a decision.

    Parameters
    ----------
    entropy : bytes
        16 random bytes.

    Returns
    -------
    str
        32 lower-case hex digits.

    Raises
    ------
    InputError
        If there are more bytes, or fewer.
    """
    if len(entropy) != DECISION_ID_BYTES:
        raise InputError(f"a decision id needs {DECISION_ID_BYTES} random bytes, got {len(entropy)}")
    return entropy.hex()
