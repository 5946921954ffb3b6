"""The states of sub-ledgers as one statement, so that all of it is of one time; decimals travel as text."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from marketsentry.core.account.equity import Equity
from marketsentry.core.account.position import Position
from marketsentry.ports.accounts import HeldPosition, LedgerState, OpenOrder, SubLedger

STATES = """
SELECT told.*
FROM unnest(%(account_ids)s::bigint[], %(strategy_ids)s::text[], %(tracks)s::text[], %(are_whole)s::boolean[])
     WITH ORDINALITY AS asked (account_id, strategy_id, track, is_whole, place)
CROSS JOIN LATERAL (
WITH last AS (
    SELECT at, equity_quote, peak_quote, day_start_quote, ledger_id
    FROM equity_snapshots
    WHERE account_id = asked.account_id AND track = asked.track AND strategy_id = asked.strategy_id
    ORDER BY at DESC LIMIT 1
), held AS (
    SELECT strategy_id, target, qty, average_price, realised_quote, fee_quote, funding_quote, trip_quote, n_trips,
           losing_streak, mark_price, marked_at
    FROM positions
    WHERE account_id = asked.account_id AND track = asked.track AND (asked.is_whole OR strategy_id = asked.strategy_id)
      AND qty <> 0
    ORDER BY strategy_id, target
), had AS (
    SELECT currency, sum(amount) AS amount FROM cash_balances
    WHERE account_id = asked.account_id AND track = asked.track AND (asked.is_whole OR strategy_id = asked.strategy_id)
    GROUP BY currency ORDER BY currency
), paid AS (
    SELECT currency, sum(amount) AS amount FROM ledger_entries
    WHERE account_id = asked.account_id AND track = asked.track AND (asked.is_whole OR strategy_id = asked.strategy_id)
      AND kind IN ('deposit', 'withdrawal') AND id > coalesce((SELECT ledger_id FROM last), 0)
    GROUP BY currency ORDER BY currency
), pending AS (
    SELECT id, strategy_id, target, est_price,
           CASE side WHEN 'buy' THEN 1 ELSE -1 END
           * greatest(coalesce(base_quantity, quantity) - filled_qty, 0) AS qty
    FROM orders_sim
    WHERE status IN ('executing', 'unknown') AND account_id = asked.account_id AND track = asked.track
      AND (asked.is_whole OR strategy_id = asked.strategy_id)
    ORDER BY id
), ended AS (
    SELECT id, strategy_id, gain_quote FROM round_trips
    WHERE account_id = asked.account_id AND track = asked.track AND (asked.is_whole OR strategy_id = asked.strategy_id)
      AND ended_at >= %(trips_since)s
    ORDER BY id DESC LIMIT %(max_trips)s
)
SELECT (SELECT jsonb_build_array(at, equity_quote::text, peak_quote::text, day_start_quote::text) FROM last) AS last,
       (SELECT jsonb_agg(jsonb_build_array(strategy_id, target, qty::text, average_price::text, realised_quote::text,
                                           fee_quote::text, funding_quote::text, trip_quote::text, n_trips,
                                           losing_streak, mark_price::text, marked_at)) FROM held) AS positions,
       (SELECT jsonb_agg(jsonb_build_array(currency, amount::text)) FROM had) AS cash,
       (SELECT jsonb_agg(jsonb_build_array(currency, amount::text)) FROM paid) AS flows,
       (SELECT jsonb_agg(jsonb_build_array(id, strategy_id, target, qty::text, est_price::text)) FROM pending)
           AS open_orders,
       (SELECT jsonb_agg(jsonb_build_array(strategy_id, gain_quote::text) ORDER BY id DESC) FROM ended) AS trips,
       coalesce((SELECT id FROM ledger_entries
                 WHERE account_id = asked.account_id AND track = asked.track
                   AND (asked.is_whole OR strategy_id = asked.strategy_id)
                 ORDER BY id DESC LIMIT 1), 0) AS newest_entry
) AS told
ORDER BY asked.place
"""


def ledger_state(ledger: SubLedger, row: Mapping[str, Any]) -> LedgerState:
    """Make a state of its row of `STATES`."""
    last = row["last"]
    trips: dict[str, tuple[Decimal, ...]] = {}
    for strategy_id, gain in row["trips"] or ():
        trips[strategy_id] = (*trips.get(strategy_id, ()), Decimal(gain))
    return LedgerState(
        ledger=ledger,
        positions=tuple(_held(ledger, one) for one in row["positions"] or ()),
        cash={currency: Decimal(amount) for currency, amount in row["cash"] or ()},
        flows={currency: Decimal(amount) for currency, amount in row["flows"] or ()},
        last=None if last is None else _equity(*last),
        newest_entry=row["newest_entry"],
        open_orders=tuple(
            OpenOrder(number, strategy_id, target, Decimal(qty), _decimal(price))
            for number, strategy_id, target, qty, price in row["open_orders"] or ()
        ),
        trips=trips,
    )


def _held(ledger: SubLedger, one: Sequence[Any]) -> HeldPosition:
    strategy_id, target, qty, average, realised, fee, funding, trip, n_trips, losing_streak, price, at = one
    position = Position(
        qty=Decimal(qty),
        average_price=Decimal(average),
        realised_quote=Decimal(realised),
        fee_quote=Decimal(fee),
        funding_quote=Decimal(funding),
        trip_quote=Decimal(trip),
        n_trips=n_trips,
        losing_streak=losing_streak,
        mark_price=_decimal(price),
        marked_at=None if at is None else datetime.fromisoformat(at),
    )
    return HeldPosition(SubLedger(ledger.account_id, strategy_id, ledger.track), target, position)


def _equity(at: str, equity: str, peak: str, day_start: str) -> Equity:
    return Equity(datetime.fromisoformat(at), Decimal(equity), Decimal(peak), Decimal(day_start))


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
