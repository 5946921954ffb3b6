"""The conformance kit of venues: hand in small orders and hold the adapter to the promises of `ports.venue.Venue`.

Every check stands alone and says what it saw. The account ends as it was but for fees: what was bought is sold, what
rests is cancelled. Prices and times are compared with the venue's own, so that a venue on a replay clock can be tried.
"""

from collections.abc import Awaitable, Callable

from marketsentry.core.conformance import BrokenPromiseError, ConformanceCheck, ConformanceReport
from marketsentry.services.venue_promises import PROMISES, tidy_up
from marketsentry.services.venue_trial import VenueTrial, prepare

Progress = Callable[[str, float], None]


async def check_venue(
    trial: VenueTrial, *, on_progress: Progress = lambda step, share: None
) -> ConformanceReport:
    """Try every promise.

    Parameters
    ----------
    trial
        The venue, the product and how much of it.
    on_progress
        Told the step and the share of it that is done.

    Returns
    -------
    ConformanceReport
        All checks in order; the first failure does not end it, unless there are no prices to try with.
    """
    subject = trial.venue.name
    try:
        kit = await prepare(trial)
    except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything; the kit reports it
        return ConformanceReport(subject, (ConformanceCheck("products and prices", False, _told(error)),))
    checks = []
    for number, (name, promise) in enumerate(PROMISES):
        on_progress("promises", number / len(PROMISES))
        checks.append(await _attempt(name, promise(kit)))
    on_progress("promises", 1.0)
    checks.append(await _attempt("the account is left as it was", tidy_up(kit)))
    return ConformanceReport(subject, tuple(checks))


async def _attempt(name: str, promise: Awaitable[str]) -> ConformanceCheck:
    try:
        return ConformanceCheck(name, True, await promise)
    except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything; the kit reports it
        return ConformanceCheck(name, False, _told(error))


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, BrokenPromiseError) else f"raised {type(error).__name__}: {error}"
