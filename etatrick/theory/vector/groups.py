"""Group penalties: the weights of a group share one scale, and so one dropout mask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.vector.arguments import inherited, scalar_degree
from etatrick.theory.vector.base import Floats, VectorDuality, aligned, lengths, total
from etatrick.theory.vector.partition import as_groups, check_disjoint, check_length

if TYPE_CHECKING:
    from etatrick.theory.duality import Duality
    from etatrick.theory.verdict import Verdict


def check_numeric(duality: "Duality") -> None:
    """Raise InputError if a scalar dual still has free parameters."""
    if duality.parameters:
        free = duality.parameters[0]
        raise InputError(str(free), "is a parameter without a value", f"pass the dual .at({free}=1), say")


@final
@dataclass(frozen=True)
class Groups(VectorDuality):
    r"""A scalar penalty φ applied to the norms of disjoint groups of weights.

    .. math:: \Omega(w) = \sum_g \varphi(\lVert w_g \rVert), \qquad
              \hat\eta_i(w) = \lVert w_g \rVert / \varphi'(\lVert w_g \rVert) \ (i \in g), \qquad
              f(\eta) = \sum_g f_\varphi(\max_{i \in g} \eta_i)

    Group lasso (φ(r) = r): Yuan, Lin 2006; the retain probability is then ‖w_g‖/(‖w_g‖+λ). Only the largest scale
    of a group is charged, so that the others rise to it: the scale is shared because that is best.

    Parameters
    ----------
    duality : Duality
        The scalar dual, without free parameters.
    groups : sequence of sequences of int
        A partition of the indices 0, …, d−1.

    Raises
    ------
    InputError
        If the groups overlap or leave a gap, or a parameter of the dual is free.

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> from etatrick.theory.vector import Groups
    >>> lasso = Groups(derive(penalty="w"), [[0, 1], [2]])
    >>> lasso.penalty_at([3.0, 4.0, -2.0]).tolist(), lasso.alpha_at([3.0, 4.0, -2.0], lam=5.0).round(4).tolist()
    (7.0, [0.5, 0.5, 0.2857])
    """

    duality: "Duality"
    groups: Sequence[Sequence[int]]

    def __post_init__(self) -> None:
        check_numeric(self.duality)
        object.__setattr__(self, "groups", as_groups(self.groups))
        check_disjoint(self.groups)

    @property
    def conditions(self) -> "Mapping[str, Verdict]":
        """Verdicts by name; see :class:`VectorDuality`."""
        scalar, concave = self.duality.conditions, "a concave function of the sums Σ_g u_i is concave in u = w∘w"
        return {
            "subquadratic": inherited(scalar["subquadratic"], "concave after linear", concave),
            "convex": inherited(scalar["convex"], "convex nondecreasing after a norm", "φ(‖w_g‖), summed over groups"),
            "homogeneous": inherited(scalar_degree(self.duality), "homogeneous after a norm", "norms scale with w"),
            "exact_zeros": inherited(scalar["exact_zeros"], "chain rule", "the slope at 0 along v is φ′(0+)·Σ_g ‖v_g‖"),
        }

    def latex(self) -> str:
        """Return Ω, η̂ and f in LaTeX."""
        return aligned(
            rf"\textstyle\sum_g \varphi(\lVert w_g\rVert),\quad \varphi(r) = {_scalar_latex(self.duality)}",
            r"\lVert w_g\rVert/\varphi'(\lVert w_g\rVert)",
            r"\textstyle\sum_g f_\varphi(\max_{i\in g}\eta_i)",
        )

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        check_length(self.groups, shape[0])

    def _norms(self, w: Floats) -> Floats:
        return np.stack([lengths(w[:, list(group)]) for group in self.groups], axis=1)

    def _penalty(self, w: Floats) -> Floats:
        return total(self.duality.penalty_at(self._norms(w)))

    def _eta_hat(self, w: Floats) -> Floats:
        shared, found = self.duality.eta_hat_at(self._norms(w)), np.empty_like(w)
        for column, group in enumerate(self.groups):
            found[:, list(group)] = shared[:, [column]]
        return found

    def _dual(self, eta: Floats) -> Floats:
        largest = np.stack([eta[:, list(group)].max(axis=1) for group in self.groups], axis=1)
        return total(scalar_dual(self.duality, largest))


def scalar_dual(duality: "Duality", eta: Floats) -> Floats:
    """Return f(η) of a scalar dual for 0 ≤ η ≤ ∞, elementwise; f(∞) = 2 sup Ω, or ∞ where that is not known."""
    finite = np.isfinite(eta)
    inside = duality.dual_at(np.where(finite, eta, 1.0))
    return inside if finite.all() else np.where(finite, inside, _supremum(duality))


def _supremum(duality: "Duality") -> float:
    """Return 2·sup Ω from the limit of Ω at ∞."""
    import sympy as sp

    from etatrick.theory.pieces import formula_near
    from etatrick.theory.symbols import w

    if duality.penalty is None:
        raise InputError("eta", "holds ∞, where f has no value without a closed form of Ω", "pass finite scales")
    return float(2 * sp.limit(formula_near(duality.penalty, sp.oo), w, sp.oo))


def _scalar_latex(duality: "Duality") -> str:
    import sympy as sp

    from etatrick.theory.symbols import w

    if duality.penalty is None:
        return r"\text{no closed form}"
    return str(sp.latex(duality.penalty.subs(w, sp.Symbol("r", positive=True))))
