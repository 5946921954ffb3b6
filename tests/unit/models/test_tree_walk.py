"""Our walk and attributions against LightGBM's own, and against the definition of the Shapley value."""

import itertools
import math

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsentry.exceptions import InputError
from marketsentry.models.tree_text import Tree, read_tree_text
from marketsentry.models.tree_walk import TreeWalk

N_FEATURES = 5
TINY = float(np.float32(1e-35))
ODD = (
    0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, -5e-324, 1e-36, -1e-36, TINY, -TINY, np.nextafter(TINY, 1),
    1e300, -1e300, 1.7e308,
)  # fmt: skip


def matrix(rng: np.random.Generator, n: int, odd_frac: float) -> np.ndarray:
    """Normals, integers, mostly zeros, huge and tiny numbers; odd ones sprinkled over all columns."""
    X = rng.normal(size=(n, N_FEATURES))
    X[:, 1] = rng.integers(-3, 4, n)
    X[:, 2] = np.where(rng.random(n) < 0.6, 0.0, X[:, 2])
    X[:, 3] *= 1e30
    X[:, 4] *= 1e-34
    return np.where(rng.random(X.shape) < odd_frac, rng.choice(ODD, X.shape), X)


def grown(seed: int, n_trees: int = 12, **params: object) -> lgb.Booster:
    rng = np.random.default_rng(seed)
    X = matrix(rng, 400, odd_frac=0.15)
    X[:, 0] = np.where(np.isnan(X[:, 0]), 0.5, X[:, 0])  # a feature that was never missing in training
    y = np.nan_to_num(np.sign(X[:, 0])) + (X[:, 2] == 0) + np.isnan(X[:, 1]) + rng.normal(size=400)
    native = {
        "objective": "regression",
        "num_leaves": 9,
        "min_data_in_leaf": 5,
        "verbosity": -1,
        "num_threads": 1,
    }
    data = lgb.Dataset(X, label=y, params=native | params)
    return lgb.train(native | params, data, num_boost_round=n_trees)


def walk_of(booster: lgb.Booster) -> TreeWalk:
    return TreeWalk.of(read_tree_text(booster.model_to_string()))


GROWTH = st.fixed_dictionaries(
    {
        "zero_as_missing": st.booleans(),
        "use_missing": st.booleans(),
        "num_leaves": st.sampled_from([2, 3, 9, 31]),
        "objective": st.sampled_from(["regression", "huber", "regression_l1"]),
        "extra_trees": st.booleans(),
        "bagging_fraction": st.sampled_from([0.5, 1.0]),
        "bagging_freq": st.just(1),
    }
)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**31),
    GROWTH,
    st.sampled_from([1, 7, 8, 12, 19]),
    st.sampled_from([1, 7, 8, 31, 32, 33, 200]),
)
def test_predictions_are_those_of_lightgbm_bit_for_bit(seed, growth, n_trees, n_rows):
    booster = grown(seed, n_trees, **growth)
    walk = walk_of(booster)
    X = matrix(np.random.default_rng(seed + 1), n_rows, odd_frac=0.4)
    assert walk.predict(X).tobytes() == booster.predict(X).tobytes()
    alone = np.concatenate([walk.predict(X[i : i + 1]) for i in range(min(n_rows, 20))])
    assert alone.tobytes() == walk.predict(X)[:20].tobytes()


def test_values_at_thresholds_and_one_step_off_go_lightgbms_way():
    booster = grown(3, 30)
    text = read_tree_text(booster.model_to_string())
    walk = TreeWalk.of(text)
    rows = []
    for tree in text.trees:
        for feature, threshold in zip(tree.feature, tree.threshold, strict=True):
            for value in (threshold, np.nextafter(threshold, -np.inf), np.nextafter(threshold, np.inf)):
                row = np.zeros(N_FEATURES)
                row[feature] = value
                rows.append(row)
    X = np.array(rows)
    assert walk.predict(X).tobytes() == booster.predict(X).tobytes()


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), GROWTH)
def test_contributions_are_those_of_lightgbm_and_add_up(seed, growth):
    booster = grown(seed, **growth)
    walk = walk_of(booster)
    X = matrix(np.random.default_rng(seed + 1), 60, odd_frac=0.4)
    ours, theirs = walk.contributions(X), booster.predict(X, pred_contrib=True)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        ours.sum(axis=1), walk.predict(X), rtol=0, atol=1e-12 * np.abs(ours).sum(axis=1).max()
    )


def naive_value(tree: Tree, row: np.ndarray, known: frozenset[int], node: int = 0) -> float:
    """Give the expectation of a tree that knows some features: other splits go both ways, by their rows."""
    if node < 0:
        return float(tree.leaf_value[-1 - node])
    left, right, feature = int(tree.left[node]), int(tree.right[node]), int(tree.feature[node])
    if feature in known:
        value = 0.0 if abs(row[feature]) <= TINY else row[feature]
        if math.isnan(value) and tree.missing[node] != 2:
            value = 0.0
        if (tree.missing[node] == 1 and value == 0.0) or math.isnan(value):
            goes_left = tree.default_left[node]
        else:
            goes_left = value <= tree.threshold[node]
        return naive_value(tree, row, known, left if goes_left else right)
    n_left = tree.split_rows[left] if left >= 0 else tree.leaf_rows[-1 - left]
    share = n_left / tree.split_rows[node]
    return share * naive_value(tree, row, known, left) + (1 - share) * naive_value(tree, row, known, right)


def naive_contributions(trees: tuple[Tree, ...], row: np.ndarray) -> np.ndarray:
    """Shapley values by their definition: what a feature adds, over all orders in which features become known."""
    orders = list(itertools.permutations(range(N_FEATURES)))
    found = np.zeros(N_FEATURES + 1)
    for tree in trees:
        if tree.feature.size == 0:
            found[-1] += tree.leaf_value[0]
            continue
        worth = {
            known: naive_value(tree, row, known)
            for size in range(N_FEATURES + 1)
            for known in map(frozenset, itertools.combinations(range(N_FEATURES), size))
        }
        found[-1] += worth[frozenset()]
        for order in orders:
            for k, feature in enumerate(order):
                before = frozenset(order[:k])
                found[feature] += (worth[before | {feature}] - worth[before]) / len(orders)
    return found


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31), GROWTH)
def test_contributions_are_shapley_values(seed, growth):
    booster = grown(seed, 4, **growth)
    text = read_tree_text(booster.model_to_string())
    X = matrix(np.random.default_rng(seed + 1), 5, odd_frac=0.4)
    wanted = np.array([naive_contributions(text.trees, row) for row in X])
    np.testing.assert_allclose(TreeWalk.of(text).contributions(X), wanted, rtol=1e-9, atol=1e-12)


def test_a_model_that_learned_nothing_is_its_base():
    X = np.random.default_rng(0).normal(size=(50, 2))
    booster = lgb.train(
        {"objective": "regression", "verbosity": -1}, lgb.Dataset(X, label=np.full(50, 0.25)), 3
    )
    walk = walk_of(booster)
    assert walk.predict(X).tobytes() == booster.predict(X).tobytes()
    np.testing.assert_allclose(walk.contributions(X), np.tile([0.0, 0.0, 0.25], (50, 1)), atol=1e-12)


def test_gain_is_lightgbms():
    booster = lgb.Booster(model_str=grown(5).model_to_string())
    gain = read_tree_text(booster.model_to_string()).feature_gain()
    np.testing.assert_array_equal(gain, booster.feature_importance(importance_type="gain"))


def test_no_rows_give_no_predictions():
    walk = walk_of(grown(1))
    assert walk.predict(np.empty((0, N_FEATURES))).shape == (0,)
    assert walk.contributions(np.empty((0, N_FEATURES))).shape == (0, N_FEATURES + 1)


def test_rows_that_are_not_contiguous_are_read_as_they_stand():
    walk, X = walk_of(grown(1)), matrix(np.random.default_rng(9), 40, odd_frac=0.1)
    assert walk.predict(np.asfortranarray(X)[::2]).tobytes() == walk.predict(X)[::2].tobytes()


def test_a_leaf_without_rows_is_not_explained():
    text = grown(1).model_to_string()
    first = next(line for line in text.splitlines() if line.startswith("leaf_count="))
    emptied = "leaf_count=0 " + first.partition(" ")[2]
    walk = TreeWalk.of(read_tree_text(text.replace(first, emptied, 1)))
    with pytest.raises(InputError, match="a leaf counts none"):
        walk.contributions(np.zeros((1, N_FEATURES)))
