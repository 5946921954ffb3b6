"""Sizes of the parts of a directory."""

import os
from pathlib import Path

import pytest

from marketsentry.adapters.disk_use import disk_use

KIB = 1024


def test_files_below_each_part_are_added_up_and_the_largest_comes_first(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "a").write_bytes(os.urandom(8 * KIB))
    (tmp_path / "large" / "deep").mkdir(parents=True)
    (tmp_path / "large" / "deep" / "b").write_bytes(os.urandom(300 * KIB))
    (tmp_path / "large" / "c").write_bytes(os.urandom(200 * KIB))
    found = disk_use(tmp_path)
    assert list(found) == ["large", "small"]
    assert 500 * KIB <= found["large"] <= 520 * KIB
    assert 8 * KIB <= found["small"] <= 16 * KIB


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "elsewhere").write_bytes(os.urandom(300 * KIB))
    (tmp_path / "home" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "home" / "loop").symlink_to(tmp_path / "home")
    assert sum(disk_use(tmp_path / "home").values()) < 16 * KIB


def test_an_absent_directory_takes_nothing(tmp_path: Path) -> None:
    assert disk_use(tmp_path / "absent") == {}


def test_a_sparse_file_counts_what_it_holds(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(10_000 * KIB)
    assert disk_use(tmp_path)["sparse"] == pytest.approx(0, abs=64 * KIB)
