"""All best subsets: every support whose ℓ0 objective is within a tolerance of the least, by exhaustive branching."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.problem import check_lam
from etatrick.numerics.subset.exchange import Terms
from etatrick.numerics.subset.moments import Moments, pose_subsets
from etatrick.numerics.subset.search import best_support
from etatrick.numerics.subset.starts import STARTS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

WIDEST: Final = 64
NODES: Final = 200_000
SINGULAR: Final = 1e-9
FAR: Final = 1e-2
"""The least pivot from which on a matrix of unit columns is inverted instead of decomposed."""


@final
@dataclass(frozen=True, eq=False)
class BestSubsets:
    """Every support whose objective is at most `tol` above the least one, in increasing order of the objective.

    Parameters
    ----------
    supports : tuple of tuple of int
        Columns that are linearly independent and all needed.
    objectives : ndarray
        ½RSS + ½ρ‖w‖² + λ|A| of each.
    coefs : ndarray, shape (number of supports, d)
    nodes : int
        Nodes of the tree that was searched.
    """

    supports: tuple[tuple[int, ...], ...]
    objectives: "Floats"
    coefs: "Floats"
    nodes: int


def all_best_subsets(
    X: Any,
    y: "ArrayLike",
    lam: float,
    tol: float = 1e-9,
    *,
    ridge: float = 0.0,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
) -> BestSubsets:
    r"""Return all minimisers of ½‖y − Xw‖² + ½ρ‖w‖² + λ‖w‖₀, up to `tol`, by branch and bound in double precision.

    A node has columns I that are in and U that are undecided; the fit on I ∪ U bounds it by ½RSS(I ∪ U) + λ|I|. A
    column of U whose removal from that fit costs more than is left to the best value is in. Every best subset is
    optimal, with gates at 0 and 1, for the problem with Bernoulli gates at the price λ, and conversely.

    Parameters
    ----------
    X : array_like or scipy.sparse array, shape (n, d)
        At most 64 columns; dependent ones are allowed, and each of their independent choices is listed.
    y : array_like, shape (n,)
    lam : float
        λ > 0.
    tol : float
        How far above the least objective, relative to the objective at 0; 0 ≤ tol < 1.
    ridge, fit_intercept, sample_weight
        As in :func:`~etatrick.numerics.subset.subsets.best_subset`.

    Returns
    -------
    BestSubsets

    Raises
    ------
    InputError
        For unusable data, too many columns, or a search that grows beyond 200,000 nodes.

    Examples
    --------
    >>> all_best_subsets([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [2.0, 3.0], 0.5).supports
    ((0, 2), (1, 2))
    """
    check_lam(lam)
    if lam == 0:
        raise InputError("lam = 0", "leaves a plain least-squares problem", "choose a λ > 0")
    for name, value, most in (("tol", tol, 1.0), ("ridge", ridge, np.inf)):
        if not (np.ndim(value) == 0 and np.isfinite(value) and 0 <= value < most):
            raise InputError(f"{name} = {value}", f"must be a number from 0 to {most:g}", "leave it out")
    moments = pose_subsets(X, y, fit_intercept, sample_weight)
    if moments.d > WIDEST:
        raise InputError(f"X with {moments.d} columns", f"at most {WIDEST} are enumerated", "use l0_minimum")
    return _Tree(moments, float(lam), float(ridge), float(tol)).run()


@final
class _Tree:
    """The search: nodes are pairs of columns that are in and columns that are undecided."""

    def __init__(self, moments: Moments, lam: float, ridge: float, tol: float) -> None:
        self.moments, self.lam = moments, lam
        self.start = moments.constant / 2
        self.gram = moments.cross(moments.columns(np.arange(moments.d))) + ridge * np.eye(moments.d)
        self.slack = (tol + 1e-12) * (self.start or 1.0)
        known = best_support(moments, ridge, Terms(lam, moments.d), STARTS)[0]
        self.best = known.value + lam * known.size
        self.found: dict[tuple[int, ...], float] = {}
        self.nodes = 0

    def run(self) -> BestSubsets:
        """Search depth first; what a better value excludes later is left out at the end."""
        usable = np.flatnonzero(self.moments.squares > 0)
        stack: list[tuple[list[int], list[int]]] = [([], usable.tolist())]
        while stack:
            self.nodes += 1
            if self.nodes > NODES:
                raise InputError(f"λ = {self.lam:g}", f"leaves more than {NODES} nodes to search", "choose a larger λ")
            stack += self.treat(*stack.pop())
        kept = sorted((value, on) for on, value in self.found.items() if value <= self.best + self.slack)
        coefs = np.zeros((len(kept), self.moments.d))
        for row, (_, on) in zip(coefs, kept, strict=True):
            row[list(on)] = self.fit(list(on))[0] if on else 0.0
        return BestSubsets(tuple(on for _, on in kept), np.array([v for v, _ in kept]), coefs, self.nodes)

    def treat(self, inside: list[int], open_: list[int]) -> list[tuple[list[int], list[int]]]:
        """Bound one node, decide what its bound decides, and return its two halves."""
        while True:
            room = self.best + self.slack - self.lam * len(inside)
            _, value, costs = self.fit(inside + open_)
            if value > room:
                return []
            undecided = costs[len(inside) :]
            needed = value + undecided > room
            if not needed.any():
                break
            inside = inside + [j for j, need in zip(open_, needed, strict=True) if need]
            open_ = [j for j, need in zip(open_, needed, strict=True) if not need]
        if not open_:
            # why: a member without cost depends on the others, or its weight is 0
            if costs.min(initial=np.inf) > 1e-14 * self.start:
                total = value + self.lam * len(inside)
                self.found[tuple(sorted(inside))] = total
                self.best = min(self.best, total)
            return []
        k = int(undecided.argmax()) if undecided.max() > 0 else 0
        rest = open_[:k] + open_[k + 1 :]
        return [([*inside, open_[k]], rest), (inside, rest)]

    def fit(self, on: list[int]) -> "tuple[Floats, float, Floats]":
        """Return the weights, half the penalised RSS, and what each removal costs: 0 where it depends on the rest."""
        if not on:
            return np.empty(0), self.start, np.empty(0)
        G, b = self.gram[np.ix_(on, on)], self.moments.linear[on]
        size = np.sqrt(G.diagonal())
        known = _regular(G / np.outer(size, size), b / size)
        if known is not None:
            scaled, peaks = known
            return scaled / size, self.start - float(scaled @ (b / size)) / 2, scaled**2 / peaks / 2
        values, vectors = np.linalg.eigh(G / np.outer(size, size))
        null = values < SINGULAR
        rotated = vectors.T @ (b / size)
        scaled = np.where(null, 0.0, rotated / np.where(null, 1.0, values))
        w = vectors @ scaled / size
        peaks = ((vectors**2) / np.where(null, np.inf, values)).sum(axis=1) / size**2
        free = (vectors[:, null] ** 2).sum(axis=1) > SINGULAR
        costs = np.where(free, 0.0, w**2 / np.where(peaks > 0, peaks, np.inf) / 2)
        return w, self.start - float(rotated @ scaled) / 2, costs


def _regular(unit: "Floats", pull: "Floats") -> "tuple[Floats, Floats] | None":
    """Return the solution and the diagonal of the inverse for a matrix that is far from singular, else None."""
    try:
        pivots = np.linalg.cholesky(unit).diagonal()
    except np.linalg.LinAlgError:
        return None
    if pivots.min() < FAR:
        return None
    inverse = np.asarray(np.linalg.inv(unit), dtype=np.float64)
    return inverse @ pull, inverse.diagonal()
