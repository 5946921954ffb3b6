"""Orders for a person: a table, and the whole way from a fill to the data."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

NOTHING = "-"
_WIDEST = 1_000
_COST_COLUMNS = ("adapter", "target", "spread", "impact", "fee", "orders", "own", "errors", "fitted")
_COST_PARTS = (("fee", "fee"), ("half the spread", "half_spread"), ("impact", "impact"))
_COLUMNS = ("order", "time", "target", "side", "wanted", "filled", "price", "status", "reason")


def print_orders(rows: Sequence[Mapping[str, Any]], next_before: int | None) -> None:
    """Print orders, newest first."""
    console = Console(highlight=False)
    if not rows:
        console.print("no orders", soft_wrap=True)
        return
    table = Table(box=None, pad_edge=False)
    for column in _COLUMNS:
        table.add_column(column, no_wrap=True, justify="right" if column in _COLUMNS[4:7] else "left")
    for row in rows:
        wanted = row["quantity"] if row["base_quantity"] is None else row["base_quantity"]
        price = (row["execution"] or {}).get("avg_fill_price")
        cells = (row["id"], row["created_at"][:19], row["target"], row["side"], wanted, row["filled_qty"])
        table.add_row(*map(_text, (*cells, price, row["status"], row["reject_reason"])))
    _print_whole(console, table)
    if next_before is not None:
        console.print(f"more: --before {next_before}", soft_wrap=True)


def print_why(found: Mapping[str, Any]) -> None:
    """Print the way from the fills of an order back to the data."""
    console = Console(highlight=False)
    order, risk = found["order"], found["risk"]
    for fill in found["fills"]:
        told = f"{fill['qty']} at {fill['price']} on {fill['filled_at']}, fee {fill['fee']} {fill['fee_currency']}"
        worth = fill["fee_quote"]  # of a fee in what was traded, or in a third currency
        _line(console, "fill", told if worth in (fill["fee"], 0) else f"{told}, worth {worth}")
    if not found["fills"]:
        _line(console, "fill", "nothing was filled")
    reason = f" ({order['reject_reason']})" if order["reject_reason"] else ""
    _line(console, "order", f"{order['id']} {order['side']} {order['target']}: {order['status']}{reason}")
    for step in (order["execution"] or {}).get("lifecycle", ()):
        _line(console, "", f"{step['time']} {step['event']} {step['status']}")
    _line(console, "cost", _cost(found["cost"]))
    approved = "approved" if risk["is_approved"] else "not approved"
    stage = risk["rollout_stage_pct"]
    _line(console, "risk", f"decision {order['decision_id']} {approved}, stage {_text(stage)} %")
    for violation in risk["violations"]:
        _line(console, "", str(violation.get("code")))
    _part(console, "signal", found["signal"], ("id", "action", "score", "confidence", "policy", "horizon"))
    _part(console, "prediction", found["prediction"], ("id", "score", "confidence", "source", "tradeable"))
    _part(console, "snapshot", found["feature_snapshot"], ("id", "event_time", "as_of", "feature_version"))
    _part(console, "model", found["model"], ("id", "model_name", "model_version", "artifact_sha256"))
    _part(console, "data", found["data"], ("data_version", "lineage_id", "train_lineage_id", "code_version"))


def print_costs(found: Mapping[str, Any]) -> None:
    """Print what own fills cost beside the prior."""
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for i, column in enumerate(_COST_COLUMNS):
        table.add_column(column, no_wrap=True, justify="right" if 1 < i < 8 else "left")
    prior = found["prior"]
    bps = (f"{prior[name]:.2f}" for name in ("half_spread_bps", "impact_coefficient", "fee_bps"))
    table.add_row("prior", prior["name"], *bps, NOTHING, "0 %", NOTHING, NOTHING)
    for one in found["fits"]:
        bps = (f"{one[name]:.2f}" for name in ("half_spread_bps", "impact_coefficient", "fee_bps"))
        told = (str(one["n_orders"]), f"{100 * one['own_share']:.0f} %", f"{one['spread_of_errors_bps']:.2f}")
        table.add_row(one["adapter"], one["symbol"], *bps, *told, one["fitted_at"][:10])
    _print_whole(console, table)
    console.print(
        "half the spread, fee and errors in bps; impact in deviations of a bar for a whole bar's volume",
        soft_wrap=True,
    )


def print_reconciled(found: Mapping[str, Any]) -> None:
    """Print of each account whether its venue says the same, and what only a venue has."""
    console = Console(highlight=False)
    if not found["accounts"]:
        _line(console, "accounts", "none: nothing was traded")
    for one in found["accounts"]:
        name = f"{one['adapter']} {one['venue']}"
        if one["unreached"] is not None:
            _line(console, "unreached", f"{name}: {one['unreached']}")
            continue
        _line(console, "agrees" if one["agrees"] else "DIFFERS", name)
        if one["unknown_orders"]:
            _line(console, "", f"not answered for: {', '.join(map(str, one['unknown_orders']))}")
        for off in one["differences"]:
            told = f"{off['name']}: the venue has {off['venue_qty']}, the ledgers {off['ledger_qty']}"
            _line(console, "", told)
    for one in found["not_in_record"]:
        _line(
            console, "DIFFERS", f"{one['code']} {one['qty']} {one['symbol']} at {one['venue']}: {one['name']}"
        )


def _print_whole(console: Console, table: Table) -> None:
    """Print a table as wide as it is: a line that goes on is read, a figure that was cut is not."""
    wanted = console.measure(table, options=console.options.update(max_width=_WIDEST)).maximum
    Console(highlight=False, width=max(console.width, wanted)).print(table)


def _cost(cost: Mapping[str, Any]) -> str:
    rests_on = cost["expected"]
    told = "expected: not estimated"
    if rests_on is not None:
        parts = (f"{name} {_bps(rests_on[f'{key}_bps'])}" for name, key in _COST_PARTS)
        told = f"expected {_bps(cost['expected_bps'])} bps ({rests_on['basis']}: {', '.join(parts)})"
    if cost["fee_bps"] is None:
        return told
    slippage, fee = _bps(cost["slippage_bps"]), _bps(cost["fee_bps"])
    return f"{told}, came to {_bps(cost['came_to_bps'])} bps (slippage {slippage}, fee {fee})"


def _bps(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def _part(console: Console, name: str, row: Mapping[str, Any] | None, columns: Sequence[str]) -> None:
    told = NOTHING if row is None else ", ".join(f"{column} {_text(row[column])}" for column in columns)
    _line(console, name, told)


def _line(console: Console, name: str, told: str) -> None:
    console.print(f"{name:<11}{told}", markup=False, soft_wrap=True)


def _text(value: Any) -> str:  # any JSON value
    return NOTHING if value is None else str(value)
