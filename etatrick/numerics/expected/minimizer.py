"""Minimising an expected loss, with a penalty if wished: quasi-Newton steps, and a certificate of what was reached."""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.bound import duality_gap
from etatrick.numerics.expected.charges import charge_of
from etatrick.numerics.expected.descent import ROUNDING, Descent
from etatrick.numerics.expected.objective import finite_value, objective_for
from etatrick.numerics.expected.penalised import Penalised
from etatrick.numerics.expected.perturbation import Posed, posed
from etatrick.numerics.expected.proximal import ProximalDescent
from etatrick.numerics.losses import Logistic, Multinomial, Poisson

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


CLOSED: Final = 1e-12


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
    """A minimiser of Σ_i v_i E ℓ(y_i, Z_i) + λΩ(w), with what proves it, recomputed at the solution.

    Parameters
    ----------
    coef : ndarray, shape (d,) or (d, classes)
    intercept : float or ndarray of shape (classes,)
        0 where none was fitted; of the multinomial loss only differences of its entries are determined.
    objective, loss, regularizer, charge : float
        What was minimised; the expected loss; the part of it that the noise adds; and λΩ(w).
    gradient_norm, relative_gradient : float
        Largest distance of a parameter from optimality, |∂F/∂w_j| or that of 0 from the subdifferential at a kink, and
        that divided by the largest entry of the gradient of the expected loss at w = 0.
    decrement : float
        ½ gᵀH⁻¹g with H the Hessian by second moments, an estimate of the suboptimality; exact for squared loss. With a
        penalty that has a kink it says nothing, and is NaN.
    gap : float
        With a penalty: a proved bound on `objective` less its infimum, by duality; infinite where there is none.
    status : ExpectedLossStatus
    iterations : int
    """

    coef: Floats
    intercept: float | Floats
    objective: float
    loss: float
    regularizer: float
    charge: float
    gradient_norm: float
    relative_gradient: float
    decrement: float
    gap: float
    status: ExpectedLossStatus
    iterations: int


class Steps(Protocol):
    """What :class:`Descent` and :class:`ProximalDescent` share."""

    point: Floats
    iterations: int

    @property
    def residual(self) -> float:
        """The largest distance from optimality."""

    @property
    def gap(self) -> float:
        """A proved bound on the suboptimality, or infinity."""

    @property
    def value(self) -> float:
        """What is minimised."""

    def advance(self) -> bool:
        """Take one step; return whether it made progress."""


def minimize_expected_loss(
    X: "ArrayLike",
    y: "ArrayLike",
    noise: Any,
    loss: Any = "squared",
    *,
    offset: "ArrayLike | None" = None,
    sample_weight: "ArrayLike | None" = None,
    fit_intercept: bool = False,
    penalty: Any = None,
    lam: float = 0.0,
    start: "ArrayLike | None" = None,
    tol: float = 1e-9,
    max_iter: int = 500,
) -> ExpectedLossSolution:
    r"""Minimise the exact expected loss over w, and over an intercept that no noise and no penalty touches.

    .. math:: \sum_i v_i\, \mathrm E\, \ell(y_i, Z_i) + \lambda \sum_j \Omega(|w_j|), \qquad
              Z_i = x_i\cdot w + b + o_i + \sum_j a_{ij}\zeta_j

    For squared loss and a recipe that is linear in w, w solves (XᵀX + ΞᵀΞ∘C̄)w = Xᵀy for any mask covariance. Other
    losses: quasi-Newton steps (L-BFGS) preconditioned by a Hessian of second moments. Penalties with a kink at 0:
    proximal quasi-Newton steps.

    Parameters
    ----------
    X, y, noise, loss, offset, sample_weight
        As in :func:`etatrick.numerics.expected.expected_loss`; the recipe must be linear in w.
    fit_intercept : bool
        Whether to fit b.
    penalty : Duality, catalogue entry or CompiledPenalty, optional
        Convex, with a finite slope at 0: ``penalties["ridge"](c=1)`` is w²/2.
    lam : float
        λ ≥ 0.
    start : array_like, shape of w, optional
        Where to begin, the intercept at its best constant; 0 by default.
    tol : float
        On the largest distance from optimality, relative to the gradient at w = 0. With a penalty, steps go on until
        the proved gap is 1e-12 of the objective too, as far as rounding lets them.
    max_iter : int
        Steps allowed.

    Returns
    -------
    ExpectedLossSolution
        Its status says whether a minimiser was found; separable data can have none.

    Raises
    ------
    InputError
        For bad data, a recipe that is not linear in w (the problem need not be convex), a penalty that is not convex,
        or noise that could only be enumerated and has too many outcomes.

    Examples
    --------
    >>> from etatrick.theory.noise import Bernoulli
    >>> found = minimize_expected_loss([[1.0], [1.0]], [1.0, 3.0], Bernoulli(1, 0.5))
    >>> found.coef.round(12).tolist(), found.status.name
    ([1.0], 'OPTIMAL')
    """
    data = posed(X, y, noise, loss, offset=offset, sample_weight=sample_weight, fit_intercept=fit_intercept)
    if not data.noise.amplitude.linear:
        raise InputError(type(data.noise.amplitude).__name__, "is not linear in w, so the problem need not be convex",
                         "solve the penalised problem of the strategy with etatrick.numerics.solve")  # fmt: skip
    if not (np.ndim(tol) == 0 and 0 < tol < 1):
        raise InputError(f"tol = {tol}", "must lie between 0 and 1", "choose e.g. tol=1e-9")
    goal = Penalised(objective_for(data), charge_of(penalty, lam))
    origin = _origin(data)
    scale = float(np.abs(goal.goal.gradient(origin)[1][: data.X.shape[1]]).max()) or 1.0
    if start is not None:
        d = data.X.shape[1]
        origin[:d] = posed(X, y, noise, loss).at(start)
    kind: Any = ProximalDescent if goal.charge.kink > 0 else Descent
    finite_value(goal.value(origin.ravel()))
    steps: Steps = kind(goal, origin.ravel())
    moving = True
    while moving and steps.iterations < max_iter and not _settled(steps, tol * scale):
        moving = steps.advance()
    return _solution(goal, steps, scale, tol, moving)


def _settled(steps: Steps, limit: float) -> bool:
    """Whether the gradient is small enough and the gap, where one is proved, is down at rounding."""
    return steps.residual <= limit and not CLOSED * abs(steps.value) < steps.gap < np.inf


def _origin(data: Posed) -> Floats:
    """Return w = 0 with the constant that fits best as the intercept."""
    found = np.zeros(data.shape)
    if data.clean.shape[1]:
        low, high = data.y.min(axis=0), data.y.max(axis=0)
        one_label = isinstance(data.loss, Logistic | Multinomial) and bool(((low == high) & (low % 1 == 0)).any())
        if one_label or (isinstance(data.loss, Poisson) and high == 0):
            raise InputError("y with one label or only zeros", "an intercept would be infinite",
                             "add data of another label, or leave out the intercept")  # fmt: skip
        found[data.X.shape[1] :] = data.loss.predictor(data.y)
    return found


def _solution(goal: Penalised, steps: Steps, scale: float, tol: float, moving: bool) -> ExpectedLossSolution:
    data, point = goal.goal.data, steps.point
    d, shaped = data.X.shape[1], point.reshape(goal.shape)
    loss, pull = goal.goal.gradient(shaped)
    charge = goal.charge.total(shaped[:d])
    size = float(goal.violation(point, pull).max())
    smooth = goal.charge.kink == 0
    decrement = goal.metric(point).decrement(goal.gradient(point)[1]) if smooth else np.nan
    fitted: Any = shaped[d:] if data.clean.shape[1] else np.zeros((1, *goal.shape[1:]))
    return ExpectedLossSolution(
        shaped[:d], fitted[0] if fitted.ndim > 1 else float(fitted[0]), loss + charge, loss,
        goal.goal.regularizer(shaped), charge, size, size / scale, decrement, duality_gap(goal, point, loss, pull),
        _status(goal, point, loss + charge, size / scale, tol, moving), steps.iterations,
    )  # fmt: skip


def _status(
    goal: Penalised, point: Floats, value: float, relative: float, tol: float, moving: bool
) -> ExpectedLossStatus:
    # a convex function is no smaller at 2w than at its minimiser w; without a minimiser it falls much farther out too
    if np.any(point) and goal.value((2 if relative <= tol else 32) * point) < value - ROUNDING * abs(value):
        return ExpectedLossStatus.UNBOUNDED
    if relative <= tol:
        return ExpectedLossStatus.OPTIMAL
    return ExpectedLossStatus.LIMIT if moving else ExpectedLossStatus.STALLED
