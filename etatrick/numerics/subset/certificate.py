"""The proof that no single addition, removal or exchange lowers an ℓ0 objective, by orthogonal factors of the data."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.problem import check_lam
from etatrick.numerics.subset.factors import Factors
from etatrick.numerics.subset.moments import pose_subsets

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

TOLERANCE: Final = 1e-10
"""What counts as no decrease, relative to the objective at 0: the rounding of two sums of squares."""

DEPENDENT: Final = 1e-9


@final
@dataclass(frozen=True)
class SwapCertificate:
    """By how much the best single change of the support would lower the objective, with the weights refitted.

    Parameters
    ----------
    addition, removal, exchange : float
        Decreases relative to the objective at 0; ≤ 0 where no change of that kind helps, −∞ where none is possible.
    kkt, relative_kkt : float
        ‖X_Aᵀ(y − Xw) − ρw_A‖_∞ on the support, and that over ‖Xᵀy‖_∞.
    """

    addition: float
    removal: float
    exchange: float
    kkt: float
    relative_kkt: float

    @property
    def decrease(self) -> float:
        """The largest of the three."""
        return max(self.addition, self.removal, self.exchange)

    @property
    def locally_minimal(self) -> bool:
        """Whether the weights are the fit of their support, and no single change of it lowers the objective."""
        return self.relative_kkt <= TOLERANCE and self.decrease <= TOLERANCE


def swap_certificate(
    X: Any,
    y: "ArrayLike",
    coef: "ArrayLike",
    lam: float = 0.0,
    *,
    limit: int | None = None,
    ridge: float = 0.0,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
) -> SwapCertificate:
    r"""Judge the support of any coefficient vector for ½‖y − Xw‖² + ½ρ‖w‖² + λ‖w‖₀ with ‖w‖₀ ≤ limit.

    Parameters
    ----------
    X : array_like or scipy.sparse array, shape (n, d)
    y : array_like, shape (n,)
    coef : array_like, shape (d,)
    lam : float
        λ ≥ 0.
    limit : int, optional
        The largest number of columns that is allowed; none by default.
    ridge : float
        ρ ≥ 0.
    fit_intercept : bool
    sample_weight, offset : array_like, shape (n,), optional

    Returns
    -------
    SwapCertificate

    Raises
    ------
    InputError
        For unusable data, λ or ρ below 0, or a `coef` of the wrong shape.

    Examples
    --------
    >>> swap_certificate(np.eye(3), [3.0, 2.0, 1.0], [3.0, 0.0, 1.0], limit=2).exchange
    0.21428571428571427
    """
    check_lam(lam)
    if not (np.ndim(ridge) == 0 and np.isfinite(ridge) and ridge >= 0):
        raise InputError(f"ridge = {ridge}", "must be a finite number ≥ 0", "leave it at 0")
    moments = pose_subsets(X, y, fit_intercept, sample_weight, offset)
    point = np.asarray(coef, dtype=np.float64)
    if point.shape != (moments.d,) or not np.isfinite(point).all():
        raise InputError(
            f"coef of shape {point.shape}", f"must be {moments.d} finite numbers", "pass one per column of X"
        )
    factors = Factors(moments, np.flatnonzero(point), ridge)
    return certify(factors, [point], lam, [moments.d if limit is None else limit])[0]


def certify(factors: Factors, coefs: "list[Floats]", lam: float, limits: list[int]) -> list[SwapCertificate]:
    """Return a certificate of every coefficient vector; all have their supports within the columns of `factors`."""
    moments = factors.moments
    residuals = [moments.target - factors.columns @ w[factors.chosen] for w in coefs]
    pulls = moments.cross(np.column_stack(residuals))
    return [_certify(factors, w, pull, lam, limit) for w, pull, limit in zip(coefs, pulls, limits, strict=True)]


def _certify(factors: Factors, coef: "Floats", pull: "Floats", lam: float, limit: int) -> SwapCertificate:
    """Certify one vector.

    With X_A = QR and g the unit vector along R⁻ᵀe_i, dropping i takes the direction Qg from the fit: what column j
    then gains is (x_jᵀr + z·t)²/2(s + z²), where z = gᵀQᵀx_j, t = gᵀQᵀy, and s is the squared distance of x_j from
    X_A; what dropping costs is t²/2. The difference is [(x_jᵀr)² + 2(x_jᵀr)zt − t²s]/2(s + z²).
    """
    moments, ridge, support = factors.moments, factors.ridge, np.flatnonzero(coef)
    k, start = len(support), moments.constant / 2 or 1.0
    steepest = float(np.abs(moments.linear).max()) or 1.0
    kkt = float(np.abs(pull[support] - ridge * coef[support]).max()) if k else 0.0
    total = moments.squares + ridge
    addition = removal = exchange = -np.inf
    if k == 0:
        able = total > 0
        if limit > 0 and able.any():
            addition = float((pull[able] ** 2 / total[able]).max()) / 2 - lam
        return SwapCertificate(addition / start, removal, exchange, kkt, kkt / steepest)
    q, R = factors.of(support)
    shadow = q.T @ factors.shadow
    apart = total - np.einsum("ij,ij->j", shadow, shadow)
    able = apart > DEPENDENT * total
    able[support] = False
    if k < limit and able.any():
        addition = float((pull[able] ** 2 / apart[able]).max()) / 2 - lam
    if abs(R.diagonal()).min() > 0:
        ways = np.linalg.inv(R).T
        ways /= np.linalg.norm(ways, axis=0)
        height = ways.T @ (q.T @ factors.heights)
        removal = lam - float((height**2).min()) / 2
        if able.any():
            z = (ways.T @ shadow)[:, able]
            numerator = z * pull[able]
            numerator *= 2 * height[:, None]
            numerator += pull[able] ** 2
            numerator -= np.outer(height**2, apart[able])
            z *= z
            z += apart[able]
            numerator /= z
            exchange = float(numerator.max()) / 2
    return SwapCertificate(addition / start, removal / start, exchange / start, kkt, kkt / steepest)
