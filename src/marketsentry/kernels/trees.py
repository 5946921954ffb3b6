"""The walk through gradient-boosted trees: each row through each tree, leaves summed in the order of the trees.

A node is a threshold, a column and where its left child stands; the right one follows it. A leaf is its own left
child under an infinite threshold (column 0 is never missing), so a walk may go on past it and several walks take their
steps together: each step waits for memory, and the processor does eight of them in the time of one. `clean_row` writes
a missing value as minus infinity where it goes left and as NaN where it goes right, so one comparison decides.
"""

import numpy as np

from marketsentry.kernels.compiling import inlined, interpreted, kernel, unlocked

NODE = np.dtype([("threshold", "f8"), ("column", "u4"), ("left", "u4")], align=True)
COLUMN = np.dtype([("feature", "u4"), ("missing", "u4"), ("filled", "f8")], align=True)
ROWS_AT_ONCE = 32  # cleaned rows of 60 features that fit the first-level cache beside a tree
WALKS = 8

ZERO_BOUND = float(np.float32(1e-35))  # LightGBM's kZeroThreshold: nothing that small is told from zero
_NONE, _ZERO = 0, 1


@inlined
def clean_row(row: np.ndarray, columns: np.ndarray, clean: np.ndarray) -> None:
    """Write a row as the splits see it: per column a feature with its rule for missing values applied."""
    for c in range(columns.shape[0]):
        value, rule = row[columns[c].feature], columns[c].missing
        if abs(value) <= ZERO_BOUND:
            value = 0.0
        if value != value and rule == _NONE:
            value = 0.0
        if value != value or (value == 0.0 and rule == _ZERO):
            value = columns[c].filled
        clean[c] = value


@inlined
def _step(nodes: np.ndarray, node: np.uint64, clean: np.ndarray) -> np.uint64:
    at = nodes[node]
    return np.uint64(at.left) + np.uint64(not clean[np.uint64(at.column)] <= at.threshold)


@kernel
def predict_rows(
    X: np.ndarray,
    columns: np.ndarray,
    nodes: np.ndarray,
    values: np.ndarray,
    roots: np.ndarray,
    depths: np.ndarray,
    clean: np.ndarray,
    out: np.ndarray,
) -> None:
    """Sum the leaves of every row of `X` (n, F) into `out` (n,).

    `nodes` and `values` (n_nodes,) of all trees, `roots` and `depths` (n_trees,). `clean` (ROWS_AT_ONCE, n_columns)
    is scratch.
    """
    n, done = X.shape[0], 0
    while n - done >= WALKS:
        n_rows = min((n - done) // WALKS * WALKS, ROWS_AT_ONCE)
        for i in range(n_rows):
            clean_row(X[done + i], columns, clean[i])
            out[done + i] = 0.0
        for tree in range(roots.shape[0]):
            root, depth = np.uint64(roots[tree]), depths[tree]
            for i in range(0, n_rows, WALKS):
                a = b = c = d = e = f = g = h = root
                for _ in range(depth):
                    a = _step(nodes, a, clean[i])
                    b = _step(nodes, b, clean[i + 1])
                    c = _step(nodes, c, clean[i + 2])
                    d = _step(nodes, d, clean[i + 3])
                    e = _step(nodes, e, clean[i + 4])
                    f = _step(nodes, f, clean[i + 5])
                    g = _step(nodes, g, clean[i + 6])
                    h = _step(nodes, h, clean[i + 7])
                out[done + i] += values[a]
                out[done + i + 1] += values[b]
                out[done + i + 2] += values[c]
                out[done + i + 3] += values[d]
                out[done + i + 4] += values[e]
                out[done + i + 5] += values[f]
                out[done + i + 6] += values[g]
                out[done + i + 7] += values[h]
        done += n_rows
    for i in range(done, n):
        clean_row(X[i], columns, clean[0])
        out[i] = _predict_row(clean[0], nodes, values, roots, depths)


predict_many_rows = unlocked(interpreted(predict_rows))


@inlined
def _predict_row(
    clean: np.ndarray, nodes: np.ndarray, values: np.ndarray, roots: np.ndarray, depths: np.ndarray
) -> float:
    """Sum the leaves of one row: it walks through several trees at once, and their leaves are added in order."""
    n, done, total = roots.shape[0], 0, 0.0
    while n - done >= WALKS:
        a, b = np.uint64(roots[done]), np.uint64(roots[done + 1])
        c, d = np.uint64(roots[done + 2]), np.uint64(roots[done + 3])
        e, f = np.uint64(roots[done + 4]), np.uint64(roots[done + 5])
        g, h = np.uint64(roots[done + 6]), np.uint64(roots[done + 7])
        depth = 0
        for tree in range(done, done + WALKS):
            depth = max(depth, depths[tree])
        for _ in range(depth):
            a, b = _step(nodes, a, clean), _step(nodes, b, clean)
            c, d = _step(nodes, c, clean), _step(nodes, d, clean)
            e, f = _step(nodes, e, clean), _step(nodes, f, clean)
            g, h = _step(nodes, g, clean), _step(nodes, h, clean)
        total = total + values[a] + values[b] + values[c] + values[d]
        total = total + values[e] + values[f] + values[g] + values[h]
        done += WALKS
    for tree in range(done, n):
        node = np.uint64(roots[tree])
        for _ in range(depths[tree]):
            node = _step(nodes, node, clean)
        total += values[node]
    return total
