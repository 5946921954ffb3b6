"""Refused rows on disk: one CSV file per imported file, created with the first refused row."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from marketsentry.ports.files import Reject

HEADER = ("file", "line", "reason", "row")


class CsvRejectLog:
    """Appends refused rows to one file; see `ports.files.RejectLog`."""

    def __init__(self, target: Path) -> None:
        self.path: Path | None = None
        self._target = target
        self._file: TextIO | None = None

    def add(self, rejects: Sequence[Reject]) -> None:
        """Write rows."""
        if not rejects:
            return
        if self._file is None:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._target.open("w", newline="", encoding="utf-8")
            self.path = self._target
            csv.writer(self._file).writerow(HEADER)
        csv.writer(self._file).writerows((r.file, r.line, r.reason, r.text) for r in rejects)

    def close(self) -> None:
        """Finish the file."""
        if self._file is not None:
            self._file.close()


@contextmanager
def open_reject_log(rejects_dir: Path, name: str, sha256: str) -> Iterator[CsvRejectLog]:
    """Open the reject file `<name>-<first 8 of sha256>.csv`; an older one of the same content is removed."""
    target = rejects_dir / f"{name}-{sha256[:8]}.csv"
    target.unlink(missing_ok=True)
    log = CsvRejectLog(target)
    try:
        yield log
    finally:
        log.close()
