"""The expected loss as a convex cvxpy model with enumerated masks: an oracle, and a start for users' own models."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.expected.enumeration import Listed
from etatrick.numerics.expected.perturbation import posed

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MOST_ROWS: Final = 50_000


def expected_loss_problem(X: "ArrayLike", y: "ArrayLike", noise: Any, loss: Any = "squared") -> Any:
    """Return the problem of minimising Σ_i E ℓ(y_i, Z_i) over w, one loss per example and mask.

    Parameters
    ----------
    X, y, noise, loss
        As in :func:`etatrick.numerics.expected.expected_loss`; the law has finitely many masks and the recipe is
        linear in w.

    Returns
    -------
    cvxpy.Problem
        Its only variable is ``w``, of shape (d,).

    Raises
    ------
    InputError
        For bad data, a recipe that is not linear in w, a law with a density, or more than 50,000 pairs of an
        example and a mask.

    Examples
    --------
    >>> from etatrick.theory.noise import Bernoulli
    >>> model = expected_loss_problem([[1.0], [1.0]], [1.0, 3.0], Bernoulli(1, 0.5))
    >>> value = model.solve(solver="CLARABEL")
    >>> round(float(model.variables()[0].value[0]), 6)  # Σxy/(Σx² + Σx²)
    1.0
    """
    import cvxpy as cp

    data = posed(X, y, noise, loss)
    recipe = data.noise.amplitude
    if not recipe.linear:
        raise InputError(type(recipe).__name__, "is not linear in w, so the problem need not be convex",
                         "model FeatureNoise, SparseoutNoise or AdditiveNoise")  # fmt: skip
    outcomes = Listed.of_masks(data.noise.law)
    rows = len(data.y) * len(outcomes.chances)
    if rows > MOST_ROWS:
        raise InputError(f"{rows} pairs of an example and a mask", f"at most {MOST_ROWS} are modelled",
                         "use minimize_expected_loss, or fewer columns")  # fmt: skip
    weights = cp.Variable(data.X.shape[1], name="w")
    zero = np.zeros(data.X.shape[1])
    moved = recipe.features(data.X) * recipe.profile_slope(zero)
    fixed = recipe.of(data.X, zero)  # what does not depend on w: additive noise
    total: Any = 0
    for noise_values, chance in zip(outcomes.noise, outcomes.chances, strict=True):
        predictor = (data.X + moved * noise_values) @ weights + fixed @ noise_values
        total = total + chance * cp.sum(data.loss.cvxpy_terms(data.y, predictor))
    return cp.Problem(cp.Minimize(total))
