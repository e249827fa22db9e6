"""Solutions of generalised linear models, in the form in which `solve` returns all solutions."""

from typing import Any, Final

from etatrick.errors import InputError
from etatrick.numerics.certificates import Certificate
from etatrick.numerics.losses.base import Loss
from etatrick.numerics.solution import Solution, Status
from etatrick.numerics.working_set.fitting import fit
from etatrick.numerics.working_set.result import Ending
from etatrick.theory.vector.base import VectorDuality

STATUS: Final = {
    Ending.OPTIMAL: Status.CONVERGED, Ending.STATIONARY: Status.CONVERGED, Ending.STALLED: Status.STALLED,
    Ending.LIMIT: Status.LIMIT, Ending.DIVERGING: Status.DIVERGING,
}  # fmt: skip


def solve_generalized(X: Any, y: Any, penalty: Any, lam: float, loss: Loss, **options: Any) -> Solution:
    """Minimise Σ v ℓ(y, Xw + b) + λ Σ Ω by the working-set engine.

    Parameters
    ----------
    X, y, penalty, lam
        As in :func:`etatrick.numerics.solve`; X may be sparse.
    loss : Loss
    **options
        ``fit_intercept``, ``sample_weight``, ``start`` and ``tol``.

    Returns
    -------
    Solution
        Its relative figures are relative to the null model: the gap to its deviance, the residual to its gradient.

    Raises
    ------
    InputError
        As :func:`etatrick.numerics.solve`; also for a penalty whose scales share a budget.

    Examples
    --------
    >>> from etatrick.numerics.losses import Logistic
    >>> from etatrick.theory import penalties
    >>> s = solve_generalized([[1.0], [2.0], [-1.0]], [1, 0, 0], penalties["ridge"](c=1), 1.0, Logistic())
    >>> s.certificate.relative_gap < 1e-12
    True
    """
    if isinstance(penalty, VectorDuality):
        raise InputError(repr(penalty), "scales that share a budget need the squared loss and method='auto'",
                         "leave out loss and method")  # fmt: skip
    found = fit(X, y, penalty, lam, loss, **options)
    proof = Certificate(found.kkt, found.relative_kkt, found.gap, found.relative_gap, found.locally_minimal)
    return Solution(found.coef, found.intercept, found.objective, proof, STATUS[found.status], found.iterations,
                    found.history)  # fmt: skip
