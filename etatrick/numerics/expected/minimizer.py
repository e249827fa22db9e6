"""Minimising an expected loss: closed form for squared loss, preconditioned quasi-Newton steps for the others."""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.metric import Metric, metric_at
from etatrick.numerics.expected.objective import ExpectedObjective, finite_value
from etatrick.numerics.expected.perturbation import posed

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MEMORY: Final = 40
ROUNDING: Final = 4e-15
HALVINGS: Final = 50


class ExpectedLossStatus(Enum):
    """How a minimisation ended, in a sentence for the user."""

    OPTIMAL = "The gradient is zero to the tolerance asked for; the problem is convex, so this is a minimiser."
    UNBOUNDED = (
        "No minimiser was found: the expected loss keeps falling along the solution's own direction, as on separable "
        "data; add a penalty, or noise that flips the sign of some prediction."
    )
    STALLED = "Rounding stopped progress before the tolerance; the certificate says how close it came."
    LIMIT = "The iteration limit was reached; pass the solution as start= to go on, or loosen tol."


@final
@dataclass(frozen=True, eq=False)
class ExpectedLossSolution:
    """A minimiser of Σ_i E ℓ(y_i, Z_i), with what proves it, recomputed at the solution.

    Parameters
    ----------
    coef : ndarray, shape (d,)
    objective, regularizer : float
        The expected loss, and the part of it that the noise adds.
    gradient_norm, relative_gradient : float
        Largest entry of the gradient, and that divided by the largest entry at w = 0.
    decrement : float
        ½ gᵀH⁻¹g with H the Hessian by second moments, an estimate of the suboptimality; exact for squared loss.
    status : ExpectedLossStatus
    iterations : int
    """

    coef: Floats
    objective: float
    regularizer: float
    gradient_norm: float
    relative_gradient: float
    decrement: float
    status: ExpectedLossStatus
    iterations: int


def minimize_expected_loss(
    X: "ArrayLike",
    y: "ArrayLike",
    noise: Any,
    loss: Any = "squared",
    *,
    start: "ArrayLike | None" = None,
    tol: float = 1e-9,
    max_iter: int = 500,
) -> ExpectedLossSolution:
    r"""Minimise the exact expected loss over w.

    For squared loss and a recipe that is linear in w, w solves (XᵀX + ΞᵀΞ∘C̄)w = Xᵀy for any mask covariance. Other
    losses: quasi-Newton steps (L-BFGS) preconditioned by a Hessian of second moments.

    Parameters
    ----------
    X, y, noise, loss
        As in :func:`etatrick.numerics.expected.expected_loss`; the recipe must be linear in w.
    start : array_like of shape (d,), optional
        Where to begin; 0 by default.
    tol : float
        On the largest entry of the gradient, relative to that at w = 0.
    max_iter : int
        Steps allowed.

    Returns
    -------
    ExpectedLossSolution
        Its status says whether a minimiser was found; separable data can have none.

    Raises
    ------
    InputError
        For bad data, a recipe that is not linear in w (the problem need not be convex), or noise that could only be
        enumerated and has too many outcomes.

    Examples
    --------
    >>> from etatrick.theory.noise import Bernoulli
    >>> found = minimize_expected_loss([[1.0], [1.0]], [1.0, 3.0], Bernoulli(1, 0.5))
    >>> found.coef.round(12).tolist(), found.status.name
    ([1.0], 'OPTIMAL')
    """
    data = posed(X, y, noise, loss)
    if not data.noise.amplitude.linear:
        raise InputError(type(data.noise.amplitude).__name__, "is not linear in w, so the problem need not be convex",
                         "solve the penalised problem of the strategy with etatrick.numerics.solve")  # fmt: skip
    if not 0 < tol < 1:
        raise InputError(f"tol = {tol}", "must lie between 0 and 1", "choose e.g. tol=1e-9")
    goal = ExpectedObjective(data)
    scale = float(np.abs(goal.gradient(np.zeros(data.X.shape[1]))[1]).max()) or 1.0
    descent = Descent(goal, data.at(np.zeros(data.X.shape[1]) if start is None else start))
    finite_value(descent.value)
    moving = True
    while moving and descent.iterations < max_iter and float(np.abs(descent.gradient).max()) > tol * scale:
        moving = descent.advance()
    value, gradient = goal.gradient(descent.w)
    size = float(np.abs(gradient).max())
    return ExpectedLossSolution(
        descent.w, value, float(goal.regularizers(descent.w).sum()), size, size / scale,
        metric_at(data, descent.w).decrement(gradient), _status(goal, descent.w, value, size / scale, tol, moving),
        descent.iterations,
    )  # fmt: skip


class Descent:
    """L-BFGS with the metric as initial Hessian, renewed every few steps, and a backtracking line search.

    Examples
    --------
    >>> from etatrick.theory.noise import Bernoulli
    >>> goal = ExpectedObjective(posed([[1.0]], [2.0], Bernoulli(1, 0.5), "squared"))
    >>> descent = Descent(goal, np.zeros(1))
    >>> descent.advance(), descent.w.tolist()
    (True, [1.0])
    """

    def __init__(self, goal: ExpectedObjective, start: Floats) -> None:
        self.goal, self.w, self.iterations = goal, start, 0
        self.value, self.gradient = goal.gradient(start)
        self.metric: Metric = metric_at(goal.data, start)
        self.pairs: deque[tuple[Floats, Floats]] = deque(maxlen=MEMORY)

    def advance(self) -> bool:
        """Take one step; return whether the objective or the gradient decreased."""
        step = -self._inverse_times(self.gradient)
        slope = float(self.gradient @ step)
        if slope >= 0 or not np.isfinite(slope):
            return self._renewed()
        slack, size = ROUNDING * abs(self.value), 1.0
        for _ in range(HALVINGS):
            w = self.w + size * step
            value = self.goal.value(w)
            if value <= self.value + 1e-4 * size * slope + slack:
                break
            size *= 0.5
        else:
            return self._renewed()
        value, gradient = self.goal.gradient(w)
        if value > self.value - slack and np.abs(gradient).max() >= np.abs(self.gradient).max():
            return self._renewed()
        change, turn = w - self.w, gradient - self.gradient
        if change @ turn > 1e-14 * np.linalg.norm(change) * np.linalg.norm(turn):
            self.pairs.append((change, turn))
        self.w, self.value, self.gradient, self.iterations = w, value, gradient, self.iterations + 1
        if self.iterations in (2, 5, 10, 20, 40):
            self.metric = metric_at(self.goal.data, w)
        return True

    def _renewed(self) -> bool:
        """Forget the curvature gathered so far; return whether there was any."""
        had = bool(self.pairs)
        self.pairs.clear()
        self.metric = metric_at(self.goal.data, self.w)
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


def _status(
    goal: ExpectedObjective, w: Floats, value: float, relative: float, tol: float, moving: bool
) -> ExpectedLossStatus:
    # a convex function is no smaller at 2w than at its minimiser w; without a minimiser it falls much farther out too
    if np.any(w) and goal.value((2 if relative <= tol else 32) * w) < value - ROUNDING * abs(value):
        return ExpectedLossStatus.UNBOUNDED
    if relative <= tol:
        return ExpectedLossStatus.OPTIMAL
    return ExpectedLossStatus.LIMIT if moving else ExpectedLossStatus.STALLED
