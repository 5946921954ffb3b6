from pathlib import Path

from marketsentry.ports.training import FitProgress
from marketsentry.services.train_stored import dataset_code, describe_progress


def test_progress_names_the_fold_and_its_share() -> None:
    assert describe_progress(FitProgress(1, 6, 75, 150, 1_000)) == ("fit 2 of 6", 0.5)
    assert describe_progress(FitProgress(0, 6, 0, 0, 1_000)) == ("fit 1 of 6", 0.0)


def test_a_users_features_are_part_of_the_code(tmp_path: Path) -> None:
    features = tmp_path / "mine.py"
    features.write_text("one")
    first = dataset_code("program", str(features))
    features.write_text("two")
    assert len({"program", dataset_code("program", "builtin")}) == 1
    assert (
        len({"program", first, dataset_code("program", str(features)), dataset_code("other", str(features))})
        == 4
    )
