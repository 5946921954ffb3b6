"""Where an error of the tree becomes an HTTP status; nothing below this layer knows of HTTP."""

import math
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from marketsentry.exceptions import (
    ConflictError,
    DataQualityError,
    DependencyError,
    EvidenceError,
    InputError,
    LockedError,
    MarketSentryError,
    NotFoundError,
)

STATUS: dict[type[MarketSentryError], int] = {
    InputError: 422,
    DataQualityError: 409,
    NotFoundError: 404,
    ConflictError: 409,
    EvidenceError: 409,
    LockedError: 423,
    DependencyError: 503,
}
_ECHO_DEPTH = 16
INTERNAL_ERROR = "internal error"

log = structlog.get_logger(__name__)


def install_error_handlers(app: FastAPI) -> None:
    """Answer the error tree, schema violations and bugs as contract section 0.3 says."""
    app.add_exception_handler(MarketSentryError, _answer_domain_error)
    app.add_exception_handler(RequestValidationError, _answer_schema_violation)
    app.add_exception_handler(Exception, _answer_bug)


def status_of(error: MarketSentryError) -> int:
    """Find the status of an error or of the branch that it stands on."""
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)


async def _answer_domain_error(request: Request, error: Exception) -> JSONResponse:
    status = status_of(error) if isinstance(error, MarketSentryError) else 500
    if status == 422:
        detail: Any = [{"type": "value_error", "loc": ["body"], "msg": str(error), "input": None}]
    else:
        detail = str(error)
    if status >= 500:
        log.warning("dependency_failed", error=str(error))
    return JSONResponse({"detail": detail}, status_code=status)


async def _answer_schema_violation(request: Request, error: Exception) -> JSONResponse:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    detail = [{key: _echo(one.get(key)) for key in ("type", "loc", "msg", "input")} for one in found]
    return JSONResponse({"detail": jsonable_encoder(detail)}, status_code=422)


async def _answer_bug(request: Request, error: Exception) -> JSONResponse:
    """A bug: the log has the traceback, the client gets the id that finds it (K-03)."""
    request_id = getattr(request.state, "request_id", None)
    log.error("request_failed", request_id=request_id, path=request.url.path, exc_info=error)
    return JSONResponse({"detail": INTERNAL_ERROR, "request_id": request_id}, status_code=500)


def _echo(value: Any, depth: int = 0) -> Any:  # what the client sent: any JSON value
    """Repeat a value so that it can be sent back: NaN, infinities and broken text spelled out (K-05), cut when deep."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict | list | tuple) and depth == _ECHO_DEPTH:
        return "..."
    if isinstance(value, dict):
        return {_echo(key): _echo(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_echo(one, depth + 1) for one in value]
    return value
