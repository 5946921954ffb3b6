"""TreeSHAP: what each feature of a row did to the sum of the trees, as Shapley values.

The game of a tree: features of a coalition take the row's way, at all other splits the tree goes both ways in the
proportion of its training rows. Of the D distinct features on the way to a leaf, feature i has ``zero_i``, the share of
training rows that go on where it is not in the coalition, and ``one_i``, 1 if the row goes on where it is, else 0. The
weight of a coalition of s other features is ``s! (D - 1 - s)! / D!``, the integral of ``t^s (1 - t)^(D - 1 - s)`` over
0..1, so the part of a leaf is

    value * (one_i - zero_i) * integral of the product over j != i of (zero_j (1 - t) + one_j t)

Gauss-Legendre points give that integral exactly: of degree D - 1 it needs D / 2 of them. Products are made on the way
down a tree, sums over leaves on the way up, and no coalition is ever counted (in the spirit of Yu et al. (2022),
"Linear TreeShap", and without the division by differences that makes counting lose digits). Where a feature splits
again further down, its factor there takes the place of the one above, and what the one above was credited with for
those leaves is taken off.
"""

import numpy as np

from marketsentry.kernels.compiling import inlined, kernel
from marketsentry.kernels.trees import clean_row


@kernel
def lay_out_paths(
    columns: np.ndarray,
    nodes: np.ndarray,
    covers: np.ndarray,
    roots: np.ndarray,
    parents: np.ndarray,
    above: np.ndarray,
    zeros: np.ndarray,
    widest: np.ndarray,
) -> None:
    """Find for each node what the way to it holds.

    Writes `widest` (n_trees,): the most distinct features on a way of each tree; `above` (n_nodes,): the nearest node
    above that another split of the same feature leads to, -1 without one; and `zeros` (n_nodes,): the share of training
    rows that all splits of that feature on the way let through.
    `parents` (n_nodes,) is scratch. Parents stand before their children.
    """
    tree = -1
    for node in range(nodes.shape[0]):
        if tree + 1 < roots.shape[0] and node == roots[tree + 1]:
            tree += 1
            parents[node], above[node], zeros[node], widest[tree] = -1, -1, 1.0, 0
        left = int(nodes[node].left)
        if left == node:
            n_features, at = 0, node
            while parents[at] >= 0:
                n_features += int(above[at] < 0)
                at = parents[at]
            widest[tree] = max(widest[tree], n_features)
            continue
        feature = columns[nodes[node].column].feature
        at = node
        while parents[at] >= 0 and columns[nodes[parents[at]].column].feature != feature:
            at = parents[at]
        same = at if parents[at] >= 0 else -1
        for child in range(left, left + 2):
            parents[child] = node
            above[child] = same
            zeros[child] = covers[child] / covers[node] * (zeros[same] if same >= 0 else 1.0)


@kernel
def add_contributions(
    X: np.ndarray,
    columns: np.ndarray,
    nodes: np.ndarray,
    values: np.ndarray,
    above: np.ndarray,
    zeros: np.ndarray,
    bounds: np.ndarray,
    n_points: np.ndarray,
    points: np.ndarray,
    clean: np.ndarray,
    ones: np.ndarray,
    scratch: np.ndarray,
    out: np.ndarray,
) -> None:
    """Add to `out` (n, F + 1) the contributions of every row of `X` (n, F); the last column is not touched.

    `nodes`, `values`, `above`, `zeros` (n_nodes,); `bounds` (n_trees + 1,) are the roots and the end of the nodes;
    `n_points` (n_trees,) are the points that a tree needs, `points` (G + 1, 2, G) by their number the places in 0..1
    and the weights of the quadrature. Scratch for the largest tree: `clean`
    (n_columns,), `ones` (n,), `scratch` (3, n, G).
    """
    for i in range(X.shape[0]):
        clean_row(X[i], columns, clean)
        for tree in range(bounds.shape[0] - 1):
            root, stop = bounds[tree], bounds[tree + 1]
            used = points[n_points[tree], :, : n_points[tree]]
            _go_down(root, stop, columns, nodes, above, zeros, used, clean, ones, scratch)
            _come_up(root, stop, columns, nodes, values, above, zeros, used, ones, scratch, out[i])


@inlined
def _go_down(
    root: int,
    stop: int,
    columns: np.ndarray,
    nodes: np.ndarray,
    above: np.ndarray,
    zeros: np.ndarray,
    points: np.ndarray,
    clean: np.ndarray,
    ones: np.ndarray,
    scratch: np.ndarray,
) -> None:
    """Write of each node the inverse of its own factor, scratch 0, and the product of all on its way, scratch 1."""
    inverse, product = scratch[0], scratch[1]
    ones[0] = 1.0
    for g in range(points.shape[1]):
        product[0, g] = 1.0
    for node in range(root, stop):
        left = int(nodes[node].left)
        if left == node:
            continue
        hot = left + int(not clean[nodes[node].column] <= nodes[node].threshold)
        for child in range(left, left + 2):
            at, same = child - root, above[child] - root
            one = 1.0 if child == hot else 0.0
            zero = zeros[child]
            if above[child] < 0:
                for g in range(points.shape[1]):
                    factor = zero * (1.0 - points[0, g]) + one * points[0, g]
                    inverse[at, g] = 1.0 / factor
                    product[at, g] = product[node - root, g] * factor
            else:
                one *= ones[same]
                for g in range(points.shape[1]):
                    factor = zero * (1.0 - points[0, g]) + one * points[0, g]
                    inverse[at, g] = 1.0 / factor
                    product[at, g] = product[node - root, g] * inverse[same, g] * factor
            ones[at] = one


@inlined
def _come_up(
    root: int,
    stop: int,
    columns: np.ndarray,
    nodes: np.ndarray,
    values: np.ndarray,
    above: np.ndarray,
    zeros: np.ndarray,
    points: np.ndarray,
    ones: np.ndarray,
    scratch: np.ndarray,
    out: np.ndarray,
) -> None:
    """Sum the leaves below each node, scratch 2, and credit the splits that lead to them."""
    inverse, product, below = scratch[0], scratch[1], scratch[2]
    for node in range(stop - 1, root - 1, -1):
        here, left = node - root, int(nodes[node].left)
        if left == node:
            for g in range(points.shape[1]):
                below[here, g] = values[node] * product[here, g]
            continue
        a, b = left - root, left + 1 - root
        to_left, to_right, total = 0.0, 0.0, 0.0
        for g in range(points.shape[1]):
            to_left += points[1, g] * below[a, g] * inverse[a, g]
            to_right += points[1, g] * below[b, g] * inverse[b, g]
            below[here, g] = below[a, g] + below[b, g]
        total = (ones[a] - zeros[left]) * to_left + (ones[b] - zeros[left + 1]) * to_right
        if above[left] >= 0:
            same, credited = above[left] - root, 0.0
            for g in range(points.shape[1]):
                credited += points[1, g] * below[here, g] * inverse[same, g]
            total -= (ones[same] - zeros[above[left]]) * credited
        out[columns[nodes[node].column].feature] += total
