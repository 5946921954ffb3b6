import subprocess
import sys

import numpy as np
import pytest

from marketsentry.exceptions import ConflictError, InputError
from marketsentry.models.conformance import check_model
from marketsentry.models.lightgbm_panel import MODEL_FILE, LightGBMPanel, LightGBMParams
from marketsentry.models.protocol import Explains, ignore_progress

RNG = np.random.default_rng(3)
X = RNG.normal(size=(500, 4))
Y = 0.01 * X[:, 0] + 0.01 * RNG.normal(size=500)


def fitted(seed: int = 1, **params: int) -> LightGBMPanel:
    model = LightGBMPanel(n_trees=8, **params)
    model.fit(X, Y, seed=seed, n_threads=1, on_progress=ignore_progress)
    return model


def test_it_keeps_every_promise_of_a_model() -> None:
    report = check_model(lambda: LightGBMPanel(n_trees=8))
    assert report.passed, [check for check in report.checks if not check.passed]
    assert len(report.checks) == 13


def test_another_seed_gives_other_trees() -> None:
    assert fitted(seed=1).dump() != fitted(seed=2).dump()


def test_the_bytes_do_not_depend_on_the_number_of_threads() -> None:
    models = [LightGBMPanel(n_trees=8), LightGBMPanel(n_trees=8)]
    for n_threads, model in enumerate(models, start=1):
        model.fit(X, Y, seed=1, n_threads=n_threads, on_progress=ignore_progress)
    assert models[0].dump() == models[1].dump()
    assert b"[num_threads: 0]" in models[0].dump()[MODEL_FILE]


def test_contributions_add_up_to_the_prediction() -> None:
    """K-67; features that the trees never split on add nothing."""
    model = fitted()
    assert isinstance(model, Explains)
    rows = np.vstack([X[:50], np.full((1, 4), np.nan)])
    told = model.contributions(rows)
    assert told.shape == (51, 5)
    np.testing.assert_allclose(told.sum(axis=1), model.predict(rows), rtol=0, atol=1e-14)
    again = LightGBMPanel.parse(model.dump()).contributions(rows)
    np.testing.assert_array_equal(told, again)
    assert model.contributions(X[:0]).shape == (0, 5)
    with pytest.raises(InputError, match=r"X must have shape \(n, 4\), was \(2, 3\)"):
        model.contributions(np.zeros((2, 3)))


def test_it_learns_what_can_be_learned() -> None:
    assert np.corrcoef(fitted().predict(X), Y)[0, 1] > 0.4


def test_leaves_grow_with_the_panel() -> None:
    native = LightGBMParams(min_leaf_rows=20, min_leaf_frac=0.001).native(700_000, seed=0, n_threads=1)
    assert native["min_data_in_leaf"] == 700


def test_a_dimension_mismatch_is_an_error_not_padded() -> None:
    with pytest.raises(InputError, match=r"X must have shape \(n, 4\), was \(500, 3\)"):
        fitted().predict(X[:, :3])


def test_an_unfitted_model_says_so() -> None:
    with pytest.raises(ConflictError, match="must be fitted"):
        LightGBMPanel().predict(X)


@pytest.mark.parametrize(
    "files", [{}, {"other.txt": b""}, {MODEL_FILE: b"no trees here"}, {MODEL_FILE: b"\xff\xfe"}]
)
def test_what_is_not_a_model_is_refused(files: dict[str, bytes]) -> None:
    with pytest.raises(InputError, match=MODEL_FILE):
        LightGBMPanel.parse(files)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_trees": 0}, "n_trees must be >= 1, was 0"),
        ({"n_leaves": 1}, "n_leaves must be >= 2, was 1"),
        ({"row_frac": 0.0}, "row_frac must be in"),
        ({"trees": 5}, "must be among n_trees.*, were trees"),
    ],
)
def test_bad_parameters_are_named(params: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LightGBMPanel(**params)


def test_who_only_predicts_does_not_import_lightgbm() -> None:
    """It brings pandas and scipy, seconds and memory of which a server of predictions has no use."""
    code = (
        "import sys, marketsentry.services.plugins as plugins; plugins.load_model('lightgbm_panel'); "
        "print([name for name in ('lightgbm', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
