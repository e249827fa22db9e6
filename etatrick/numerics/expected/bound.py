"""A proved bound on the suboptimality of a penalised expected loss: the gap to a dual point made from the gradient."""

from typing import NamedTuple

import numpy as np

from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.penalised import Penalised
from etatrick.numerics.expected.perturbation import Posed


class Balance(NamedTuple):
    """A deterministic dual point e whose intercept part Σ v_i e_i undoes that of the gradient, times `share`."""

    share: float
    pull: Floats
    value: float


def duality_gap(goal: Penalised, point: Floats, loss: float, pull: Floats) -> float:
    r"""Return a bound on the objective at `point` less its infimum; ∞ where no dual point was found.

    The dual of min Σ v_i E ℓ(y_i, Z_i) + λΩ(w) has one variable u_i per example *and mask*, and its objective contains
    E ℓ*(u_i). At u = ℓ′(Z) Fenchel's equality gives E ℓ* = E[Zℓ′ − ℓ], which the gradient contains: the dual value is
    f − w·∇_w f − b·∇_b f − (λΩ)*(−∇_w f). Shrinking u to su + (1−s)·0 makes a bounded slope feasible, and a little of
    a fixed point e makes Σ v_i E u_i vanish, as the intercept needs; ℓ* is convex, so both only lower the bound.

    Parameters
    ----------
    goal : Penalised
    point : ndarray
        Parameters laid flat.
    loss : float
        The expected loss there.
    pull : ndarray
        Its gradient, shaped like the parameters.

    Returns
    -------
    float

    Examples
    --------
    >>> from etatrick.numerics.expected.charges import charge_of
    >>> from etatrick.numerics.expected.objective import objective_for
    >>> from etatrick.numerics.expected.perturbation import posed
    >>> from etatrick.theory import penalties
    >>> from etatrick.theory.noise import Bernoulli
    >>> goal = objective_for(posed([[1.0]], [2.0], Bernoulli(1, 0.5), "squared"))
    >>> duality_gap(Penalised(goal, charge_of(penalties["ridge"](c=1), 1.0)), np.zeros(1), *goal.gradient(np.zeros(1)))
    2.0
    """
    data, charge = goal.goal.data, goal.charge
    if charge.penalty is None:
        return np.inf
    d = data.X.shape[1]
    shaped = point.reshape(goal.shape)
    balance = balanced(data, pull[d:]) if data.clean.shape[1] else Balance(0.0, np.zeros_like(pull[:d]), 0.0)
    if balance is None:
        return np.inf
    moved = pull[:d] + balance.share * balance.pull
    steepest = float(np.abs(moved).max())
    room = charge.steepest / steepest if steepest > charge.steepest else np.inf
    part = min(1.0 / (1.0 + balance.share), room * (1 - 1e-15))
    rest = max(1.0 - part * (1 + balance.share), 0.0)
    at_zero = data.loss.conjugate(data.y, np.zeros_like(data.y))
    dual = part * (loss - float((shaped * pull).sum())) + part * balance.share * balance.value
    dual -= (rest * float(data.weights @ at_zero) if rest else 0.0) + charge.conjugate(part * moved)
    gap = loss + charge.total(shaped[:d]) - dual
    return float(max(gap, 0.0)) if np.isfinite(gap) else np.inf


def balanced(data: Posed, pull: Floats) -> Balance | None:
    """Return e and the share κ with κ Σ v_i e_i = −pull, `pull` the intercept's gradient, (1,) or (1, classes).

    e_i is ℓ′ at a constant predictor far enough to one side; for classes p − y_i with a constant p on the simplex.

    Examples
    --------
    >>> from etatrick.numerics.expected.perturbation import posed
    >>> from etatrick.theory.noise import Bernoulli
    >>> data = posed([[1.0], [2.0]], [1.0, 3.0], Bernoulli(1, 0.5), "squared", fit_intercept=True)
    >>> balanced(data, np.array([0.5])).share * (0.75 - 1.25)  # e at the constant 1.75
    -0.5
    """
    if not pull.any():
        return Balance(0.0, np.zeros((data.X.shape[1], *data.y.shape[1:])), 0.0)
    if data.y.ndim == 2:
        return _balanced_classes(data, pull[0])
    loss, start, slopes = data.loss, float(data.loss.predictor(data.y)), np.zeros_like(data.y)
    side = -float(np.sign(pull[0]))
    for step in 2.0 ** np.arange(-2.0, 8.0):
        theta = data.offset + start + side * step
        slopes = loss.slope(data.y, theta)
        total = float(data.weights @ slopes)
        if side * total > 0 and np.isfinite(total):
            break
    else:
        return None
    # ℓ*(ℓ′(θ)) = θℓ′(θ) − ℓ(θ)
    value = float(data.weights @ (slopes * (data.offset - theta) + loss.value(data.y, theta)))
    return Balance(float(abs(pull[0]) / abs(total)), data.X.T @ (data.weights * slopes), value)


def _balanced_classes(data: Posed, pull: Floats) -> Balance | None:
    total = float(data.weights.sum())
    share = data.weights @ data.y / total
    if not (share > 0).all():
        return None
    centred = pull - pull.mean()
    kappa = float(np.max(np.abs(centred) / share)) * 2 / total
    slopes = share - centred / (kappa * total) - data.y
    value = float(data.weights @ ((slopes * data.offset).sum(axis=1) - data.loss.conjugate(data.y, slopes)))
    return Balance(kappa, data.X.T @ (data.weights[:, None] * slopes), value)
