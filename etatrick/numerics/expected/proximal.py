"""Penalties with a kink at 0: proximal quasi-Newton steps on a working set of columns, each a weighted lasso."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.bound import duality_gap
from etatrick.numerics.expected.descent import HALVINGS, ROUNDING
from etatrick.numerics.expected.penalised import Penalised

FIRST: Final = 40
INNER: Final = 1e-13


class ProximalDescent:
    r"""Minimise E ℓ + λΩ: w moves to the minimiser of g·δ + ½δᵀHδ + λΩ(w+δ), found by :mod:`..working_set`.

    H starts as the Hessian by second moments and takes BFGS updates. With more columns than rows only those join it
    whose coefficients are not 0 or whose gradients exceed the kink most, so that no d × d matrix is formed.

    Examples
    --------
    >>> from etatrick.numerics.expected.charges import charge_of
    >>> from etatrick.numerics.expected.objective import objective_for
    >>> from etatrick.numerics.expected.perturbation import posed
    >>> from etatrick.theory import penalties
    >>> from etatrick.theory.noise import Bernoulli
    >>> goal = objective_for(posed([[1.0]], [3.0], Bernoulli(1, 0.5), "squared"))
    >>> descent = ProximalDescent(Penalised(goal, charge_of(penalties["l1"](k=1), 1.0)), np.zeros(1))
    >>> descent.advance(), descent.point.round(12).tolist()  # 2w = 3 − 1
    (True, [1.0])
    """

    def __init__(self, goal: Penalised, start: Floats) -> None:
        self.goal, self.point, self.iterations = goal, start, 0
        self.loss, self.pull = self._gradient(start)
        self.columns = self._chosen()
        self.hessian = self._fresh()
        self.updates = 0

    @property
    def value(self) -> float:
        """The penalised expected loss."""
        return self.loss + self.goal.charge.total(self.goal.coef(self.point))

    @property
    def residual(self) -> float:
        """The largest distance from optimality."""
        return float(self.goal.violation(self.point, self.pull).max())

    @property
    def gap(self) -> float:
        """A proved bound on the suboptimality."""
        return duality_gap(self.goal, self.point, self.loss, self.pull.reshape(self.goal.shape))

    def advance(self) -> bool:
        """Take one step; return whether the objective or the residual decreased."""
        distances = self.goal.violation(self.point, self.pull)
        if float(distances[self._kept()].max()) < 0.1 * float(distances.max()):
            self.columns, self.updates = self._chosen(), 0
            self.hessian = self._fresh()
        target = self._target()
        step = target - self.point
        inside = step[self._kept()]
        # the model's minimiser lowers g·δ + λΩ by at least δᵀHδ, which no rounding hides
        fall = -float(inside @ self.hessian @ inside)
        if not fall < 0:
            return self._renewed()
        before, slack, size = self.value, ROUNDING * abs(self.value), 1.0
        for _ in range(HALVINGS):
            # a full step lands on exact zeros
            point = target if size == 1.0 else self.point + size * step
            if self.goal.value(point) <= before + 1e-4 * size * fall + slack:
                break
            size *= 0.5
        else:
            return self._renewed()
        loss, pull = self._gradient(point)
        worst = float(self.goal.violation(point, pull).max())
        value = loss + self.goal.charge.total(self.goal.coef(point))
        if value > before - slack and worst >= float(distances.max()):
            return self._renewed()
        self._learn((point - self.point)[self._kept()], (pull - self.pull)[self._kept()])
        self.point, self.loss, self.pull, self.iterations = point, loss, pull, self.iterations + 1
        return True

    def _target(self) -> Floats:
        """Return the minimiser of the quadratic model, the intercept eliminated from it."""
        from etatrick.numerics.working_set import fit

        here, pull, m = self.point[self._kept()], self.pull[self._kept()], len(self.columns) * self._classes
        H, border, corner = self.hessian[:m, :m], self.hessian[:m, m:], self.hessian[m:, m:]
        back = np.linalg.solve(corner, np.column_stack((border.T, pull[m:]))) if len(corner) else np.zeros((0, m + 1))
        root = square_root(H - border @ back[:, :m])
        slope = pull[:m] - border @ back[:, m]
        penalty, lam = self.goal.charge.penalty, self.goal.charge.lam
        aim = root.T @ here[:m] - np.linalg.solve(root, slope)
        found: Any = fit(root.T, aim, penalty, lam, start=here[:m], tol=INNER)
        step = found.coef - here[:m]
        target = self.point.copy()
        target[self._kept()] = np.concatenate((found.coef, here[m:] - back[:, m] - back[:, :m] @ step))
        return target

    def _gradient(self, point: Floats) -> tuple[float, Floats]:
        loss, pull = self.goal.goal.gradient(point.reshape(self.goal.shape))
        return loss, pull.ravel()

    @property
    def _classes(self) -> int:
        return int(np.prod(self.goal.shape[1:]))

    def _kept(self) -> NDArray[np.intp]:
        """Return the places of the chosen columns' parameters, and of the clean ones', among all."""
        rows = np.concatenate((self.columns, np.arange(len(self.goal.coef(self.point)), self.goal.shape[0])))
        return np.asarray((rows[:, None] * self._classes + np.arange(self._classes)).ravel(), dtype=np.intp)

    def _chosen(self) -> NDArray[np.intp]:
        """Return the columns to work on: all, or with more columns than rows the support and as many violators."""
        n, d = self.goal.goal.data.X.shape
        if d <= max(n, FIRST):
            return np.arange(d)
        used = (self.goal.coef(self.point).reshape(d, -1) != 0).any(axis=1)
        distances = self.goal.violation(self.point, self.pull).reshape(self.goal.shape[0], -1)[:d].max(axis=1)
        worst = np.where(used, 0.0, distances)
        room = min(max(FIRST, int(used.sum())), int(np.count_nonzero(worst)))
        return np.sort(np.concatenate((np.flatnonzero(used), np.argsort(-worst)[:room])))

    def _fresh(self) -> Floats:
        found = self.goal.goal.hessian(self.point.reshape(self.goal.shape), self.columns)
        floor = 1e-13 * max(float(np.diag(found).max()), 1e-300)
        return found + floor * np.eye(len(found))

    def _learn(self, change: Floats, turn: Floats) -> None:
        """Update H so that it maps the change to the turn of the gradient (BFGS)."""
        bend = float(change @ turn)
        if bend <= 1e-12 * float(np.linalg.norm(change) * np.linalg.norm(turn)):
            return
        moved = self.hessian @ change
        self.hessian = self.hessian + np.outer(turn, turn) / bend - np.outer(moved, moved) / float(change @ moved)
        self.updates += 1

    def _renewed(self) -> bool:
        """Forget the updates of H; return whether there were any."""
        had, self.updates = self.updates > 0, 0
        self.hessian = self._fresh()
        return had


def square_root(matrix: Floats) -> Floats:
    """Return an invertible S with SSᵀ = M up to rounding, also where M is singular to rounding.

    Examples
    --------
    >>> root = square_root(np.ones((2, 2)))
    >>> bool(np.abs(root @ root.T - 1).max() < 1e-12)
    True
    """
    try:
        found = np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)
    except np.linalg.LinAlgError:
        levels, axes = np.linalg.eigh(matrix)
        kept = np.sqrt(np.maximum(levels, 1e-13 * max(float(levels[-1]), 1e-300)))
        found = np.asarray(axes * kept, dtype=np.float64)
    return found
