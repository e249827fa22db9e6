"""Rules that look at ranks: magnitude pruning keeps the largest weights, targeted dropout masks the smallest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.vector.arguments import chord, flat_start, theorem
from etatrick.theory.vector.base import Floats, VectorDuality, aligned, total

if TYPE_CHECKING:
    from etatrick.theory.verdict import Verdict


def _check_k(k: Any) -> None:
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1:
        raise InputError(f"k = {k}", "k is the number of weights kept, an integer ≥ 1", "choose e.g. k=2")


def _check_room(k: int, length: int) -> None:
    if k > length:
        raise InputError(f"k = {k}", f"the vectors have only {length} weights", f"choose k ≤ {length}")


def _is_kept(w: Floats, k: int) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """Mark the k largest magnitudes of each row; among equals the first."""
    order = np.argsort(-np.abs(w), axis=1, kind="stable")
    kept = np.zeros(w.shape, dtype=np.bool_)
    np.put_along_axis(kept, order[:, :k], True, axis=1)
    return kept


def _neighbours(k: int) -> tuple[Floats, Floats]:
    """Return two vectors with k ones each whose middle has k+1 nonzero entries."""
    return np.r_[np.ones(k), 0.0], np.r_[0.0, np.ones(k)]


@final
@dataclass(frozen=True)
class TopK(VectorDuality):
    r"""Magnitude pruning: the k largest weights are always retained, the others never.

    .. math:: \Omega(w) = \begin{cases} 0 & \lVert w\rVert_0 \le k \\ \infty & \text{else} \end{cases}, \qquad
              \hat\eta_i(w) = \begin{cases} \infty & i \text{ among the } k \text{ largest } |w_i| \\ 0 & \text{else}
              \end{cases}, \qquad
              f(\eta) = \begin{cases} 0 & \lVert\eta\rVert_0 \le k \\ \infty & \text{else} \end{cases}

    The reweighted step is then iterative hard thresholding (Blumensath, Davies 2009). Among equal magnitudes the
    first are kept.

    Parameters
    ----------
    k : int
        How many weights are kept, k ≥ 1.

    Raises
    ------
    InputError
        If k is no integer ≥ 1, or exceeds the length of the vectors.

    Examples
    --------
    >>> TopK(1).alpha_at([3.0, -4.0, 0.0], lam=1.0).tolist()
    [0.0, 1.0, 0.0]
    >>> TopK(1).penalty_at([[0.0, -4.0], [3.0, -4.0]]).tolist()
    [0.0, inf]
    """

    k: int

    def __post_init__(self) -> None:
        _check_k(self.k)

    @property
    def conditions(self) -> "Mapping[str, Verdict]":
        """Verdicts by name; see :class:`VectorDuality`."""
        limit = "as retain → 0 the trimmed ridges rise to Ω, and the inequality of concavity passes to the limit"
        cone = "the number of nonzero weights does not change with t: Ω(tw) = tᵖ Ω(w) for every p > 0"
        return {
            "subquadratic": theorem("limit of concave functions", limit + " (in the extended sense: Ω may be ∞)"),
            "convex": chord(self, *_neighbours(self.k)),
            "homogeneous": theorem("indicator of a cone", cone),
            "exact_zeros": flat_start(self, _neighbours(self.k)[0]),
        }

    def latex(self) -> str:
        """Return Ω, η̂ and f in LaTeX."""
        return aligned(
            rf"\begin{{cases}}0 & \lVert w\rVert_0\le {self.k}\\ \infty & \text{{else}}\end{{cases}}",
            rf"\begin{{cases}}\infty & \text{{for the {self.k} largest }} |w_i|\\ 0 & \text{{else}}\end{{cases}}",
            rf"\begin{{cases}}0 & \lVert\eta\rVert_0\le {self.k}\\ \infty & \text{{else}}\end{{cases}}",
        )

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        _check_room(self.k, shape[0])

    def _penalty(self, w: Floats) -> Floats:
        return np.where((w != 0).sum(axis=1) <= self.k, 0.0, np.inf)

    def _eta_hat(self, w: Floats) -> Floats:
        return np.where(_is_kept(w, self.k), np.inf, 0.0)

    def _dual(self, eta: Floats) -> Floats:
        return np.where((eta != 0).sum(axis=1) <= self.k, 0.0, np.inf)


@final
@dataclass(frozen=True)
class TrimmedRidge(VectorDuality):
    r"""Targeted dropout: the k largest weights are retained, each other one with probability `retain`.

    .. math:: \Omega(w) = \frac{1}{2\eta_0} \sum_{i>k} |w|_{(i)}^2, \qquad
              \hat\eta_i(w) = \begin{cases} \infty & i \text{ among the } k \text{ largest } |w_i| \\
              \eta_0 & \text{else} \end{cases}, \qquad
              f(\eta) = \begin{cases} 0 & \eta_i \le \eta_0 \text{ for all but } k \text{ of them} \\
              \infty & \text{else} \end{cases}

    with η₀ = retain/(1−retain): at λ = 1 the masked weights have α = retain. Targeted dropout: Gomez et al. 2019,
    with masks rescaled to mean 1. Ω is the squared distance to the k-sparse vectors over 2η₀.

    Parameters
    ----------
    k : int
        How many weights are kept, k ≥ 1.
    retain : float
        Retain probability of the others, 0 < retain < 1.

    Raises
    ------
    InputError
        If k is no integer ≥ 1 or exceeds the length of the vectors, or retain is not in (0, 1).

    Examples
    --------
    >>> rule = TrimmedRidge(1, retain=0.5)
    >>> float(rule.penalty_at([3.0, -4.0])), rule.alpha_at([3.0, -4.0], lam=1.0).tolist()
    (4.5, [0.5, 1.0])
    """

    k: int
    retain: float

    def __post_init__(self) -> None:
        _check_k(self.k)
        if not isinstance(self.retain, float | np.floating) or not 0 < self.retain < 1:
            raise InputError(f"retain = {self.retain}", "the rule is 0 < retain < 1", "choose e.g. retain=0.5")

    @property
    def scale(self) -> float:
        """The scale η₀ = retain/(1−retain) of the masked weights."""
        return float(self.retain / (1 - self.retain))

    @property
    def conditions(self) -> "Mapping[str, Verdict]":
        """Verdicts by name; see :class:`VectorDuality`."""
        a, b = _neighbours(self.k)
        least = "Ω(√u) = min over sets S of d−k indices of Σ_S u_i/(2η₀), with coefficients ≥ 0"
        return {
            "subquadratic": theorem("minimum of nondecreasing linear functions", least),
            "convex": chord(self, a, b),
            "homogeneous": theorem("squares of homogeneous functions", "ordered magnitudes scale with w; degree 2"),
            "exact_zeros": flat_start(self, a + b),
        }

    def latex(self) -> str:
        """Return Ω, η̂ and f in LaTeX."""
        scale = rf"\eta_0 = {self.scale:.6g}"
        return aligned(
            rf"\frac{{1}}{{2\eta_0}}\sum_{{i>{self.k}}}|w|_{{(i)}}^2,\quad {scale}",
            rf"\begin{{cases}}\infty & \text{{for the {self.k} largest }} |w_i|\\ \eta_0 & \text{{else}}\end{{cases}}",
            rf"\begin{{cases}}0 & \eta_i\le\eta_0\text{{ for all but {self.k}}}\\ \infty & \text{{else}}\end{{cases}}",
        )

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        _check_room(self.k, shape[0])

    def _penalty(self, w: Floats) -> Floats:
        return total(np.where(_is_kept(w, self.k), 0.0, w**2)) / (2 * self.scale)

    def _eta_hat(self, w: Floats) -> Floats:
        return np.where(_is_kept(w, self.k), np.inf, self.scale)

    def _dual(self, eta: Floats) -> Floats:
        return np.where((eta > self.scale).sum(axis=1) <= self.k, 0.0, np.inf)
