"""What the reader refuses: models the walk would get wrong, and texts whose trees are none."""

import re

import lightgbm as lgb
import numpy as np
import pytest

from marketsentry.exceptions import InputError
from marketsentry.models.tree_text import read_tree_text

RNG = np.random.default_rng(11)
X = RNG.normal(size=(300, 3))
Y = X[:, 0] - X[:, 1] + 0.1 * RNG.normal(size=300)


def text_of(label: np.ndarray = Y, categorical: list[int] | None = None, **params: object) -> str:
    native = {"objective": "regression", "num_leaves": 5, "verbosity": -1, "num_threads": 1} | params
    rows = np.abs(X.round()) if categorical else X
    data = lgb.Dataset(rows, label=label, params=native, categorical_feature=categorical or "auto")
    return lgb.train(native, data, num_boost_round=3).model_to_string()


def test_it_reads_what_stands_there():
    trees = read_tree_text(text_of())
    assert trees.n_features == 3
    assert len(trees.trees) == 3
    for tree in trees.trees:
        assert tree.leaf_rows.sum() == 300 == tree.split_rows[0]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: text_of(linear_tree=True), "tree 0 of the model: linear leaves are not supported"),
        (
            lambda: text_of(categorical=[2], label=np.abs(X[:, 2].round()) % 2),
            "categorical splits are not supported",
        ),
        (
            lambda: text_of(objective="poisson", label=np.abs(Y)),
            "objective of a tree model must be .*, was poisson",
        ),
        (lambda: text_of(objective="binary", label=Y > 0), "was binary"),
        (lambda: text_of(reg_sqrt=True), "reg_sqrt"),
        (
            lambda: text_of(objective="multiclass", num_class=3, label=RNG.integers(0, 3, 300)),
            "num_class .* was 3",
        ),
        (lambda: text_of(boosting="rf", bagging_freq=1, bagging_fraction=0.5), "averaged"),
    ],
)
def test_models_of_another_kind_are_refused_by_name(made, message):
    with pytest.raises(InputError, match=message):
        read_tree_text(made())


def changed(pattern: str, replacement: str) -> str:
    text, n = re.subn(pattern, replacement, text_of(), count=1, flags=re.MULTILINE)
    assert n == 1
    return text


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (r"^tree$", "bush", "must begin with `tree`"),
        (r"^version=v4$", "version=v3", "version of a tree model must be v4, was v3"),
        (r"^max_feature_idx=2$", "max_feature_idx=0", "split_feature must be in 0..0"),
        (r"^left_child=\S+", "left_child=0", "exactly one parent"),
        (r"^left_child=\S+", "left_child=99", "exactly one parent"),
        (r"^left_child=\S+", "left_child=x", "tree 0 of the model: invalid literal"),
        (r"^threshold=\S+", "threshold=nan", "threshold must be numbers, was nan"),
        (r"^threshold=\S+ ", "threshold=", "threshold must have 4 entries, had 3"),
        (r"^leaf_value=\S+", "leaf_value=inf", "leaf_value must be finite, was inf"),
        (r"^leaf_value=.*\n", "", "tree 0 of the model: lacks 'leaf_value'"),
        (r"^decision_type=\S+", "decision_type=12", "missing type of a split must be in 0..2, was 3"),
        (r"^decision_type=\S+", "decision_type=1", "categorical splits"),
        (r"^num_leaves=5$", "num_leaves=0", "num_leaves must be in"),
        (r"^Tree=2$", "Tree=7", "tree 2 of the model must say so, said 7"),
        (r"^end of trees$", "", "must have the 3 trees of its header"),
        (r"^tree_sizes=\S+ ", "tree_sizes=", "must have the 2 trees of its header, had 3"),
        (r"^internal_count=\S+", "internal_count=0", "counts of rows must be >= 1"),
    ],
)
def test_a_text_that_was_tampered_with_is_refused(pattern, replacement, message):
    with pytest.raises(InputError, match=message):
        read_tree_text(changed(pattern, replacement))


def test_a_cycle_beside_the_root_is_refused():
    """Every node has one parent, and yet two of them only have each other."""
    text = re.sub(r"^left_child=.*$", "left_child=-1 2 1 -4", text_of(), count=1, flags=re.MULTILINE)
    text = re.sub(r"^right_child=.*$", "right_child=3 -2 -3 -5", text, count=1, flags=re.MULTILINE)
    with pytest.raises(InputError, match="all 4 splits must be reached from the root, 2 were"):
        read_tree_text(text)


@pytest.mark.parametrize("text", ["", "no trees here", "tree\n", "tree\nversion=v4\n"])
def test_what_is_no_model_is_refused(text):
    with pytest.raises(InputError):
        read_tree_text(text)
