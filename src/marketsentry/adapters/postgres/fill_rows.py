"""Reads a fill back from its row."""

from collections.abc import Mapping
from typing import Any

from marketsentry.core.orders.order import Fill


def fill_of_row(row: Mapping[str, Any]) -> Fill:
    """Make a fill of a row of `fills`; a query that adds up money need not read its liquidity and its reference."""
    return Fill(
        row["venue_trade_id"],
        row["qty"],
        row["price"],
        row["fee"],
        row["fee_currency"],
        row["filled_at"],
        row.get("liquidity", ""),
        row.get("reference_price"),
        row["fee_quote"] or None,  # none of a fee that had no worth when it was booked
    )
