"""Matrix penalties: a scalar penalty of the singular values, and the positive definite scale that imposes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.vector.arguments import inherited, scalar_degree
from etatrick.theory.vector.base import Floats, VectorDuality, aligned, numbers, retained, total
from etatrick.theory.vector.groups import check_numeric, scalar_dual

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from etatrick.theory.duality import Duality
    from etatrick.theory.verdict import Verdict

ROUNDING = 1e-13


@final
@dataclass(frozen=True)
class Spectral(VectorDuality):
    r"""A scalar penalty φ summed over singular values.

    .. math:: \Omega(W) = \sum_i \varphi(\sigma_i(W))
              = \tfrac12 \min_{M \succ 0} \big[ \operatorname{tr} W^{\mathsf T} M^{-1} W + \operatorname{tr} f(M) \big],
              \qquad \hat M = U \hat\eta(\Sigma) U^{\mathsf T}

    by von Neumann's trace inequality. φ(σ) = σ gives the nuclear norm. The retain probabilities become a matrix
    too, α = M(M+λ)⁻¹: noise with covariance λM⁻¹ in the left singular basis. The scales of the left singular
    directions that W does not reach are η̂(0).

    Parameters
    ----------
    duality : Duality
        The scalar dual, without free parameters.

    Raises
    ------
    InputError
        If a parameter of the dual is free.

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> nuclear = Spectral(derive(penalty="w"))
    >>> float(nuclear.penalty_at([[0.0, 3.0], [-4.0, 0.0]])), nuclear.eta_hat_at([[0.0, 3.0], [-4.0, 0.0]]).tolist()
    (7.0, [[3.0, 0.0], [0.0, 4.0]])
    """

    axes: ClassVar[int] = 2

    duality: "Duality"

    def __post_init__(self) -> None:
        check_numeric(self.duality)

    @property
    def conditions(self) -> "Mapping[str, Verdict]":
        """Verdicts by name; *subquadratic* speaks of Ω as a function of WWᵀ."""
        scalar = self.duality.conditions
        concave = "a symmetric concave function of eigenvalues is a concave function of the matrix WWᵀ"
        gauge = "a symmetric convex nondecreasing function of singular values is convex"
        return {
            "subquadratic": inherited(scalar["subquadratic"], "spectral functions (Davis 1957)", concave),
            "convex": inherited(scalar["convex"], "unitarily invariant functions (von Neumann; Lewis 1995)", gauge),
            "homogeneous": inherited(scalar_degree(self.duality), "scaling", "singular values scale with W"),
            "exact_zeros": inherited(scalar["exact_zeros"], "chain rule", "the slope at 0 along V is φ′(0+)·Σσ_i(V)"),
        }

    def latex(self) -> str:
        """Return Ω, M̂ and tr f(M) in LaTeX."""
        import sympy as sp

        from etatrick.theory.symbols import w

        phi = self.duality.penalty
        shown = r"\text{no closed form}" if phi is None else sp.latex(phi.subs(w, sp.Symbol("sigma", positive=True)))
        rule = rf"\varphi(\sigma) = {shown}"
        return aligned(
            rf"\textstyle\sum_i\varphi(\sigma_i(W)),\quad {rule}",
            r"U\,\hat\eta(\Sigma)\,U^{\mathsf T}",
            r"\operatorname{tr} f_\varphi(M)",
        )

    def scales_at(self, w: "ArrayLike") -> tuple[Floats, Floats]:
        """Return the eigenvectors U, shape (…, m, m), and eigenvalues, shape (…, m), of M̂; these may be infinite.

        Parameters
        ----------
        w : array_like, shape (…, m, n)
        """
        return self._spectrum(self._weights(w))

    def _spectrum(self, w: Floats) -> tuple[Floats, Floats]:
        basis, values, _ = np.linalg.svd(w, full_matrices=True)
        sizes = np.zeros(basis.shape[:-1])
        sizes[..., : values.shape[-1]] = values
        return basis, self.duality.eta_hat_at(sizes)

    def _penalty(self, w: Floats) -> Floats:
        return total(self.duality.penalty_at(np.linalg.svd(w, compute_uv=False)))

    def _eta_hat(self, w: Floats) -> Floats:
        basis, scales = self._spectrum(w)
        if np.isinf(scales).any():
            rule = "leaves a singular value free (η̂ = ∞), which no matrix of numbers can hold"
            raise InputError("w", rule, "use scales_at(w) or alpha_at(w, lam)")
        return (basis * scales[..., None, :]) @ basis.swapaxes(-1, -2)

    def _dual(self, eta: Floats) -> Floats:
        # f jumps to ∞ where a scale is bounded: rounding of the eigenvalues must not carry M̂ across
        return total(scalar_dual(self.duality, _eigen(eta)[0] * (1 - ROUNDING)))

    def _retain(self, w: Floats, lam: float) -> Floats:
        basis, scales = self._spectrum(w)
        return (basis * retained(scales, lam)[..., None, :]) @ basis.swapaxes(-1, -2)

    def _quadratic(self, w: Floats, eta: Floats) -> Floats:
        """Return tr WᵀM⁻¹W; directions that M does not reach cost nothing if W does not reach them, else ∞."""
        values, basis = _eigen(eta)
        parts = np.linalg.norm(basis.swapaxes(-1, -2) @ w, axis=-1)
        size = np.linalg.norm(w, axis=(-2, -1))[..., None]
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(parts <= ROUNDING * size, 0.0, parts**2 / values)
        return total(terms)

    def _scales(self, eta: "ArrayLike") -> Floats:
        values = numbers(eta, "eta")
        self._check_axes(values, "eta")
        square = values.shape[-1] == values.shape[-2]
        if not (square and np.isfinite(values).all()):
            raise InputError(f"eta of shape {values.shape}", "M is a square matrix of finite numbers", "see scales_at")
        size = np.abs(values).max(axis=(-2, -1), keepdims=True, initial=0.0)
        skew = np.abs(values - values.swapaxes(-1, -2)) > 1e-9 * size
        if skew.any() or (np.linalg.eigvalsh(values) < -1e-9 * size[..., 0]).any():
            raise InputError("eta", "M is symmetric and positive semidefinite", "pass M = B @ B.T, say")
        return values


def _eigen(eta: Floats) -> tuple[Floats, Floats]:
    """Return eigenvalues, those within rounding of 0 as 0, and eigenvectors."""
    values, basis = np.linalg.eigh((eta + eta.swapaxes(-1, -2)) / 2)
    largest = np.abs(values).max(axis=-1, keepdims=True, initial=0.0)
    return np.where(values <= ROUNDING * largest, 0.0, values), basis
