"""A directory appears whole or not at all."""

from pathlib import Path

import pytest

from marketsentry.adapters.whole_directory import whole_directory


def test_it_appears_when_the_block_ends(tmp_path: Path):
    place = tmp_path / "sets" / "a"
    with whole_directory(place) as draft:
        (draft / "one").write_text("1")
        assert not place.exists()
    assert (place / "one").read_text() == "1"
    assert [path.name for path in place.parent.iterdir()] == ["a"]


def test_an_error_leaves_nothing(tmp_path: Path):
    def fail() -> None:
        with whole_directory(tmp_path / "a") as draft:
            (draft / "one").write_text("1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_the_first_writer_wins(tmp_path: Path):
    place = tmp_path / "a"
    with whole_directory(place) as draft:
        (draft / "one").write_text("late")
        with whole_directory(place) as other:
            (other / "one").write_text("first")
    assert (place / "one").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_dead_draft_is_removed_and_a_living_one_is_not(tmp_path: Path):
    (tmp_path / ".draft-dead").mkdir()
    with whole_directory(tmp_path / "a") as draft, whole_directory(tmp_path / "b"):
        assert draft.exists()
        assert not (tmp_path / ".draft-dead").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
