"""ℓ0 among the penalties of `solve`: which penalties are a price per column, and their solutions in its form."""

from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.losses import Squared, loss_named
from etatrick.numerics.problem import check_lam
from etatrick.numerics.subset.moments import pose_subsets
from etatrick.numerics.subset.subsets import l0_minimum
from etatrick.theory.duality import Duality

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from etatrick.numerics.solution import Solution


def price_of(penalty: Any) -> float | None:
    """Return κ where the penalty is κ·1{w ≠ 0}, None for every other penalty.

    Parameters
    ----------
    penalty : object
        Whatever :func:`etatrick.numerics.solve` takes.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> price_of(penalties["l0"](kappa=2)), price_of(penalties["l1"](k=1))
    (2.0, None)
    """
    duality = getattr(penalty, "duality", penalty)
    if not isinstance(duality, Duality) or duality.penalty is None:
        return None
    price = duality.penalty
    return float(price) if price.is_number and price.is_finite and price.is_positive else None


def takes(penalty: Any, lam: float, loss: Any) -> bool:
    """Tell whether best subsets are what minimises: ℓ0 with the squared loss and λ > 0."""
    return price_of(penalty) is not None and lam != 0 and isinstance(loss_named(loss), Squared)


def largest_subset_lam(
    X: Any,
    y: "ArrayLike",
    penalty: Any,
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
) -> float:
    """Return the least λ at which no single column is worth its price, max (x_jᵀy)²/(2κ‖x_j‖²).

    Parameters
    ----------
    X, y, penalty, fit_intercept, sample_weight, offset
        As in :func:`fit_subset`, without λ.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> largest_subset_lam([[1.0, 0.0], [0.0, 1.0]], [3.0, 1.0], penalties["l0"](kappa=1))
    4.5
    """
    moments, price = pose_subsets(X, y, fit_intercept, sample_weight, offset), price_of(penalty) or 1.0
    gains = np.divide(moments.linear**2, moments.squares, out=np.zeros(moments.d), where=moments.squares > 0)
    return float(gains.max()) / (2 * price)


def fit_subset(
    X: Any,
    y: "ArrayLike",
    penalty: Any,
    lam: float,
    loss: Any,
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
    start: "ArrayLike | None" = None,
    tol: float = 1e-12,
) -> "Solution":
    """Minimise ½ Σ v (y − Xw − b)² + λκ‖w‖₀ to swap-local optimality.

    The certificate's `locally_minimal` says that no single addition, removal or exchange of a column lowers the
    objective, with the weights refitted: more than local minimality, which any fit on any support has.

    Parameters
    ----------
    X, y, penalty, lam, loss, fit_intercept, sample_weight, offset, start
        As in :func:`etatrick.numerics.solve`; the penalty is ℓ0, the loss squared.
    tol : float
        Not needed: fits are as exact as rounding allows.

    Returns
    -------
    Solution

    Raises
    ------
    InputError
        For another penalty or loss, λ = 0, or unusable data.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> fit_subset([[1.0, 0.0], [0.0, 1.0]], [3.0, 0.5], penalties["l0"](kappa=1), 1.0, "squared").coef
    array([3., 0.])
    """
    check_lam(lam)
    price = price_of(penalty)
    if price is None:
        raise InputError(str(getattr(penalty, "name", penalty)), "is no price per column", "use l0, or method='auto'")
    if not isinstance(loss_named(loss), Squared):
        raise InputError(f"loss = {loss!r}", "best subsets need the squared loss", "use cel0 or mcp with this loss")
    found = l0_minimum(X, y, lam * price, fit_intercept=fit_intercept, sample_weight=sample_weight, offset=offset,
                       start=start)  # fmt: skip
    return found.solution
