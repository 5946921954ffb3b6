"""The retired v1 interface: each path answers 410 before it looks at any parameter (K-08)."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

router = APIRouter(prefix="/api", tags=["frozen"])
DETAIL = "this endpoint is retired; use /api/v2"
PATHS = (
    "/predictions/latest",
    "/predictions/{symbol}",
    "/prices/{symbol}",
    "/prices/{symbol}/latest",
    "/news",
    "/news/{symbol}/sentiment",
    "/indicators/{symbol}",
)


async def answer_gone() -> JSONResponse:
    """Answer 410 and name the interface that replaced this one."""
    return JSONResponse({"detail": DETAIL}, status_code=410)


for _path in PATHS:
    router.add_api_route(
        _path,
        answer_gone,
        methods=["GET"],
        status_code=410,
        summary="Retired",
        responses={410: {"description": "Retired; use /api/v2"}},
    )
