"""The policy of a backtest: chosen by the user, named in the record by its hash, found again by a replay."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from marketsentry.core.backtest.params import POLICY_PREFIX, SIGNAL_PARAMS
from marketsentry.core.backtest.policy import UserPolicy
from marketsentry.core.backtest.search import Search
from marketsentry.exceptions import ConflictError, InputError, NotFoundError
from marketsentry.services.plugins import LoadedPolicy, load_policy

SOURCE_FILE = "policy.py.txt"  # a text to read: a stored run holds no code that anything would execute


@dataclass(frozen=True, slots=True)
class ChosenPolicy:
    """A compiled policy, with every parameter's value and the source that its runs are stored with."""

    loaded: LoadedPolicy
    values: Mapping[str, float]

    @property
    def compiled(self) -> UserPolicy:
        """What `replay` and `sweep` take."""
        return self.loaded.policy

    @property
    def part(self) -> str:
        """What stands for the policy among the parts of a run: the hash of its source, or that it is built in."""
        return self.loaded.code_sha256 or self.loaded.reference

    @property
    def files(self) -> dict[str, bytes]:
        """The source as a file of the run; the built-in policy has none."""
        return {} if self.loaded.source is None else {SOURCE_FILE: self.loaded.source.encode()}

    def document(self) -> dict[str, Any]:
        """What the record says of it; the values stand among the parameters of the replay."""
        return {
            "name": self.compiled.name,
            "reference": self.loaded.reference,
            "code_sha256": self.loaded.code_sha256,
        }


def choose_policy(reference: str | None, changes: Iterable[str] = ()) -> ChosenPolicy | None:
    """Load the policy a user asks for.

    Parameters
    ----------
    reference
        Path, entry point or `builtin`; None or empty for none.
    changes
        Values as `policy.NAME=VALUE`.

    Returns
    -------
    ChosenPolicy or None

    Raises
    ------
    InputError
        If the policy cannot be used, there are values without a policy, or one is not declared or out of bounds.
    NotFoundError
        If there is no such file or entry point.
    """
    values = dict(_assignment(one) for one in changes)
    if not reference:
        if values:
            raise InputError(f"{POLICY_PREFIX}{min(values)} needs a policy: give its file with --policy")
        return None
    loaded = load_policy(reference)
    return ChosenPolicy(loaded, loaded.policy.values(values))


def recorded_policy(recorded: Mapping[str, Any] | None, file: str | None) -> ChosenPolicy | None:
    """Load the policy of a stored run again, from where it was or from `file`.

    Parameters
    ----------
    recorded
        `ChosenPolicy.document` of the run; None if it had no policy.
    file
        Where the source is now; None for where it was.

    Returns
    -------
    ChosenPolicy or None
        With default values: those of the run stand in its parameters.

    Raises
    ------
    InputError
        If a file is given for a run without policy.
    ConflictError
        If the source is not there, or is not the one that was run; none of it is executed.
    """
    if recorded is None:
        if file is not None:
            raise InputError(f"the run had no policy, so {file} cannot be the one it was made with")
        return None
    try:
        loaded = load_policy(file or recorded["reference"], expected_sha256=recorded["code_sha256"])
    except NotFoundError as error:
        raise ConflictError(
            f"the run was made with policy {recorded['name']}: {error}; give its file with --policy"
        ) from error
    if loaded.code_sha256 != recorded["code_sha256"]:
        raise ConflictError(
            f"{loaded.reference} is not the policy that was run: SHA-256 {loaded.code_sha256}, "
            f"recorded {recorded['code_sha256']}"
        )
    return ChosenPolicy(loaded, loaded.policy.values())


def check_axes(search: Search, policy: ChosenPolicy | None) -> None:
    """Refuse axes that would change nothing, or whose values the policy does not allow, with `InputError`."""
    for axis in search.axes:
        if axis.name.startswith(POLICY_PREFIX):
            if policy is None:
                raise InputError(f"{axis.name} needs a policy: give its file with --policy")
            for value in axis.values:
                policy.compiled.values({axis.name.removeprefix(POLICY_PREFIX): float(value or 0.0)})
        elif policy is not None and axis.name in SIGNAL_PARAMS:
            raise InputError(
                f"{axis.name} belongs to the built-in rule, in whose place policy {policy.compiled.name} decides"
            )


def _assignment(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    try:
        if not equals or not name.strip().startswith(POLICY_PREFIX):
            raise ValueError(text)
        return name.strip().removeprefix(POLICY_PREFIX), float(value)
    except ValueError:
        raise InputError(f"a value must be given as {POLICY_PREFIX}NAME=NUMBER, was {text!r}") from None
