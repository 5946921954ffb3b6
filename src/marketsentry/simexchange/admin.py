"""The back door of a simulated venue, for drills that run it in another process: `/_sim/...`, loopback only."""

from typing import TYPE_CHECKING, Any

from marketsentry.simexchange.faults import FaultRule, VenueFault
from marketsentry.simexchange.http import Request, Response
from marketsentry.simexchange.wire import number

if TYPE_CHECKING:
    from marketsentry.simexchange.exchange import SimExchange

PREFIX = "/_sim/"
_LOOPBACK = frozenset({"127.0.0.1", "localhost"})


def answer_admin(exchange: "SimExchange", request: Request) -> Response:
    """Do what a drill asks of the venue. A page of another origin has no way in: the Host must be loopback.

    `GET truth`, `GET faults`; `POST faults` {"clear", "rules": [...]}, `deposit` {"coin", "amount", "owner",
    "is_margin"}, `halt` {"product", "is_halted"}, `move` {"product", "price"}, `funding` {"product", "rate"}, `step`
    {"n"}, `disconnect`, `keys` {"owner", "permissions"}.
    """
    host = request.headers.get("host", "").rsplit(":", 1)[0]
    if host not in _LOOPBACK or "origin" in request.headers:
        return Response(403, {"error": "loopback only"})
    try:
        body = request.json() if request.body else {}
        return Response(200, _do(exchange, f"{request.method} {request.path.removeprefix(PREFIX)}", body))
    except (KeyError, TypeError, ValueError) as error:
        return Response(400, {"error": f"{type(error).__name__}: {error}"})


def read_rule(row: dict[str, Any]) -> FaultRule:
    """Read a fault rule from JSON; raises ValueError or TypeError where it is none."""
    return FaultRule(**{**row, "fault": VenueFault(row["fault"])})


def _do(exchange: "SimExchange", what: str, body: dict[str, Any]) -> Any:
    match what:
        case "GET truth":
            return exchange.truth()
        case "GET faults":
            return exchange.injected()
        case "POST faults":
            if body.get("clear"):
                exchange.faults.clear()
            for row in body.get("rules", ()):
                exchange.faults.add(read_rule(row))
            return exchange.injected()
        case "POST deposit":
            amount = number(body["amount"])
            if amount is None:
                raise ValueError(f"amount {body['amount']} is no number")
            exchange.deposit(
                body["coin"],
                amount,
                owner=body.get("owner", exchange.key.owner),
                is_margin=bool(body.get("is_margin")),
            )
        case "POST halt":
            exchange.set_halted(body["product"], is_halted=bool(body.get("is_halted", True)))
        case "POST move":
            exchange.move_price(body["product"], float(body["price"]))
        case "POST funding":
            rate = number(body["rate"])
            if rate is None:
                raise ValueError(f"rate {body['rate']} is no number")
            return {"n_paid": len(exchange.settle_funding(body["product"], rate))}
        case "POST step":
            for _ in range(int(body.get("n", 1))):
                exchange.step()
        case "POST disconnect":
            return {"n_cut": exchange.disconnect_all()}
        case "POST keys":
            key = exchange.add_key(body["owner"], body["permissions"])
            return exchange.describe_key(key)
        case _:
            raise ValueError(f"{what} is not known")
    return {"ok": True}
