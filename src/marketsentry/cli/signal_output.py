"""A signal and a rebalance for a person."""

from rich.console import Console
from rich.table import Table

from marketsentry.api.schemas.portfolio import RebalanceOut
from marketsentry.ports.signals import StoredSignal


def print_signal(stored: StoredSignal) -> None:
    """Print a signal on stdout."""
    console = Console(highlight=False)
    rows = [
        ("score", _number(stored.score)),
        ("confidence", _number(stored.confidence)),
        ("bucket", stored.strategy_bucket),
        ("reason", str(stored.metadata.get("reason", ""))),
        ("expires", f"{stored.expires_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("stored", f"signal {stored.id}, decision {stored.decision_id}, prediction {stored.prediction_id}"),
    ]
    console.print(f"{stored.action} {stored.target} over {stored.horizon}", markup=False, soft_wrap=True)
    for name, value in rows:
        console.print(f"  {name:<12}{value}", markup=False, soft_wrap=True)


def print_rebalance(told: RebalanceOut) -> None:
    """Print a stored decision with its book and orders on stdout."""
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for column in ("target", "weight", "order", "notional", "base", "price", "cost", "status"):
        table.add_column(column, justify="left" if column in ("target", "order", "status") else "right")
    weights = {(one.track, one.target): one.weight for one in told.target_positions}
    orders = {(one.track, one.target): one for one in told.orders}
    for key in dict.fromkeys((*weights, *orders)):
        order = orders.get(key)
        shown = ("", "", "", "", "", "unchanged")
        if order is not None:
            shown = (
                order.side,
                f"{order.notional:.2f}",
                "unpriced" if order.base_quantity is None else f"{order.base_quantity:.8g}",
                "" if order.est_price is None else f"{order.est_price:.8g}",
                f"{order.est_cost_bps:.2f} bps",
                order.status,
            )
        table.add_row(key[1], f"{weights.get(key, 0.0):+.6f}", *shown)
    console.print(table)
    for one in told.violation_details:
        console.print(
            f"{one.code}: {one.figure:.6f} against {one.limit:.6f}, {one.cure}", markup=False, soft_wrap=True
        )
    console.print(
        f"turnover {told.expected_turnover:.6f}, stored as decision {told.decision_id}",
        markup=False,
        soft_wrap=True,
    )


def _number(value: float | None) -> str:
    return "none: nobody answered" if value is None else f"{value:+.6f}"
