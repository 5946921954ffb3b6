"""Who runs the engines of a data directory, read without taking the lock."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from marketsentry.adapters.embedded import read_owner
from marketsentry.adapters.embedded.lock import LOCK_NAME, HomeLock


def sign(home: Path, *, pid: int, at: datetime) -> None:
    text = {"pid": pid, "command": "ms up", "since": at.isoformat(timespec="seconds")}
    (home / LOCK_NAME).write_text(json.dumps(text))


def test_the_holder_is_named_with_its_addresses_until_it_lets_go(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path / LOCK_NAME)
    lock.acquire()
    lock.sign(database_url="postgresql://here", redis_url="unix://there")
    owner = read_owner(tmp_path)
    assert owner is not None
    assert (owner.pid, owner.database_url, owner.redis_url) == (
        os.getpid(),
        "postgresql://here",
        "unix://there",
    )
    lock.release()
    assert read_owner(tmp_path) is None


def test_nobody_owns_a_directory_without_signature(tmp_path: Path) -> None:
    assert read_owner(tmp_path / "absent") is None
    (tmp_path / LOCK_NAME).write_text("")
    assert read_owner(tmp_path) is None


def test_the_signature_of_a_killed_program_does_not_count(tmp_path: Path) -> None:
    unused = max(psutil.pids()) + 100_000
    sign(tmp_path, pid=unused, at=datetime.now(UTC))
    assert read_owner(tmp_path) is None


def test_a_younger_process_of_the_same_number_is_another_program(tmp_path: Path) -> None:
    born = datetime.fromtimestamp(psutil.Process().create_time(), UTC)
    sign(tmp_path, pid=os.getpid(), at=born - timedelta(hours=1))
    assert read_owner(tmp_path) is None
    sign(tmp_path, pid=os.getpid(), at=born + timedelta(hours=1))
    assert read_owner(tmp_path) is not None
