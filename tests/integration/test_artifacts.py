"""Artifacts are named by their content, appear whole, and are verified whenever they are read."""

import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from marketsentry.adapters.artifacts import FileArtifacts
from marketsentry.exceptions import ConflictError, DependencyError, InputError, NotFoundError

FILES = {"manifest.json": b"{}", "model.txt": b"tree\n"}


@pytest.fixture
def artifacts(tmp_path: Path) -> FileArtifacts:
    return FileArtifacts(tmp_path / "artifacts", model_dir=tmp_path / "models")


def test_what_is_put_can_be_read_back(artifacts: FileArtifacts, tmp_path: Path) -> None:
    ref = artifacts.put("runs", FILES)
    assert artifacts.get(ref, ref.sha256) == FILES
    assert artifacts.get(str(ref.path), ref.sha256) == FILES
    assert ref.path == tmp_path / "artifacts" / "runs" / ref.sha256


def test_models_have_a_place_of_their_own(artifacts: FileArtifacts, tmp_path: Path) -> None:
    assert artifacts.put("models", FILES).path.parent == tmp_path / "models"


def test_the_hash_can_be_computed_by_hand(artifacts: FileArtifacts) -> None:
    lines = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(FILES.items())
    )
    assert artifacts.put("runs", FILES).sha256 == hashlib.sha256(lines.encode()).hexdigest()


def test_the_same_content_gives_the_same_reference_and_is_written_once(artifacts: FileArtifacts) -> None:
    first = artifacts.put("runs", FILES)
    written = (first.path / "model.txt").stat().st_mtime_ns
    assert artifacts.put("runs", dict(reversed(FILES.items()))) == first
    assert (first.path / "model.txt").stat().st_mtime_ns == written


def test_names_count_as_content(artifacts: FileArtifacts) -> None:
    assert artifacts.put("runs", {"a": b"1", "b": b"2"}) != artifacts.put("runs", {"a": b"2", "b": b"1"})


def test_many_may_put_the_same_at_once(artifacts: FileArtifacts) -> None:
    with ThreadPoolExecutor(8) as pool:
        refs = {future.result() for future in [pool.submit(artifacts.put, "runs", FILES) for _ in range(32)]}
    (ref,) = refs
    assert [path.name for path in ref.path.parent.iterdir()] == [ref.sha256]


def test_files_are_written_read_only(artifacts: FileArtifacts) -> None:
    path = artifacts.put("runs", FILES).path / "model.txt"
    assert stat.S_IMODE(path.stat().st_mode) & 0o222 == 0


@pytest.mark.parametrize("damage", ["change", "remove", "add"])
def test_damage_is_found_when_reading_and_when_putting_again(artifacts: FileArtifacts, damage: str) -> None:
    ref = artifacts.put("runs", FILES)
    model = ref.path / "model.txt"
    if damage == "add":
        (ref.path / "extra").write_bytes(b"")
    else:
        model.unlink()
    if damage == "change":
        model.write_bytes(b"tree!\n")
    with pytest.raises(ConflictError, match=rf"has SHA-256 \w+, recorded was {ref.sha256}"):
        artifacts.get(ref, ref.sha256)
    with pytest.raises(ConflictError, match="recorded was"):
        artifacts.put("runs", FILES)


def test_the_recorded_hash_decides_not_the_name_of_the_directory(artifacts: FileArtifacts) -> None:
    one, other = artifacts.put("runs", FILES), artifacts.put("runs", {"a": b""})
    with pytest.raises(ConflictError, match="recorded was"):
        artifacts.get(one, other.sha256)


def test_an_absent_artifact_is_not_found(artifacts: FileArtifacts, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no artifact at"):
        artifacts.get(tmp_path / "nowhere", "0" * 64)


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "two\nlines", ".."])
def test_a_name_that_is_a_path_is_refused(artifacts: FileArtifacts, name: str) -> None:
    with pytest.raises(InputError, match="must be plain file names"):
        artifacts.put("runs", {name: b""})
    with pytest.raises(InputError, match="must be plain file names"):
        artifacts.put(name, FILES)


def test_an_empty_artifact_is_refused(artifacts: FileArtifacts) -> None:
    with pytest.raises(InputError, match="at least one file"):
        artifacts.put("runs", {})


def test_a_disk_that_refuses_is_a_dependency_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    artifacts = FileArtifacts(tmp_path / "file", model_dir=tmp_path)
    with pytest.raises(DependencyError, match="cannot be stored"):
        artifacts.put("runs", FILES)
    assert os.listdir(tmp_path) == ["file"]
