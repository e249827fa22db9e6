"""Quadratic models with penalties on rows: min ½⟨W, HW⟩ − ⟨C, W⟩ + Σ φ_j(‖W_j‖) by block descent and Newton steps."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.working_set.factors import positive_solve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.outputs.radial import Radial

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

ROUNDS = 200
PATIENCE = 8
ROUNDING = 1e-13  # of the largest entry of C: without progress, violations below it are left
HALVINGS = 6
DAMPINGS = (0.0, 1e-9, 1e-6, 1e-3, 1.0)  # of the mean curvature; flat directions, as of equal columns, need one


class Hessian(ABC):
    """A positive semidefinite H on matrices of shape (m, K)."""

    @abstractmethod
    def times(self, W: "Floats") -> "Floats":
        """Return HW."""

    @abstractmethod
    def of_row(self, j: int, change: "Floats") -> "Floats":
        """Return H applied to a matrix that is `change` in row j and 0 elsewhere."""

    @property
    @abstractmethod
    def bounds(self) -> "Floats":
        """The largest eigenvalue of every diagonal block, shape (m,)."""

    def sweep(self, radial: "Radial", W: "Floats", g: "Floats", rows: "Indices") -> None:
        """Minimise over one row after another, in place, with φ replaced by its model t‖·‖ + ½ρ‖·‖² + linear."""
        hold, rest, extra = radial.split(_lengths(W))
        curvature = self.bounds + extra
        for j in rows:
            bound = float(curvature[j])
            if bound <= 0:
                continue
            w = W[j]
            a = (bound - float(rest[j])) * w + g[j]
            size = sqrt(float(a @ a))
            t = float(hold[j])
            new = a * ((1 - t / size) / bound) if size > t else np.zeros_like(w)
            change = new - w
            if change.any():
                g -= self.of_row(int(j), change)
                W[j] = new

    @abstractmethod
    def newton(self, rows: "Indices", c: "Floats", e: "Floats", U: "Floats", F: "Floats") -> "Floats | None":
        """Return Δ with (HΔ)_j + c_jΔ_j − e_j u_j⟨u_j, Δ_j⟩ = F_j on the rows given, None if not definite."""


@final
@dataclass(frozen=True, eq=False)
class Shared(Hessian):
    """G ⊗ I: the same Gram matrix for every output, as the squared loss has it."""

    G: "Floats"

    def times(self, W: "Floats") -> "Floats":
        """Return GW."""
        used = np.flatnonzero(W.any(axis=1))
        return np.asarray(self.G[:, used] @ W[used] if 2 * len(used) < len(W) else self.G @ W, dtype=np.float64)

    def of_row(self, j: int, change: "Floats") -> "Floats":
        """Return the outer product of a column of G and the change."""
        return np.asarray(self.G[j][:, None] * change, dtype=np.float64)

    @property
    def bounds(self) -> "Floats":
        """The diagonal of G."""
        return np.asarray(self.G.diagonal(), dtype=np.float64)

    def newton(self, rows: "Indices", c: "Floats", e: "Floats", U: "Floats", F: "Floats") -> "Floats | None":
        """Return Δ by a correction of rank a to (G + diag c) ⊗ I (Woodbury): systems of a unknowns, not aK."""
        from scipy.linalg.lapack import dpotrf, dpotri, dpotrs

        M = self.G[np.ix_(rows, rows)]
        M.flat[:: len(rows) + 1] += np.maximum(c, c - e)  # where e < 0 a majoriser, so that the correction stays real
        diagonal = M.diagonal().copy()
        factor, info = dpotrf(M.T, lower=1, clean=0, overwrite_a=1)
        if info != 0 or bool((factor.diagonal() ** 2 <= 1e-14 * diagonal).any()):
            return None
        first, _ = dpotrs(factor, F, lower=1)
        root = np.sqrt(np.maximum(e, 0.0))
        S, _ = dpotri(factor.copy(order="F"), lower=1, overwrite_c=1)  # its lower triangle; no other is needed
        V = root[:, None] * U
        S *= V @ -V.T
        S.flat[:: len(rows) + 1] += 1.0
        inner = positive_solve(S.T, np.einsum("jk,jk->j", V, first))
        if inner is None:
            return None
        return np.asarray(first + dpotrs(factor, inner[:, None] * V, lower=1)[0], dtype=np.float64)


@final
@dataclass(frozen=True, eq=False)
class Full(Hessian):
    """Any H, as a matrix of shape (K, m, K, m)."""

    H: "Floats"

    @cached_property
    def _flat(self) -> "Floats":
        K, m = self.H.shape[:2]
        return self.H.reshape(K * m, K * m)

    def times(self, W: "Floats") -> "Floats":
        """Return HW."""
        return np.asarray((self._flat @ W.T.reshape(-1)).reshape(W.shape[::-1]).T, dtype=np.float64)

    def of_row(self, j: int, change: "Floats") -> "Floats":
        """Return the part of H that belongs to row j times the change."""
        return np.asarray(np.tensordot(change, self.H[:, j], axes=1).T, dtype=np.float64)

    @cached_property
    def bounds(self) -> "Floats":
        """The largest eigenvalue of every block of K × K."""
        blocks = np.einsum("kjlj->jkl", self.H)
        return np.asarray(np.linalg.eigvalsh(blocks)[:, -1], dtype=np.float64)

    def newton(self, rows: "Indices", c: "Floats", e: "Floats", U: "Floats", F: "Floats") -> "Floats | None":
        """Return Δ by Cholesky's factors of the matrix of aK unknowns."""
        K, a = self.H.shape[0], len(rows)
        every = np.arange(K)
        H = self.H[np.ix_(every, rows, every, rows)]
        at = np.arange(a)
        H[:, at, :, at] += c[:, None, None] * np.eye(K) - e[:, None, None] * U[:, :, None] * U[:, None, :]
        step = positive_solve(H.reshape(K * a, K * a), F.T.reshape(-1))
        return None if step is None else np.asarray(step.reshape(K, a).T, dtype=np.float64)


def minimise_rows(H: Hessian, C: "Floats", radial: "Radial", W: "Floats", tol: float) -> "Floats":
    """Return a stationary point of ½⟨W, HW⟩ − ⟨C, W⟩ + Σ φ_j(‖W_j‖), reached from W by descent.

    Block coordinate descent finds which rows are 0; Newton steps on the others, on which the objective is smooth, end
    it. For convex φ the point is the minimum.

    Parameters
    ----------
    H : Hessian
    C, W : ndarray, shape (m, K)
    radial : Radial
        The functions φ_j.
    tol : float
        Largest violation of stationarity, by a row, to accept.

    Examples
    --------
    >>> from etatrick.numerics.outputs.radial import Tangents
    >>> minimise_rows(Shared(np.eye(1)), np.array([[3.0, 4.0]]), Tangents(np.ones(1)), np.zeros((1, 2)), 1e-12)
    array([[2.4, 3.2]])
    """
    W, g = W.copy(), C - H.times(W)
    least, idle, due = np.inf, 0, False
    negligible = ROUNDING * float(np.abs(C).max(initial=0.0))
    for _ in range(ROUNDS):
        r, excess = violations(W, g, radial)
        worst = float(excess.max(initial=0.0))
        if worst <= tol:
            break
        idle = 0 if worst < 0.9 * least else idle + 1
        least = min(least, worst)
        if idle >= PATIENCE or (idle > 0 and worst <= negligible):
            break
        entering = (r == 0) & (excess > 0)
        if due or entering.any():
            H.sweep(radial, W, g, np.flatnonzero(entering | (r > 0)) if due else np.flatnonzero(entering))
            g = C - H.times(W)
            r, excess = violations(W, g, radial)
            worst = float(excess.max(initial=0.0))
        moved = _newton_step(H, C, radial, W, g, r)
        due = True
        if moved is not None:
            W, g = moved
            due = float(violations(W, g, radial)[1].max(initial=0.0)) > 0.3 * worst
    return W


def violations(W: "Floats", g: "Floats", radial: "Radial") -> "tuple[Floats, Floats]":
    """Return the lengths of the rows, and how far `g` is from ∂φ at every row."""
    r = _lengths(W)
    slope = radial.slope(r)
    size = _lengths(g)
    found = np.maximum(size - slope, 0.0)
    on = np.flatnonzero(r)
    away = g[on] - (slope[on] / r[on])[:, None] * W[on]
    found[on] = _lengths(away)
    return r, found


def _newton_step(
    H: Hessian, C: "Floats", radial: "Radial", W: "Floats", g: "Floats", r: "Floats"
) -> "tuple[Floats, Floats] | None":
    """Return the point a Newton step on the rows that are not 0 away, with those that pass 0 set to it, or halved."""
    rows = np.flatnonzero(r)
    if len(rows) == 0:
        return None
    size = r[rows]
    U = W[rows] / size[:, None]
    slope, bend = radial.slope(r)[rows], radial.bend(r)[rows]
    F = g[rows] - slope[:, None] * U
    c = slope / size
    mean = float(H.bounds[rows].mean())
    tries = [(bend, 0.0)] + [(np.maximum(bend, 0.0), damping) for damping in DAMPINGS]  # concave φ: its tangents next
    for curvature, damping in tries if (bend < 0).any() else tries[1:]:
        step = H.newton(rows, c + damping * mean, c - curvature, U, F)
        if step is not None and np.isfinite(step).all() and float(np.einsum("jk,jk", F, step)) > 0:
            found = _searched(H, C, radial, W, g, rows, step)
            if found is not None:
                return found
    return None


def _searched(
    H: Hessian, C: "Floats", radial: "Radial", W: "Floats", g: "Floats", rows: "Indices", step: "Floats"
) -> "tuple[Floats, Floats] | None":
    """Return the point at the end of the step with the rows that pass 0 set to it, or on the step halved."""
    here = _model(W, C, g, radial)
    slack = 1e-15 * (abs(here) + float(np.abs(C * W).sum()))
    there = W[rows] + step
    passed = np.einsum("jk,jk->j", there, W[rows]) <= 0
    if passed.any():
        there[passed] = 0.0
        found = _put(H, C, W, rows, there)
        if _model(found[0], C, found[1], radial) <= here + slack:
            return found
    for halving in range(HALVINGS):
        found = _put(H, C, W, rows, W[rows] + 0.5**halving * step)
        if _model(found[0], C, found[1], radial) <= here + slack:
            return found
    return None


def _put(H: Hessian, C: "Floats", W: "Floats", rows: "Indices", values: "Floats") -> "tuple[Floats, Floats]":
    moved = W.copy()
    moved[rows] = values
    return moved, C - H.times(moved)


def _model(W: "Floats", C: "Floats", g: "Floats", radial: "Radial") -> float:
    """Return the value of the model at W, where g = C − HW."""
    r = _lengths(W)
    return -0.5 * float(np.einsum("jk,jk", W, C + g)) + float(radial.value(r).sum())


def _lengths(W: "Floats") -> "Floats":
    return np.asarray(np.sqrt((W * W).sum(axis=1)), dtype=np.float64)
