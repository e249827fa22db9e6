"""The expected loss as a convex cvxpy model with enumerated masks: an oracle, and a start for users' own models."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.expected.charges import charge_of
from etatrick.numerics.expected.enumeration import Listed
from etatrick.numerics.expected.perturbation import posed

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MOST_ROWS: Final = 50_000


def expected_loss_problem(
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
) -> Any:
    """Return the problem of minimising Σ_i v_i E ℓ(y_i, Z_i) + λΩ(w), one loss per example and mask.

    Parameters
    ----------
    X, y, noise, loss, offset, sample_weight
        As in :func:`etatrick.numerics.expected.expected_loss`; the law has finitely many masks and the recipe is
        linear in w.
    fit_intercept, penalty, lam
        As in :func:`etatrick.numerics.expected.minimize_expected_loss`.

    Returns
    -------
    cvxpy.Problem
        With the variable ``w``, of shape (d,) or (d, classes), and, if asked for, ``b``: ``var_dict`` has both.

    Raises
    ------
    InputError
        For bad data, a recipe that is not linear in w, a law with a density, a penalty that is not convex, or more
        than 50,000 pairs of an example and a mask.

    Examples
    --------
    >>> from etatrick.theory.noise import Bernoulli
    >>> model = expected_loss_problem([[1.0], [1.0]], [1.0, 3.0], Bernoulli(1, 0.5))
    >>> value = model.solve(solver="CLARABEL")
    >>> round(float(model.var_dict["w"].value[0]), 6)  # Σxy/(Σx² + Σx²)
    1.0
    """
    import cvxpy as cp

    from etatrick.numerics.modelling import cvxpy_penalty

    data = posed(X, y, noise, loss, offset=offset, sample_weight=sample_weight, fit_intercept=fit_intercept)
    charge = charge_of(penalty, lam)
    recipe = data.noise.amplitude
    if not recipe.linear:
        raise InputError(type(recipe).__name__, "is not linear in w, so the problem need not be convex",
                         "model FeatureNoise, SparseoutNoise or AdditiveNoise")  # fmt: skip
    outcomes = Listed.of_masks(data.noise.law)
    rows = len(data.y) * len(outcomes.chances)
    if rows > MOST_ROWS:
        raise InputError(f"{rows} pairs of an example and a mask", f"at most {MOST_ROWS} are modelled",
                         "use minimize_expected_loss, or fewer columns")  # fmt: skip
    classes = data.y.shape[1:]
    weights = cp.Variable((data.X.shape[1], *classes), name="w")
    steady: Any = data.offset
    if data.clean.shape[1]:
        steady = steady + data.clean @ cp.Variable((1, *classes), name="b")
    zero = np.zeros(data.X.shape[1])
    moved = recipe.features(data.X) * recipe.profile_slope(zero)
    fixed = recipe.of(data.X, zero)  # what does not depend on w: additive noise
    total: Any = 0
    for noise_values, chance in zip(outcomes.noise, outcomes.chances, strict=True):
        drift = fixed @ noise_values
        predictor = (data.X + moved * noise_values) @ weights + (drift[:, None] if classes else drift) + steady
        total = total + chance * (data.weights @ data.loss.cvxpy_terms(data.y, predictor))
    if charge.penalty is not None:
        total = total + lam * cvxpy_penalty(charge.penalty, cp.vec(weights, order="C"))
    return cp.Problem(cp.Minimize(total))
