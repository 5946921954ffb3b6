"""What routers ask for: the open system and its parts, as FastAPI dependencies."""

from typing import Annotated

from fastapi import Depends, Request

from marketsentry.bootstrap import System


def _system(request: Request) -> System:
    system: System = request.app.state.system
    return system


SystemDep = Annotated[System, Depends(_system)]
