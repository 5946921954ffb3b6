"""What is answered on several rows is what is answered on each, and only what a model can stand for (K-64, K-67)."""

import math
import re
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.core.features.builtin import BUILTIN
from marketsentry.core.market.interval import parse_interval
from marketsentry.core.serving.answer import Answer, Reason, Why
from marketsentry.core.serving.readiness import ServedRow
from marketsentry.models.lightgbm_panel import LightGBMPanel
from marketsentry.models.protocol import Explains, ignore_progress
from marketsentry.ports.models import ModelVersion, RegisteredModel
from marketsentry.services.backtest_model import ScoringModel
from marketsentry.services.serving import ServedModel
from marketsentry.services.serving_answer import answers_of

NAMES = tuple(f"f{n}" for n in range(6))
NOW_NS = 1_700_000_000_000_000_000
AT = datetime(2024, 1, 1, tzinfo=UTC)


class Sum:
    """A user's model: adds the features of a row, if rows come one by one."""

    name = "sum"
    accepts_missing = False

    def predict(self, X: np.ndarray) -> np.ndarray:
        if len(X) > 1:
            raise AssertionError("each row by itself")
        found = X.sum(axis=1)
        X[:] = 0.0  # what it does to its rows is its own affair
        return found

    def contributions(self, X: np.ndarray) -> np.ndarray:
        return np.column_stack([X, np.zeros(len(X))])


class Uneven(Sum):
    """Its parts do not add up."""

    def contributions(self, X: np.ndarray) -> np.ndarray:
        return np.column_stack([X, np.ones(len(X))])


class Two(Sum):
    """Answers twice."""

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.zeros(2)


def served(model, *, code_sha256: str | None) -> ServedModel:
    version = ModelVersion(
        name="panel",
        track="liquid",
        version="v1",
        state="candidate",
        artifact_path="",
        artifact_sha256="0" * 64,
        metrics={},
        manifest={"recipe": {"model": {"code_sha256": code_sha256}}},
        verdict={"outcome": "pass"},
        train_lineage_id="train",
        code_version="v",
        dataset_hash=None,
    )
    hour = parse_interval("1h")
    scoring = ScoringModel(RegisteredModel(1, AT, version), hour, "1h", 1, NAMES, "hash", 0, (), (model,))
    return ServedModel(scoring, BUILTIN, ("A",), isinstance(model, Explains))


def row(values: np.ndarray) -> ServedRow:
    return ServedRow(NOW_NS, values, 1_000, (), np.zeros(len(NAMES)))


def answered(rows: list[ServedRow], model: ServedModel) -> list[Answer | Why]:
    return list(answers_of(rows, model, [()] * len(rows), as_of_ns=NOW_NS, is_replay=False))


@pytest.fixture(scope="module")
def trees() -> ServedModel:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(400, len(NAMES)))
    X[rng.random(X.shape) < 0.1] = np.nan
    model = LightGBMPanel(n_trees=20, min_leaf_rows=10)
    y = np.nan_to_num(X[:, 0]) * 0.01 + rng.normal(size=400) * 1e-3
    model.fit(X, y, seed=1, n_threads=1, on_progress=ignore_progress)
    return served(model, code_sha256=None)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), n=st.integers(1, 40))
def test_rows_told_together_are_told_as_each_alone(trees: ServedModel, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, len(NAMES)))
    values[rng.random(values.shape) < 0.2] = np.nan
    rows = [row(one) for one in values]
    together = answered(rows, trees)
    assert together == [answered([one], trees)[0] for one in rows]
    for one in together:
        assert isinstance(one, Answer)
        assert one.tradeable
        parts = [part.contribution for part in one.explanation.top_feature_contributors]
        attribution = one.explanation.attribution
        assert attribution is not None
        total = math.fsum([attribution.base_value, attribution.rest, *parts])
        assert total == pytest.approx(one.score, abs=1e-9)


def test_a_users_model_is_asked_for_each_row_alone_and_may_do_with_it_what_it_likes() -> None:
    rows = [row(np.full(len(NAMES), 0.001 * n)) for n in range(3)]
    found = answered(rows, served(Sum(), code_sha256="1" * 64))
    assert [one.score for one in found if isinstance(one, Answer)] == pytest.approx([0.0, 0.006, 0.012])
    assert rows[2].values.tolist() == [0.002] * len(NAMES)


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (Sum(), [np.nan, 0, 0, 0, 0, 0], r"panel:v1 must predict one finite number, gave \[nan\]"),
        (Uneven(), [0.01, 0, 0, 0, 0, 0], "contributions must add up to the prediction 0.01, add up to 1.01"),
        (Two(), [0.01, 0, 0, 0, 0, 0], r"must predict one finite number, gave \[0.0, 0.0\]"),
    ],
)
def test_what_a_model_cannot_stand_for_is_no_answer(model, values: list[float], message: str) -> None:
    (why,) = answered([row(np.array(values))], served(model, code_sha256="1" * 64))
    assert isinstance(why, Why)
    assert why.reason is Reason.NOT_FINITE
    assert re.search(message, why.detail), why.detail


def test_a_row_without_an_answer_takes_none_from_the_others() -> None:
    rows = [row(np.zeros(len(NAMES))), row(np.full(len(NAMES), np.nan)), row(np.zeros(len(NAMES)))]
    found = answered(rows, served(Sum(), code_sha256="1" * 64))
    assert [isinstance(one, Answer) for one in found] == [True, False, True]
