"""An expected loss with a penalty: value, gradient, metric and distance from optimality over flat parameters."""

from dataclasses import dataclass
from typing import final

import numpy as np

from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.charges import Charge
from etatrick.numerics.expected.metric import Metric
from etatrick.numerics.expected.objective import Objective


@final
@dataclass(frozen=True, eq=False)
class Penalised:
    """The expected loss plus λΩ(w), over parameters laid flat.

    Examples
    --------
    >>> from etatrick.numerics.expected.charges import charge_of
    >>> from etatrick.numerics.expected.objective import objective_for
    >>> from etatrick.numerics.expected.perturbation import posed
    >>> from etatrick.theory import penalties
    >>> from etatrick.theory.noise import Bernoulli
    >>> goal = objective_for(posed([[1.0]], [2.0], Bernoulli(1, 0.5), "squared"))
    >>> Penalised(goal, charge_of(penalties["ridge"](c=1), 1.0)).value(np.array([1.0]))
    1.5
    """

    goal: Objective
    charge: Charge

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameters."""
        return self.goal.data.shape

    def coef(self, flat: Floats) -> Floats:
        """Return w, shape (d,) or (d, classes)."""
        return flat.reshape(self.shape)[: self.goal.data.X.shape[1]]

    def value(self, flat: Floats) -> float:
        """Return the penalised expected loss."""
        return self.goal.value(flat.reshape(self.shape)) + self.charge.total(self.coef(flat))

    def gradient(self, flat: Floats) -> tuple[float, Floats]:
        """Return it with its gradient, where Ω is smooth."""
        value, gradient = self.goal.gradient(flat.reshape(self.shape))
        w = self.coef(flat)
        gradient[: len(w)] += self.charge.slope(w)
        return value + self.charge.total(w), gradient.ravel()

    def metric(self, flat: Floats) -> Metric:
        """Return an approximate Hessian."""
        bend = self.charge.curvature(self.coef(flat))
        return self.goal.metric(flat.reshape(self.shape), bend if bend.ndim == 1 else bend.mean(axis=1))

    def violation(self, flat: Floats, pull: Floats) -> Floats:
        """Return how far each parameter is from optimality, given the gradient `pull` of the loss alone."""
        w, rest = self.coef(flat), pull.reshape(self.shape)
        return np.concatenate((self.charge.violation(w, rest[: len(w)]).ravel(), np.abs(rest[len(w) :]).ravel()))
