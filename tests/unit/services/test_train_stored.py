from marketsentry.ports.training import FitProgress
from marketsentry.services.train_stored import describe_progress


def test_progress_names_the_fold_and_its_share() -> None:
    assert describe_progress(FitProgress(1, 6, 75, 150, 1_000)) == ("fit 2 of 6", 0.5)
    assert describe_progress(FitProgress(0, 6, 0, 0, 1_000)) == ("fit 1 of 6", 0.0)
