"""Cursors of lists that are not in the order of row ids: opaque to a client, refused when they are none of ours."""

import base64
import binascii

import orjson

from marketsentry.api.schemas.ids import MAX_ID
from marketsentry.exceptions import InputError
from marketsentry.ports.account_lists import PositionKey


def position_cursor(key: PositionKey) -> str:
    """Spell where a page of positions ended."""
    return base64.urlsafe_b64encode(orjson.dumps([key.account_id, key.strategy_id, key.target])).decode()


def read_position_cursor(text: str) -> PositionKey:
    """Read what `position_cursor` spelled; raises `InputError` for anything else."""
    try:
        parts = orjson.loads(base64.b64decode(text.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, orjson.JSONDecodeError):
        parts = None
    match parts:
        case [int(account_id), str(strategy_id), str(target)] if (
            1 <= account_id <= MAX_ID and "\0" not in strategy_id + target
        ):
            return PositionKey(account_id, strategy_id, target)
    raise InputError("cursor must be the next_cursor of a page of positions")
