"""Take what a verb was given through the same checks as a request of the API."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from marketsentry.exceptions import InputError

_Model = TypeVar("_Model", bound=BaseModel)


def validated(model: type[_Model], given: Mapping[str, Any] | str) -> _Model:
    """Check values, or the text of a JSON document, against a schema.

    Parameters
    ----------
    model
        The schema.
    given
        Values by name, or JSON.

    Returns
    -------
    BaseModel
        Of the kind of `model`.

    Raises
    ------
    InputError
        Naming each value that does not fit.
    """
    try:
        return model.model_validate_json(given) if isinstance(given, str) else model.model_validate(given)
    except ValidationError as error:
        raise InputError("; ".join(_told(dict(one)) for one in error.errors())) from None


def _told(error: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in error["loc"])
    return f"{place}: {error['msg']}" if place else str(error["msg"])
