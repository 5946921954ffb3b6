"""TreeSHAP: what each feature of a row did to the sum of the trees, as Shapley values.

The game of a tree: features of a coalition take the row's way, at all other splits the tree goes both ways in the
proportion of its training rows. The walk carries a path of the distinct features above a node, with the share of
coalitions of each size (algorithm 2 of Lundberg et al. (2020), "From local explanations to global understanding with
explainable AI for trees", Nature Machine Intelligence 2, 56-67). Depth first, without recursion: a node at level l
extends row l of the scratch, and the row of its parent stands until both children are done.
"""

import numpy as np

from marketsentry.kernels.compiling import inlined, kernel
from marketsentry.kernels.trees import clean_row

# Fields of a path (levels, PATH_FIELDS, levels + 1).
FEATURE = 0
ZERO = 1  # share of training rows that go on where the feature is not in the coalition
ONE = 2  # 1 if the row goes on where it is, else 0
WEIGHT = 3  # by place: of coalitions that hold as many of the path's features
PATH_FIELDS = 4

# Entries of the stack of nodes to visit (levels, STACK_FIELDS).
NODE_AT = 0
LEVEL = 1
N_ABOVE = 2  # entries of the parent's path
ENTRY = 3  # feature, zero and one of the split that leads here
STACK_FIELDS = 6

_NO_FEATURE = -1.0


@kernel
def add_contributions(
    X: np.ndarray,
    columns: np.ndarray,
    nodes: np.ndarray,
    values: np.ndarray,
    covers: np.ndarray,
    roots: np.ndarray,
    clean: np.ndarray,
    paths: np.ndarray,
    stack: np.ndarray,
    inverse: np.ndarray,
    out: np.ndarray,
) -> None:
    """Add to `out` (n, F + 1) the contributions of every row of `X` (n, F); the last column is not touched.

    `nodes`, `values`, `covers` (n_nodes,), the last the training rows of each node, all >= 1. `clean` (n_columns,),
    `paths` (levels, PATH_FIELDS, levels + 1) and `stack` (levels + 1, STACK_FIELDS) are scratch for trees of at most
    so many levels. `inverse` (levels + 2,) holds the inverses of its indexes.
    """
    for i in range(X.shape[0]):
        clean_row(X[i], columns, clean)
        for tree in range(roots.shape[0]):
            _add_tree(roots[tree], columns, nodes, values, covers, clean, paths, stack, inverse, out[i])


@inlined
def _add_tree(
    root: int,
    columns: np.ndarray,
    nodes: np.ndarray,
    values: np.ndarray,
    covers: np.ndarray,
    clean: np.ndarray,
    paths: np.ndarray,
    stack: np.ndarray,
    inverse: np.ndarray,
    out: np.ndarray,
) -> None:
    n_left = 0
    n_left = _push(stack, n_left, root, 0, 0, _NO_FEATURE, 1.0, 1.0)
    while n_left > 0:
        n_left -= 1
        node, level, n = int(stack[n_left, NODE_AT]), int(stack[n_left, LEVEL]), int(stack[n_left, N_ABOVE])
        path = paths[level]
        for field in range(PATH_FIELDS):
            for k in range(n):
                path[field, k] = paths[level - 1, field, k]
        _extend(path, n, stack[n_left, ENTRY], stack[n_left, ENTRY + 1], stack[n_left, ENTRY + 2], inverse)
        left = int(nodes[node].left)
        if left == node:
            _add_leaf(path, n, values[node], inverse, out)
            continue
        feature = float(columns[nodes[node].column].feature)
        zero, one, n_above = 1.0, 1.0, n + 1
        for k in range(1, n + 1):
            if path[FEATURE, k] == feature:
                zero, one, n_above = path[ZERO, k], path[ONE, k], n
                _unwind(path, n, k, inverse)
                break
        goes_right = not clean[nodes[node].column] <= nodes[node].threshold
        hot, cold = left + int(goes_right), left + int(not goes_right)
        n_left = _push(
            stack, n_left, cold, level + 1, n_above, feature, zero * covers[cold] / covers[node], 0.0
        )
        n_left = _push(
            stack, n_left, hot, level + 1, n_above, feature, zero * covers[hot] / covers[node], one
        )


@inlined
def _push(
    stack: np.ndarray, at: int, node: int, level: int, n_above: int, feature: float, zero: float, one: float
) -> int:
    stack[at, NODE_AT], stack[at, LEVEL], stack[at, N_ABOVE] = node, level, n_above
    stack[at, ENTRY], stack[at, ENTRY + 1], stack[at, ENTRY + 2] = feature, zero, one
    return at + 1


@inlined
def _extend(path: np.ndarray, n: int, feature: float, zero: float, one: float, inverse: np.ndarray) -> None:
    """Put entry `n` on the path: each coalition without the feature and with it."""
    path[FEATURE, n], path[ZERO, n], path[ONE, n] = feature, zero, one
    path[WEIGHT, n] = 1.0 if n == 0 else 0.0
    each = inverse[n + 1]
    for i in range(n - 1, -1, -1):
        weight = path[WEIGHT, i] * each
        path[WEIGHT, i + 1] += one * weight * (i + 1)
        path[WEIGHT, i] = zero * weight * (n - i)


@inlined
def _unwind(path: np.ndarray, n: int, k: int, inverse: np.ndarray) -> None:
    """Take entry `k` off a path of entries 0 to `n`: the inverse of `_extend`, which commutes."""
    zero, following = path[ZERO, k], path[WEIGHT, n]
    if path[ONE, k] == 0.0:
        for i in range(n):
            path[WEIGHT, i] *= (n + 1) * inverse[n - i] / zero
    else:
        for i in range(n - 1, -1, -1):
            before = path[WEIGHT, i]
            path[WEIGHT, i] = following * ((n + 1) * inverse[i + 1])
            following = before - following * (zero * ((n - i) * inverse[i + 1]))
    for i in range(k, n):
        path[FEATURE, i], path[ZERO, i], path[ONE, i] = (
            path[FEATURE, i + 1],
            path[ZERO, i + 1],
            path[ONE, i + 1],
        )


@inlined
def _add_leaf(path: np.ndarray, n: int, value: float, inverse: np.ndarray, out: np.ndarray) -> None:
    """Give each entry 1 to `n` its part of a leaf: the sum of weights without it, times one less zero, times value.

    Where one is 0 the sum has the factor 1 / zero, which cancels: all such entries get the same.
    """
    without = 0.0
    for i in range(n):
        without += path[WEIGHT, i] * (n + 1) * inverse[n - i]
    for k in range(1, n + 1):
        if path[ONE, k] == 0.0:
            out[int(path[FEATURE, k])] -= without * value
            continue
        zero, following, total = path[ZERO, k], path[WEIGHT, n], 0.0
        for i in range(n - 1, -1, -1):
            total += following * inverse[i + 1]
            following = path[WEIGHT, i] - following * (zero * ((n - i) * inverse[i + 1]))
        out[int(path[FEATURE, k])] += total * (n + 1) * (1.0 - zero) * value
