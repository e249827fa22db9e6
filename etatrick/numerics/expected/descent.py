"""Smooth descent: L-BFGS steps with the Hessian by second moments as metric, and a backtracking line search."""

from collections import deque
from typing import Final

import numpy as np

from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.bound import duality_gap
from etatrick.numerics.expected.metric import Metric
from etatrick.numerics.expected.penalised import Penalised

MEMORY: Final = 40
ROUNDING: Final = 4e-15
HALVINGS: Final = 50


class Descent:
    """L-BFGS whose initial Hessian is renewed every few steps.

    Examples
    --------
    >>> from etatrick.numerics.expected.charges import charge_of
    >>> from etatrick.numerics.expected.objective import objective_for
    >>> from etatrick.numerics.expected.perturbation import posed
    >>> from etatrick.theory.noise import Bernoulli
    >>> goal = objective_for(posed([[1.0]], [2.0], Bernoulli(1, 0.5), "squared"))
    >>> descent = Descent(Penalised(goal, charge_of(None, 0.0)), np.zeros(1))
    >>> descent.advance(), descent.point.tolist()
    (True, [1.0])
    """

    def __init__(self, goal: Penalised, start: Floats) -> None:
        self.goal, self.point, self.iterations = goal, start, 0
        self.value, self.gradient = goal.gradient(start)
        self.metric: Metric = goal.metric(start)
        self.pairs: deque[tuple[Floats, Floats]] = deque(maxlen=MEMORY)

    @property
    def residual(self) -> float:
        """Largest entry of the gradient."""
        return float(np.abs(self.gradient).max())

    @property
    def gap(self) -> float:
        """A proved bound on the suboptimality; infinite without a penalty."""
        w, pull = self.goal.coef(self.point), self.gradient.reshape(self.goal.shape).copy()
        pull[: len(w)] -= self.goal.charge.slope(w)
        return duality_gap(self.goal, self.point, self.value - self.goal.charge.total(w), pull)

    def advance(self) -> bool:
        """Take one step; return whether the objective or the gradient decreased."""
        step = -self._inverse_times(self.gradient)
        slope = float(self.gradient @ step)
        if slope >= 0 or not np.isfinite(slope):
            return self._renewed()
        slack, size = ROUNDING * abs(self.value), 1.0
        for _ in range(HALVINGS):
            point = self.point + size * step
            value = self.goal.value(point)
            if value <= self.value + 1e-4 * size * slope + slack:
                break
            size *= 0.5
        else:
            return self._renewed()
        value, gradient = self.goal.gradient(point)
        if value > self.value - slack and np.abs(gradient).max() >= np.abs(self.gradient).max():
            return self._renewed()
        change, turn = point - self.point, gradient - self.gradient
        if change @ turn > 1e-14 * np.linalg.norm(change) * np.linalg.norm(turn):
            self.pairs.append((change, turn))
        self.point, self.value, self.gradient, self.iterations = point, value, gradient, self.iterations + 1
        if self.iterations in (2, 5, 10, 20, 40):
            self.metric = self.goal.metric(point)
        return True

    def _renewed(self) -> bool:
        """Forget the curvature gathered so far; return whether there was any."""
        had = bool(self.pairs)
        self.pairs.clear()
        self.metric = self.goal.metric(self.point)
        return had

    def _inverse_times(self, gradient: Floats) -> Floats:
        found, weights = gradient.copy(), []
        for change, turn in reversed(self.pairs):
            weights.append(float(change @ found) / float(change @ turn))
            found -= weights[-1] * turn
        found = self.metric.solve(found)
        for (change, turn), weight in zip(self.pairs, reversed(weights), strict=True):
            found += (weight - float(turn @ found) / float(change @ turn)) * change
        return found
