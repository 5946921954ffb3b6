import numpy as np
import pytest

from marketsentry.core.market.interval import parse_interval
from marketsentry.core.training.artifact import (
    StoredPredictions,
    fold_files,
    pack_artifact,
    read_manifest,
    read_predictions,
    served_files,
)
from marketsentry.exceptions import ConflictError, InputError

FOLD = np.array([-1, 0, 0, 1, 1, -1, 2, 2], dtype=np.int16)
VALUES = np.where(FOLD[:, None] >= 0, np.arange(16.0).reshape(8, 2), np.nan)
PREDICTIONS = StoredPredictions(
    ("BTC", "ETH"), parse_interval("1h"), "4h", np.arange(8, dtype=np.int64), FOLD, VALUES, n_folds=2
)
MANIFEST = {"symbols": ["BTC", "ETH"], "interval": "1h", "horizon": "4h", "n_folds": 2, "seed": 1}


def packed() -> dict[str, bytes]:
    folds = [{"model.txt": b"zero"}, {"model.txt": b"one", "extra.json": b"{}"}]
    return pack_artifact(MANIFEST, served={"model.txt": b"served"}, folds=folds, predictions=PREDICTIONS)


def test_what_was_packed_is_read_back() -> None:
    files = packed()
    assert read_manifest(files) == MANIFEST
    assert served_files(files) == {"model.txt": b"served"}
    assert fold_files(files, 1) == {"model.txt": b"one", "extra.json": b"{}"}
    again = read_predictions(files)
    np.testing.assert_array_equal(again.values, VALUES)
    np.testing.assert_array_equal(again.fold, FOLD)
    assert (again.symbols, str(again.interval), again.horizon) == (("BTC", "ETH"), "1h", "4h")


def test_the_same_content_gives_the_same_bytes() -> None:
    assert packed() == packed()


def test_folds_and_last_block_are_ranges_of_bars() -> None:
    assert PREDICTIONS.rows_of_folds() == slice(1, 5)
    assert PREDICTIONS.rows_of_final() == slice(6, 8)


def test_file_names_are_plain() -> None:
    assert all("/" not in name for name in packed())


@pytest.mark.parametrize("name", ["manifest.json", "predictions.npy", "fold-0.model.txt"])
def test_a_model_cannot_take_the_names_of_the_layout(name: str) -> None:
    with pytest.raises(InputError, match=f"must not dump a file named {name}"):
        pack_artifact(MANIFEST, served={name: b""}, folds=[], predictions=PREDICTIONS)


def test_an_artifact_without_its_parts_is_refused() -> None:
    with pytest.raises(ConflictError, match=r"must hold manifest\.json, held model\.txt"):
        read_manifest({"model.txt": b""})
    with pytest.raises(ConflictError, match=r"must hold predictions\.npy"):
        read_predictions({"manifest.json": b"{}"})


def test_a_manifest_without_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        pack_artifact({"ic": float("nan")}, served={}, folds=[], predictions=PREDICTIONS)
