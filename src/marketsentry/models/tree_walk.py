"""The compiled walk through a text model's trees: predictions bit for bit those of LightGBM."""

from collections import deque
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

from marketsentry.exceptions import InputError
from marketsentry.kernels.tree_shap import add_contributions, lay_out_paths
from marketsentry.kernels.trees import COLUMN, NODE, ROWS_AT_ONCE, predict_many_rows, predict_rows
from marketsentry.models.tree_text import MISSING_NONE, Tree, TreeText

MAX_LEVELS = 256
MANY_ROWS = 4_096  # milliseconds, in which other threads may run

Floats = NDArray[np.float64]
_ColumnKey = tuple[int, int, bool]  # feature, what it takes for missing, whether that goes left
_NEVER_MISSING: _ColumnKey = (0, MISSING_NONE, False)


@dataclass(frozen=True, slots=True)
class TreeWalk:
    """Trees laid out for the kernels: nodes of a tree breadth first, the two children of a node side by side.

    `covers` (n_nodes,): training rows of each node, as its leaves count them. `above` and `zeros` (n_nodes,): what the
    attributions need of the way to a node, see `kernels.tree_shap`; `n_points` (n_trees,): of their quadrature.
    `bounds` (n_trees + 1,): the roots and the end of the nodes. `base`: the mean prediction over the training rows,
    NaN where a tree counts none. `fewest` training rows of a node; most `levels` and nodes, `largest`, of a tree.
    """

    n_features: int
    columns: NDArray[np.void]
    nodes: NDArray[np.void]
    values: Floats
    covers: Floats
    roots: NDArray[np.int64]
    depths: NDArray[np.int64]
    above: NDArray[np.int64]
    zeros: Floats
    n_points: NDArray[np.int64]
    bounds: NDArray[np.int64]
    base: float
    fewest: float
    levels: int
    largest: int

    @classmethod
    def of(cls, text: TreeText) -> Self:
        """Lay out the trees of a text model."""
        keys: dict[_ColumnKey, int] = {_NEVER_MISSING: 0}  # what leaves look at
        parts = [_lay_out(tree, keys) for tree in text.trees]
        roots = np.cumsum([0, *(part.nodes.size for part in parts)])[:-1].astype(np.int64)
        for root, part in zip(roots, parts, strict=True):
            part.nodes["left"] += np.uint32(root)
        columns = np.zeros(len(keys), dtype=COLUMN)
        for (feature, missing, goes_left), index in keys.items():
            columns[index] = (feature, missing, -np.inf if goes_left else np.nan)
        nodes = np.concatenate([part.nodes for part in parts])
        values = np.concatenate([part.values for part in parts])
        covers = np.concatenate([part.covers for part in parts])
        above, zeros = np.empty(nodes.size, dtype=np.int64), np.empty(nodes.size)
        widest = np.empty(roots.size, dtype=np.int64)
        lay_out_paths(columns, nodes, covers, roots, np.empty_like(above), above, zeros, widest)
        return cls(
            n_features=text.n_features,
            columns=columns,
            nodes=nodes,
            values=values,
            covers=covers,
            roots=roots,
            depths=np.array([part.depth for part in parts], dtype=np.int64),
            n_points=np.maximum(1, (widest + 1) // 2),
            bounds=np.append(roots, nodes.size),
            above=above,
            zeros=zeros,
            base=_base(nodes, values, covers, roots),
            fewest=float(covers.min()),
            levels=1 + max(part.depth for part in parts),
            largest=max(part.nodes.size for part in parts),
        )

    def predict(self, X: Floats) -> Floats:
        """Sum the leaves of every row.

        Parameters
        ----------
        X
            Shape (n, F). NaN = missing.

        Returns
        -------
        ndarray of shape (n,)

        Raises
        ------
        InputError
            If `X` has another number of columns.
        """
        rows = checked_rows(X, self.n_features)
        out = np.empty(rows.shape[0])
        clean = np.empty((ROWS_AT_ONCE, self.columns.size))
        walk = predict_rows if rows.shape[0] < MANY_ROWS else predict_many_rows
        walk(rows, self.columns, self.nodes, self.values, self.roots, self.depths, clean, out)
        return out

    def contributions(self, X: Floats) -> Floats:
        """Attribute the prediction of every row to its features.

        Parameters
        ----------
        X
            Shape (n, F). NaN = missing.

        Returns
        -------
        ndarray of shape (n, F + 1)
            Shapley values of the path-dependent game; the last column is the mean prediction over the training rows.
            Rows sum to the prediction, but for rounding.

        Raises
        ------
        InputError
            If `X` has another number of columns, a leaf of a tree counts no training row, or a tree is deeper than
            `MAX_LEVELS`.
        """
        rows = checked_rows(X, self.n_features)
        if not self.fewest >= 1:
            raise InputError("trees are explained by their training rows, but a leaf counts none")
        if self.levels > MAX_LEVELS:
            raise InputError(f"trees are explained up to {MAX_LEVELS} levels, one has {self.levels}")
        out = np.zeros((rows.shape[0], self.n_features + 1))
        most = int(self.n_points.max())
        add_contributions(
            rows,
            self.columns,
            self.nodes,
            self.values,
            self.above,
            self.zeros,
            self.bounds,
            self.n_points,
            _quadratures(most),
            np.empty(self.columns.size),
            np.empty(self.largest),
            np.empty((3, self.largest, most)),
            out,
        )
        out[:, -1] = self.base
        return out


@cache
def _quadratures(most: int) -> Floats:
    """Give places in 0..1 and weights, (most + 1, 2, most): those of n integrate degrees below 2 n exactly."""
    found = np.zeros((most + 1, 2, most))
    for n in range(1, most + 1):
        places, weights = np.polynomial.legendre.leggauss(n)
        found[n, :, :n] = (places + 1.0) / 2.0, weights / 2.0
    return found


def _base(nodes: NDArray[np.void], values: Floats, covers: Floats, roots: NDArray[np.int64]) -> float:
    rows = np.where(nodes["left"] == np.arange(nodes.size), covers, 0.0)
    with np.errstate(invalid="ignore"):
        return float((np.add.reduceat(rows * values, roots) / np.add.reduceat(rows, roots)).sum())


@dataclass(frozen=True, slots=True)
class _LaidOut:
    """One tree; children count from the root's place."""

    nodes: NDArray[np.void]
    values: Floats
    covers: Floats
    depth: int


def checked_rows(X: Floats, n_features: int) -> Floats:
    """Give the rows as the kernels want them; refuses another number of columns."""
    if X.ndim != 2 or X.shape[1] != n_features:
        raise InputError(f"X must have shape (n, {n_features}), was {X.shape}")
    return np.ascontiguousarray(X, dtype=np.float64)


def _lay_out(tree: Tree, keys: dict[_ColumnKey, int]) -> _LaidOut:
    n_leaves = tree.leaf_value.size
    nodes = np.zeros(2 * n_leaves - 1, dtype=NODE)
    values, covers = np.zeros(nodes.size), np.zeros(nodes.size)
    todo = deque([(0 if n_leaves > 1 else -1, 0, 0)])  # child as in the text, its place, its depth
    n_placed, depth = 1, 0
    while todo:
        child, place, depth = todo.popleft()
        if child < 0:
            nodes[place] = (np.inf, 0, place)
            values[place] = tree.leaf_value[-1 - child]
            covers[place] = tree.leaf_rows[-1 - child]
            continue
        key = (int(tree.feature[child]), int(tree.missing[child]), bool(tree.default_left[child]))
        nodes[place] = (tree.threshold[child], keys.setdefault(key, len(keys)), n_placed)
        left, right = int(tree.left[child]), int(tree.right[child])
        todo += ((left, n_placed, depth + 1), (right, n_placed + 1, depth + 1))
        n_placed += 2
    for place in range(nodes.size - 1, -1, -1):  # children stand behind their parent
        left_place = int(nodes["left"][place])
        if left_place != place:
            covers[place] = covers[left_place] + covers[left_place + 1]
    return _LaidOut(nodes, values, covers, depth)
