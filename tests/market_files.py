"""Small files of market data as exchanges and careless people write them."""

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

START_S = 1_704_067_200  # 2024-01-01T00:00:00Z


@dataclass(frozen=True)
class FixedClock:
    """A clock that stands still."""

    at: datetime = datetime(2025, 6, 1, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the one time it knows."""
        return self.at


def bar_rows(n_bars: int, *, start: int = 0, seed: int = 1, step_s: int = 60) -> list[list[object]]:
    """Rows of time in ms, open, high, low, close, volume; the same for the same arguments, whatever the span."""
    rows: list[list[object]] = []
    for i in range(start, start + n_bars):
        noise = zlib.crc32(f"{seed}/{i}".encode())
        a, b = round(100 + noise % 997 / 100, 2), round(100 + noise // 997 % 997 / 100, 2)
        high, low = max(a, b) + noise % 7, min(a, b) - noise % 11
        rows.append([(START_S + i * step_s) * 1000, a, round(high, 2), round(low, 2), b, 1 + noise % 50 / 8])
    return rows


def write_csv(
    path: Path, rows: Sequence[Sequence[object]], header: str = "timestamp,open,high,low,close,volume"
) -> Path:
    """Write rows as CSV, gzipped where the name says so; no header where it is empty."""
    lines = ([header] if header else []) + [",".join(map(str, row)) for row in rows]
    text = "\n".join(lines) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.name.endswith(".gz") else text.encode())
    return path


def write_parquet(path: Path, rows: Sequence[Sequence[object]], *, decimals: bool = False) -> Path:
    """Write bars as Parquet in the layout of the recorded data; `decimals` stores exact ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    csv = write_csv(path.with_suffix(".tmp.csv"), rows)
    kind = "DECIMAL(18, 3)" if decimals else "DOUBLE"
    prices = ", ".join(
        f"CAST({name} AS {kind}) AS {name}" for name in ("open", "high", "low", "close", "volume")
    )
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT make_timestamp_ms(timestamp)::TIMESTAMPTZ AS ts, {prices} FROM read_csv('{csv}')) "
            f"TO '{path}' (FORMAT PARQUET, COMPRESSION ZSTD)"
        )
    csv.unlink()
    return path


def kline(row: Sequence[object], *, scale: int = 1) -> list[object]:
    """A row of bars as the twelve columns of Binance's archive; `scale` 1000 gives microseconds."""
    at = int(str(row[0])) * scale
    return [at, *row[1:], at + 59_999 * scale, 1.5, 17, 0.5, 0.7, 0]
