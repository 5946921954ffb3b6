"""Accounts over HTTP: positions, fills, ledger, equity, each a list with a cursor (K-11)."""

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Query

from marketsentry.api.deps import SystemDep
from marketsentry.api.schemas.accounts import (
    MAX_PAGE,
    AccountListOut,
    AccountOut,
    EntryOut,
    EntryPageOut,
    EquityOut,
    EquityPageOut,
    FillOut,
    FillPageOut,
    PositionOut,
    PositionPageOut,
)
from marketsentry.api.schemas.cursors import position_cursor, read_position_cursor
from marketsentry.api.schemas.ids import MAX_ID, RowId
from marketsentry.api.schemas.predictions import Track
from marketsentry.api.schemas.texts import stored_text
from marketsentry.ports.account_lists import BookedEntry, BookedFill, ListedMark, ListedPosition, Wanted
from marketsentry.ports.accounts import GLOBAL, SubLedger
from marketsentry.services.account_lists import (
    list_accounts,
    list_entries,
    list_equity,
    list_fills,
    list_positions,
)

AMOUNT_DIGITS = 8
METRIC_DIGITS = 6

router = APIRouter(tags=["accounts"])

AccountQuery = Annotated[int | None, Query(ge=1, le=MAX_ID)]
StrategyQuery = Annotated[Annotated[str, stored_text(64)] | None, Query()]
TargetQuery = Annotated[Annotated[str, stored_text(512)] | None, Query(description="as it is stored")]
CursorQuery = Annotated[int | None, Query(ge=1, le=MAX_ID, description="`next_cursor` of a page")]
LimitQuery = Annotated[int, Query(ge=1, le=MAX_PAGE)]


@router.get("/accounts", summary="List accounts")
async def accounts(system: SystemDep) -> AccountListOut:
    """Answer every account, oldest first."""
    found = await list_accounts(transactions=system.transactions)
    return AccountListOut(
        items=[
            AccountOut(id=one.id, adapter=one.adapter, venue=one.venue, name=one.name, currency=one.currency)
            for one in found
        ]
    )


@router.get("/positions", summary="List positions")
async def positions(
    system: SystemDep,
    account_id: AccountQuery = None,
    track: Track | None = None,
    strategy_id: StrategyQuery = None,
    target: TargetQuery = None,
    open_only: Annotated[bool, Query(description="leave out what is flat")] = True,
    cursor: Annotated[str | None, Query(max_length=2048, description="`next_cursor` of a page")] = None,
    limit: LimitQuery = 50,
) -> PositionPageOut:
    """Answer what each strategy holds, by account, strategy and target, at the last marks."""
    page = await list_positions(
        Wanted(account_id, track, strategy_id, target),
        open_only=open_only,
        after=None if cursor is None else read_position_cursor(cursor),
        limit=limit,
        transactions=system.transactions,
    )
    return PositionPageOut(
        items=[_position(one) for one in page.items],
        next_cursor=None if page.next_key is None else position_cursor(page.next_key),
    )


@router.get("/fills", summary="List fills")
async def fills(
    system: SystemDep,
    account_id: AccountQuery = None,
    track: Track | None = None,
    strategy_id: StrategyQuery = None,
    target: TargetQuery = None,
    decision_id: Annotated[Annotated[str, stored_text(64)] | None, Query()] = None,
    order_id: AccountQuery = None,
    cursor: CursorQuery = None,
    limit: LimitQuery = 50,
) -> FillPageOut:
    """Answer executions, newest first."""
    page = await list_fills(
        Wanted(account_id, track, strategy_id, target),
        decision_id=decision_id,
        order_id=order_id,
        before_id=cursor,
        limit=limit,
        transactions=system.transactions,
    )
    return FillPageOut(items=[_fill(one) for one in page.items], next_cursor=page.next_key)


@router.get("/ledger", summary="List ledger entries")
async def ledger(
    system: SystemDep,
    account_id: AccountQuery = None,
    track: Track | None = None,
    strategy_id: StrategyQuery = None,
    target: TargetQuery = None,
    cursor: CursorQuery = None,
    limit: LimitQuery = 50,
) -> EntryPageOut:
    """Answer movements of cash, newest first."""
    page = await list_entries(
        Wanted(account_id, track, strategy_id, target),
        before_id=cursor,
        limit=limit,
        transactions=system.transactions,
    )
    return EntryPageOut(items=[_entry(one) for one in page.items], next_cursor=page.next_key)


@router.get(
    "/accounts/{account_id}/equity",
    summary="List what an account was worth",
    responses={404: {"description": "`account {id} not found`"}},
)
async def equity(
    account_id: RowId,
    system: SystemDep,
    track: Track = "liquid",
    strategy_id: Annotated[
        Annotated[str, stored_text(64)], Query(description="`global` is the whole track in this account")
    ] = GLOBAL,
    cursor: CursorQuery = None,
    limit: LimitQuery = 50,
) -> EquityPageOut:
    """Answer marks of equity, newest first."""
    page = await list_equity(
        SubLedger(account_id, strategy_id, track),
        before_id=cursor,
        limit=limit,
        transactions=system.transactions,
    )
    return EquityPageOut(items=[_equity(one) for one in page.items], next_cursor=page.next_key)


def _position(listed: ListedPosition) -> PositionOut:
    held, position = listed.held, listed.held.position
    return PositionOut(
        account_id=held.ledger.account_id,
        strategy_id=held.ledger.strategy_id,
        track=held.ledger.track,
        target=held.target,
        qty=_amount(position.qty),
        average_price=_amount(position.average_price),
        mark_price=_maybe(position.mark_price),
        marked_at=position.marked_at,
        notional=_maybe(position.notional_quote),
        unrealised_pnl=_maybe(position.unrealised_quote),
        realised_pnl=_amount(position.realised_quote),
        fees=_amount(position.fee_quote),
        funding=_amount(position.funding_quote),
        net_pnl=_amount(position.net_quote),
        round_trips=position.n_trips,
        losing_streak=position.losing_streak,
        updated_at=listed.updated_at,
    )


def _fill(booked: BookedFill) -> FillOut:
    fill = booked.fill
    return FillOut(
        id=booked.id,
        order_id=booked.order_id,
        decision_id=booked.decision_id,
        account_id=booked.ledger.account_id,
        strategy_id=booked.ledger.strategy_id,
        track=booked.ledger.track,
        target=booked.target,
        side=booked.side.value,
        qty=_amount(fill.qty),
        price=_amount(fill.price),
        fee=_amount(fill.fee),
        fee_currency=fill.fee_currency,
        fee_quote=_amount(booked.fee_quote),
        reference_price=_maybe(fill.reference),
        liquidity=fill.liquidity,
        client_order_id=booked.client_order_id,
        venue_trade_id=fill.trade_id,
        filled_at=fill.at,
    )


def _entry(booked: BookedEntry) -> EntryOut:
    entry = booked.entry
    return EntryOut(
        id=booked.id,
        account_id=booked.ledger.account_id,
        strategy_id=booked.ledger.strategy_id,
        track=booked.ledger.track,
        kind=entry.kind,
        target=entry.target,
        currency=entry.currency,
        amount=_amount(entry.amount),
        reference=entry.reference,
        fill_id=entry.fill_id,
        at=entry.at,
    )


def _equity(listed: ListedMark) -> EquityOut:
    mark, worth = listed.mark, listed.mark.equity
    return EquityOut(
        id=listed.id,
        at=worth.at,
        equity=_amount(worth.equity_quote),
        cash=_amount(mark.cash_quote),
        gross=_amount(mark.gross_quote),
        peak=_amount(worth.peak_quote),
        day_start=_amount(worth.day_start_quote),
        drawdown=round(float(worth.drawdown_frac), METRIC_DIGITS),
        daily_loss=round(float(worth.daily_loss_frac), METRIC_DIGITS),
        marks={name: _amount(price) for name, price in mark.marks.items()},
        decision_id=mark.decision_id,
    )


def _amount(value: Decimal) -> float:  # rounding is presentation, the record keeps all digits
    return round(float(value), AMOUNT_DIGITS)


def _maybe(value: Decimal | None) -> float | None:
    return None if value is None else _amount(value)
