"""A Gram matrix that grows with the working set, and the columns it was made from."""

from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.working_set.factors import Factor
from etatrick.numerics.working_set.primal_dual import Point, charge_on
from etatrick.numerics.working_set.wide import WideSystem

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from etatrick.numerics.working_set.design import Design
    from etatrick.numerics.working_set.follower import Follower
    from etatrick.numerics.working_set.task import Task

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]


BLOCK = 512  # columns at a time where they are no members


@final
class GrownGram:
    """Columns of X centred and scaled by the roots of the weights, and their Gram matrix, as far as asked for.

    This is the one mutable object of the engine: a cache that only ever grows.

    Parameters
    ----------
    design : Design
    root : ndarray, shape (n,)
        √v.
    mean : ndarray, shape (d,)
        What is subtracted from the columns: the weighted means, or 0 without an intercept.
    """

    def __init__(self, design: "Design", root: "Floats", mean: "Floats") -> None:
        self.design, self.root, self.mean = design, root, mean
        self.plain, self.centred = bool((root == 1).all()), bool(mean.any())
        self.members: Indices = np.zeros(0, dtype=np.intp)
        self.position = np.full(design.shape[1], -1, dtype=np.intp)
        self.trail: list[tuple[float, Point]] = []  # the last two solutions and their λ
        self.line: Follower | None = None  # the lasso's solution as far as it was followed
        n, d = design.shape
        self.limit = d if d <= n else max(n, min(2 * n, d // 2))  # never a d × d matrix where d > n
        self._wide: WideSystem | None = None
        self._factor = Factor(self._between)
        self._columns = np.zeros((design.shape[0], 0), order="F")
        self._gram = np.zeros((0, 0))

    @property
    def columns(self) -> "Floats":
        """The columns of the members, shape (n, m)."""
        return self._columns[:, : len(self.members)]

    @property
    def gram(self) -> "Floats":
        """Their Gram matrix, shape (m, m)."""
        m = len(self.members)
        return self._gram[:m, :m]

    def block(self, chosen: "Indices", ridge: float) -> "Floats":
        """Return the Gram matrix of some members with `ridge` added to its diagonal, shape (k, k), a copy."""
        where = self.position[chosen]
        found = self._gram[where[:, None], where]
        if ridge:
            found.flat[:: len(chosen) + 1] += ridge
        return found

    def solve(self, active: "Indices", ridge: float, b: "Floats") -> "Floats | None":
        """Return the solution of the equations that `block` gives, None where they are singular."""
        if len(active) > self.limit:
            if self._wide is None:
                self._wide = WideSystem(self.design, self.root, self.mean)
            return self._wide.solve(active, ridge, b)
        return self._factor.solve(active, ridge, b)

    def _between(self, rows: "Indices", columns: "Indices", ridge: float) -> "Floats":
        if rows is columns:
            return self.block(rows, ridge)
        return self._gram[self.position[rows][:, None], self.position[columns]]

    def product(self, chosen: "Indices", values: "Floats") -> "Floats":
        """Return Σ_j x_j w_j over some members, with the weights' roots taken out again, shape (n,)."""
        m = len(self.members)
        if len(chosen) > self.limit:
            return self._product(chosen, values)
        if 2 * len(chosen) < m:
            found = values @ self._columns.T[self.position[chosen]]
        else:
            spread = np.zeros(m)
            spread[self.position[chosen]] = values
            found = self._columns[:, :m] @ spread
        return np.asarray(found if self.plain else found / np.where(self.root > 0, self.root, 1.0))

    def _product(self, chosen: "Indices", values: "Floats") -> "Floats":
        found = np.full(self.design.shape[0], -float(self.mean[chosen] @ values))
        for begin in range(0, len(chosen), BLOCK):
            found += self.design.columns(chosen[begin : begin + BLOCK]) @ values[begin : begin + BLOCK]
        return found

    def point(self, task: "Task", active: "Indices", values: "Floats") -> Point:
        """Return the point with these weights on these members, by a pass over X."""
        w = np.zeros(self.design.shape[1])
        w[active] = values
        theta = task.null[1] + self.product(active, values)
        residual = task.y - theta
        weighted = residual if self.plain else task.weights * residual
        objective = 0.5 * float(residual @ weighted) + charge_on(task, values)
        return Point(w, theta, self.design.correlate(weighted), objective)

    def row(self, ridge: float) -> "Callable[[int], Floats]":
        """Return j ↦ row j of the Gram matrix of all columns, with `ridge` added to its diagonal, by a pass over X."""

        def found(j: int) -> "Floats":
            column = self.design.columns(np.array([j]))[:, 0]
            if self.centred:
                column -= self.mean[j]
            if not self.plain:
                column *= self.root**2
            products = self.design.correlate(column)
            if self.centred:
                products -= self.mean * column.sum()
            products[j] += ridge
            return products

        return found

    def grow(self, wanted: "Indices") -> None:
        """Add the columns among `wanted` that are not members yet; where there are too many, the others go.

        More than the limit do not become members: their systems are solved in n dimensions.
        """
        new = wanted[self.position[wanted] < 0]
        if len(new) == 0 or len(wanted) > self.limit:
            return
        if len(self.members) + len(new) > self.limit:
            self._evict(wanted[self.position[wanted] >= 0])
        old, m = len(self.members), len(self.members) + len(new)
        self._reserve(m)
        part = self.design.columns(new)
        if self.centred:
            part -= self.mean[new]
        if not self.plain:
            part *= self.root[:, None]
        self._columns[:, old:m] = part
        cross = self._columns[:, :m].T @ part
        self._gram[:m, old:m] = cross
        self._gram[old:m, :old] = cross[:old].T
        self.position[new] = np.arange(old, m)
        self.members = np.concatenate([self.members, new])

    def _reserve(self, m: int) -> None:
        capacity = self._gram.shape[0]
        if m <= capacity:
            return
        capacity = min(max(2 * capacity, m, 64), self.limit)
        old = len(self.members)
        columns, gram = np.empty((self.design.shape[0], capacity), order="F"), np.empty((capacity, capacity))
        columns[:, :old], gram[:old, :old] = self.columns, self.gram
        self._columns, self._gram = columns, gram

    def _evict(self, kept: "Indices") -> None:
        where, m = self.position[kept], len(kept)
        self._columns[:, :m] = self._columns[:, where]
        self._gram[:m, :m] = self._gram[where[:, None], where]
        self.position[self.members] = -1
        self.position[kept] = np.arange(m)
        self.members = kept
        self._factor = Factor(self._between)
