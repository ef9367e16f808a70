"""How likely chance alone makes two rows of a table print the same figures, by the density of the table's own figures.

Around each row its nearest others tell how many rows lie in how wide an area, and so how many would lie on its very
figures. Where a table has many rows close together, equal ones are no news; where they are far apart, they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]

#: Different figures that a table needs before their density means anything: two neighbours of a row and one beyond.
ENOUGH = 4
#: Degree of the curve by which top-5 follows top-1 in a table, where there are figures enough for it.
_CURVE = 2


def expected_pairs(figures: Sequence[Sequence[float]], cells: Sequence[float]) -> tuple[list[float], list[int]]:
    """For each row, the pairs that chance makes equal in it or where figures are as sparse as there, or sparser; and
    for each different figure, in the order of the rows, the row whose different figures are nearest.

    `figures`: of each row one or two; `cells`: of each figure the least by which two can differ. The first is 1 for
    every row of a table that is too small to tell.
    """
    points = np.asarray(figures, np.float64)
    different, first, where = np.unique(points, axis=0, return_index=True, return_inverse=True)
    if len(different) < ENOUGH:
        return [1.0] * len(points), []
    flat, scale = _flat(different)
    dimensions = flat.shape[1]
    neighbours = max(2, round(len(flat) ** 0.5))
    # the row itself is the nearest; the last neighbour bounds the area and is not in it
    found, others = cKDTree(flat).query(flat, k=min(neighbours + 1, len(flat)))
    distances = found[:, -1]
    area = (2.0 if dimensions == 1 else np.pi) * distances**dimensions
    cell = float(np.prod(np.asarray(cells) / scale))
    equal = min(neighbours, len(flat) - 1) * cell / np.maximum(area, cell)
    equal = equal[np.ravel(where)]
    order = np.argsort(equal, kind="stable")
    pairs = np.empty(len(equal))
    pairs[order] = np.cumsum(equal[order]) / 2
    # rows that are as sparse have the same figure
    last = np.searchsorted(equal[order], equal, side="right") - 1
    nearest = np.argsort(np.argsort(first))[others[:, 1]][np.argsort(first)]
    return [float(one) for one in pairs[order][last]], [int(one) for one in nearest]


def _flat(points: Floats) -> tuple[Floats, Floats]:
    """The points with the second figure as its distance from the curve by which it follows the first; and their scale.

    Both in units of their spread, so that a neighbour in one counts as much as in the other.
    """
    flat = points.copy()
    if points.shape[1] == 2:
        centred = points[:, 0] - points[:, 0].mean()
        degree = min(_CURVE, len(points) // ENOUGH)
        flat[:, 1] -= np.polynomial.Polynomial.fit(centred, points[:, 1], degree)(centred)
    scale = flat.std(axis=0)
    scale[scale == 0] = 1.0
    return flat / scale, scale
