"""Read LightGBM's text format into arrays, and refuse whatever the compiled walk would not reproduce bit for bit.

A text may come from anywhere, so its trees are checked to be trees: every node and leaf has one parent, and none
points outside. Thresholds and leaf values stand in the text with 17 digits and are read back exactly.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError

VERSION = "v4"
IDENTITY_OBJECTIVES = (
    "regression",
    "regression_l1",
    "huber",
    "fair",
    "quantile",
    "mape",
)  # no transformation
MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2  # what a split takes for missing

_CATEGORICAL, _DEFAULT_LEFT = 1, 2  # bits of `decision_type`
MAX_TREES, MAX_LEAVES, MAX_FEATURES = 100_000, 65_536, 65_536

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Numbers = TypeVar("Numbers", Floats, Ints)


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree of L leaves and L - 1 splits, node 0 its root; a child below zero is the leaf ``-1 - child``.

    A row goes left where its value is ``<= threshold``, and where it is missing if `default_left` says so. An
    infinite threshold parts the missing from all others.
    """

    feature: Ints
    threshold: Floats
    missing: Ints
    default_left: NDArray[np.bool_]
    left: Ints
    right: Ints
    gain: Floats
    split_rows: Ints
    leaf_value: Floats
    leaf_rows: Ints


@dataclass(frozen=True, slots=True)
class TreeText:
    """The trees of a text model, in the order in which their leaves are summed."""

    n_features: int
    trees: tuple[Tree, ...]

    def feature_gain(self) -> Floats:
        """Sum the gains of the splits by feature, shape (n_features,)."""
        total = np.zeros(self.n_features)
        for tree in self.trees:
            np.add.at(total, tree.feature, np.maximum(tree.gain, 0.0))
        return total


def read_tree_text(text: str) -> TreeText:
    """Read a LightGBM text model.

    Parameters
    ----------
    text
        What `Booster.model_to_string` gave.

    Returns
    -------
    TreeText

    Raises
    ------
    InputError
        If the text is not a model of format v4, or has what is not supported: several classes, an objective that
        transforms its sum, averaged trees, categorical or linear splits; or if a tree of it is not a tree.
    """
    lines = iter(text.splitlines())
    if next(lines, "") != "tree":
        raise InputError("a LightGBM text model must begin with `tree`")
    header = dict(_pairs(lines))
    n_features = _check_header(header)
    n_trees = len(header.get("tree_sizes", "").split())
    if not 1 <= n_trees <= MAX_TREES:
        raise InputError(f"a tree model must have 1 to {MAX_TREES:,} trees, had {n_trees:,}")
    trees = []
    for number, block in enumerate(_blocks(text, n_trees)):
        try:
            trees.append(_read_tree(block, n_features))
        except (InputError, KeyError, ValueError) as error:
            raise InputError(f"tree {number} of the model: {_told(error)}") from error
    return TreeText(n_features, tuple(trees))


def _told(error: Exception) -> str:
    return f"lacks {error}" if isinstance(error, KeyError) else str(error)


def _pairs(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Give the `key=value` lines up to the first empty line; a word alone has no value."""
    for line in lines:
        if not line:
            return
        key, _, value = line.partition("=")
        yield key, value


def _check_header(header: dict[str, str]) -> int:
    """Refuse what the walk does not reproduce; give the number of features."""
    objective = header.get("objective", "").split(" ")
    wanted = (
        ("version", header.get("version", "none"), (VERSION,)),
        ("num_class", header.get("num_class", "none"), ("1",)),
        ("num_tree_per_iteration", header.get("num_tree_per_iteration", "none"), ("1",)),
        ("objective", objective[0] or "none", IDENTITY_OBJECTIVES),
    )
    for name, value, known in wanted:
        if value not in known:
            raise InputError(f"{name} of a tree model must be {' or '.join(known)}, was {value}")
    if "sqrt" in objective:
        raise InputError("objective of a tree model must not transform its sum, was regression with reg_sqrt")
    if "average_output" in header:
        raise InputError("trees of a model must be summed, were averaged (average_output)")
    n_features = int(header.get("max_feature_idx", "-1")) + 1
    if not 1 <= n_features <= MAX_FEATURES:
        raise InputError(f"a tree model must have 1 to {MAX_FEATURES:,} features, had {n_features:,}")
    return n_features


def _blocks(text: str, n_trees: int) -> Iterator[dict[str, str]]:
    """Give the fields of each tree; there must be as many as the header said."""
    body, end, _ = text.partition("\nend of trees")
    parts = body.split("\nTree=")[1:]
    if not end or len(parts) != n_trees:
        raise InputError(f"a tree model must have the {n_trees} trees of its header, had {len(parts)}")
    for number, part in enumerate(parts):
        name, _, fields = part.partition("\n")
        if name.strip() != str(number):
            raise InputError(f"tree {number} of the model must say so, said {name.strip()}")
        yield dict(_pairs(fields.splitlines()))


def _read_tree(fields: dict[str, str], n_features: int) -> Tree:
    n_leaves = int(fields["num_leaves"])
    if not 1 <= n_leaves <= MAX_LEAVES:
        raise InputError(f"num_leaves must be in 1..{MAX_LEAVES:,}, was {n_leaves:,}")
    if fields.get("num_cat", "0") != "0":
        raise InputError(f"categorical splits are not supported, has {fields['num_cat']}")
    if fields.get("is_linear", "0") != "0":
        raise InputError("linear leaves are not supported")
    n_splits = n_leaves - 1
    kind = _ints(fields, "decision_type", n_splits)
    if (kind & _CATEGORICAL).any():
        raise InputError("categorical splits are not supported")
    # A tree of one leaf that LightGBM never grew carries no counts.
    counted = "leaf_count" in fields or n_splits > 0
    tree = Tree(
        feature=_ints(fields, "split_feature", n_splits),
        threshold=_floats(fields, "threshold", n_splits),
        missing=(kind >> 2) & 3,
        default_left=(kind & _DEFAULT_LEFT) > 0,
        left=_ints(fields, "left_child", n_splits),
        right=_ints(fields, "right_child", n_splits),
        gain=_floats(fields, "split_gain", n_splits).astype(np.float32).astype(np.float64),
        split_rows=_ints(fields, "internal_count", n_splits),
        leaf_value=_finite(_floats(fields, "leaf_value", n_leaves)),
        leaf_rows=_ints(fields, "leaf_count", n_leaves) if counted else np.zeros(1, dtype=np.int64),
    )
    _check_tree(tree, n_features)
    return tree


def _check_tree(tree: Tree, n_features: int) -> None:
    n_splits, n_leaves = tree.feature.size, tree.leaf_value.size
    if n_splits and not (tree.feature.min() >= 0 and tree.feature.max() < n_features):
        raise InputError(f"split_feature must be in 0..{n_features - 1}, was {tree.feature.tolist()}")
    if (tree.missing > MISSING_NAN).any():
        raise InputError(f"missing type of a split must be in 0..{MISSING_NAN}, was {tree.missing.max()}")
    if n_splits and (tree.split_rows.min() < 1 or tree.leaf_rows.min() < 0):
        raise InputError("counts of rows must be >= 1 in splits and >= 0 in leaves")
    children = np.concatenate((tree.left, tree.right))
    expected = np.concatenate((np.arange(-n_leaves, 0), np.arange(1, n_leaves - 1)))
    if n_splits and not np.array_equal(np.sort(children), expected):
        raise InputError("every split but the root and every leaf must have exactly one parent")
    reached = {0} if n_splits else set()
    todo = list(reached)
    while todo:
        node = todo.pop()
        below = [int(child) for child in (tree.left[node], tree.right[node]) if child >= 0]
        reached.update(below)
        todo += below
        if len(reached) > n_splits or 0 in below:
            break
    if len(reached) != n_splits:
        raise InputError(f"all {n_splits} splits must be reached from the root, {len(reached)} were")


def _ints(fields: dict[str, str], name: str, n: int) -> Ints:
    words = fields[name].split() if n else []
    return _sized(np.array([int(word) for word in words], dtype=np.int64), name, n)


def _floats(fields: dict[str, str], name: str, n: int) -> Floats:
    words = fields[name].split() if n else []
    values = _sized(np.array([float(word) for word in words], dtype=np.float64), name, n)
    if np.isnan(values).any():
        raise InputError(f"{name} must be numbers, was nan")
    return values


def _finite(leaf_value: Floats) -> Floats:
    if not np.isfinite(leaf_value).all():
        raise InputError(f"leaf_value must be finite, was {leaf_value[~np.isfinite(leaf_value)][0]}")
    return leaf_value


def _sized(values: Numbers, name: str, n: int) -> Numbers:
    if values.size != n:
        raise InputError(f"{name} must have {n} entries, had {values.size}")
    return values
