"""Blocks of rows: raw columns of any reader turned into the fields of a kind, cut into equal blocks.

Blocks have a fixed number of rows counted from the start of the file, so the same rows give the same block
whatever the file's inner structure; that is what makes a changed tail cheap to find.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from marketsentry.core.market.interval import NS_PER_S
from marketsentry.core.market.records import DataKind
from marketsentry.core.market.timestamps import NO_TIME_NS, epoch_to_ns, float_epoch_to_ns, texts_to_ns
from marketsentry.exceptions import InputError

BLOCK_ROWS = 65_536
_DAY_NS = 86_400 * NS_PER_S

SIDE_WORDS = {
    "buyer_is_maker": {"true": -1, "1": -1, "false": 1, "0": 1},
    "side": {"buy": 1, "b": 1, "bid": 1, "sell": -1, "s": -1, "ask": -1},
    "book_side": {"b": 1, "bid": 1, "bids": 1, "buy": 1, "a": -1, "ask": -1, "asks": -1, "s": -1, "sell": -1},
    "is_snapshot": {"snapshot": 1, "partial": 1},
}
"""What a taker did, by how a file says it (the maker's flag wins where both are there); the side of a level, and
whether a row belongs to a whole book."""
NO_ID = -1

Columns = dict[str, NDArray[Any]]
TextOf = Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive rows of a file; see `ports.files.RowBlock`."""

    columns: Columns
    reason: NDArray[np.uint8]
    line: NDArray[np.int64]
    done_frac: float
    parts: tuple[tuple[int, TextOf], ...]

    def content_hash(self, reason: NDArray[np.uint8]) -> str:
        """Name the block by values, order and reasons; 128 bits in hex."""
        digest = hashlib.blake2b(digest_size=16)
        for name in sorted(self.columns):
            column = self.columns[name]
            digest.update(name.encode())
            digest.update(orjson.dumps(column.tolist()) if column.dtype == object else column.tobytes())
        digest.update(reason.tobytes())
        return digest.hexdigest()

    def text(self, row: int) -> str:
        """Return row `row` as it stands in the file."""
        for n_rows, text_of in self.parts:
            if row < n_rows:
                return text_of(row)
            row -= n_rows
        raise InputError(f"row must be below {self.line.size}")


@dataclass(frozen=True, slots=True)
class Parts:
    """Bookkeeping of one raw batch: its columns, reader's reasons, lines, share read, and raw text by row."""

    columns: Columns
    reason: NDArray[np.uint8]
    line: NDArray[np.int64]
    done_frac: float
    text_of: TextOf


def finish(kind: DataKind, raw: Columns) -> Columns:
    """Turn raw columns into the fields of a kind.

    Parameters
    ----------
    kind : DataKind
        Decides the fields.
    raw : dict of str to ndarray
        Columns by layout field. `time` is int64 or float64 epochs, or text; an int64 column may come with
        `<name>?`, True where it is null.

    Returns
    -------
    dict of str to ndarray
        The fields that `ports.files.RowBlock` names for the kind.
    """
    ts_ns = _to_ns(raw, "time")
    if kind is DataKind.BARS:
        fields = {name: raw[name] for name in ("open", "high", "low", "close", "volume")}
        count = raw.get("trades_count")
        n_trades = (
            np.zeros(ts_ns.size) if count is None else np.nan_to_num(count, nan=0.0, posinf=0, neginf=0)
        )
        return {"ts_ns": ts_ns, **fields, "trades_count": np.clip(n_trades, 0, 2**31 - 1).astype(np.int32)}
    if kind is DataKind.FUNDING:
        return {"ts_ns": ts_ns, "rate": raw["rate"]}
    if kind is DataKind.TRADES:
        known = _to_ns(raw, "received") if "received" in raw else ts_ns
        return {
            "ts_ns": ts_ns,
            "known_at_ns": np.maximum(ts_ns, known),
            "price": raw["price"],
            "size": raw["size"],
            "side": _side(raw, ts_ns.size),
            "trade_id": _ids(raw),
        }
    if kind is DataKind.NEWS:
        return _finish_news(ts_ns, raw)
    return _finish_book(kind, ts_ns, raw)


def cut_blocks(batches: Iterable[Parts]) -> Iterator[Rows]:
    """Cut batches of any size into blocks of `BLOCK_ROWS` rows; the last one may be shorter."""
    held: list[Parts] = []
    n_held = 0
    for batch in batches:
        start = 0
        while n_held + batch.line.size - start >= BLOCK_ROWS:
            stop = start + BLOCK_ROWS - n_held
            yield _join([*held, _slice(batch, start, stop)])
            held, n_held, start = [], 0, stop
        if start < batch.line.size:
            held.append(_slice(batch, start, batch.line.size))
            n_held += batch.line.size - start
    if held:
        yield _join(held)


def _slice(batch: Parts, start: int, stop: int) -> Parts:
    if start == 0 and stop == batch.line.size:
        return batch
    rows = slice(start, stop)
    return Parts(
        {name: column[rows] for name, column in batch.columns.items()},
        batch.reason[rows],
        batch.line[rows],
        batch.done_frac,
        lambda row: batch.text_of(row + start),
    )


def _join(parts: list[Parts]) -> Rows:
    names = parts[0].columns
    return Rows(
        {name: np.concatenate([part.columns[name] for part in parts]) for name in names},
        np.concatenate([part.reason for part in parts]),
        np.concatenate([part.line for part in parts]),
        parts[-1].done_frac,
        tuple((part.line.size, part.text_of) for part in parts),
    )


def _to_ns(raw: Columns, name: str) -> NDArray[np.int64]:
    values = raw[name]
    if values.dtype == object:
        return texts_to_ns(values)
    if values.dtype == np.float64:
        return float_epoch_to_ns(values)
    ns = epoch_to_ns(values)
    nulls = raw.get(f"{name}?")
    return ns if nulls is None else np.where(nulls, NO_TIME_NS, ns)


def _side(raw: Columns, n_rows: int) -> NDArray[np.int8]:
    """+1 the taker bought, -1 sold, 0 not told; from words, or from numbers that are sides already."""
    for field in ("buyer_is_maker", "side"):
        words = SIDE_WORDS[field]
        if field in raw and raw[field].dtype == object:
            return np.fromiter(
                (words.get(str(word).lower(), 0) for word in raw[field]), np.int8, count=n_rows
            )
        if field in raw:
            return raw[field].astype(np.int8)
    return np.zeros(n_rows, dtype=np.int8)


def _finish_book(kind: DataKind, exchange_ns: NDArray[np.int64], raw: Columns) -> Columns:
    """Times are the exchange's, the recorder's where the exchange told none."""
    received = _to_ns(raw, "received") if "received" in raw else exchange_ns
    ts_ns = np.where(exchange_ns == NO_TIME_NS, received, exchange_ns)
    times = {"ts_ns": ts_ns, "known_at_ns": np.maximum(ts_ns, received)}
    if kind is DataKind.QUOTES:
        return {**times, **{name: raw[name] for name in ("bid", "bid_size", "ask", "ask_size")}}
    n_rows = ts_ns.size
    ids = {
        name: _integers(raw[name]) if name in raw else np.full(n_rows, NO_ID, dtype=np.int64)
        for name in ("first_id", "last_id", "prev_id")
    }
    is_snapshot = _words(raw, "is_snapshot") if "is_snapshot" in raw else np.ones(n_rows, dtype=np.int8)
    levels = {"price": raw["price"], "size": raw["size"], "side": _words(raw, "book_side")}
    return {**times, **levels, "is_snapshot": is_snapshot, **ids}


def _words(raw: Columns, field: str) -> NDArray[np.int8]:
    values, words = raw[field], SIDE_WORDS[field]
    if values.dtype != object:
        return values.astype(np.int8)
    return np.fromiter((words.get(str(word).lower(), 0) for word in values), np.int8, count=values.size)


def _integers(values: NDArray[Any]) -> NDArray[np.int64]:
    if values.dtype == np.float64:
        return np.where(np.isfinite(values), values, NO_ID).astype(np.int64)
    return values.astype(np.int64)


def _ids(raw: Columns) -> NDArray[np.object_]:
    values = raw["trade_id"].tolist()
    return np.array([None if value in (None, "") else str(value) for value in values], dtype=object)


def _finish_news(ts_ns: NDArray[np.int64], raw: Columns) -> Columns:
    none = np.full(ts_ns.size, None, dtype=object)
    known = ts_ns.copy()
    if "date_only" in raw:
        whole_day = np.array(
            [str(flag).lower() in ("true", "1") for flag in raw["date_only"]], dtype=np.bool_
        )
        whole_day &= ts_ns != NO_TIME_NS
        known[whole_day] = (ts_ns[whole_day] // _DAY_NS + 1) * _DAY_NS
    text = raw.get("text", none)
    title = np.array(
        [first or second for first, second in zip(raw["title"], text, strict=True)], dtype=object
    )
    return {
        "ts_ns": ts_ns,
        "known_at_ns": known,
        "title": title,
        "url": raw.get("url", none),
        "source_name": raw.get("source_name", none),
        "payload": np.array([_payload(text) for text in raw.get("payload", none)], dtype=object),
    }


def _payload(text: str | None) -> dict[str, Any] | None:
    """Read the JSON object of a news item; a NUL, which no database text can hold, is dropped."""
    return orjson.loads(text.replace("\\u0000", "")) if text else None
