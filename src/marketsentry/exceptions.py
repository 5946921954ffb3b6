"""The error tree. No HTTP here: `api/errors.py` gives each branch its status."""


class MarketSentryError(Exception):
    """Base class; catch it only at the outermost edge."""


class InputError(MarketSentryError, ValueError):
    """The caller's value or shape is wrong."""


class DataQualityError(MarketSentryError):
    """Data is gapped, unordered, duplicated or from the future."""


class NotFoundError(MarketSentryError):
    """The named thing does not exist."""


class ConflictError(MarketSentryError):
    """It exists, but its state forbids this."""


class EvidenceError(MarketSentryError):
    """The action needs a gate that has not passed."""


class LockedError(MarketSentryError):
    """Risk forbids to open or to execute; the message is the code of contract 1.13 and nothing else.

    `hard_tracks` are those that a hard rule stopped in this call.
    """

    def __init__(self, code: str, *, hard_tracks: tuple[str, ...] = ()) -> None:
        super().__init__(code)
        self.hard_tracks = hard_tracks


class DependencyError(MarketSentryError):
    """PostgreSQL, Redis or a venue failed; a retry may help."""
