"""The Hessian of several outputs on many rows through products with the columns: systems of n unknowns at most."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.outputs.responses import class_curvature
from etatrick.numerics.outputs.row_model import Hessian

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.outputs.radial import Radial

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

ITERATIONS = 400
GRADIENTS = 20  # proximal steps in place of a sweep
POWERS = 20
PRECISE = 1e-12  # of the first residual, squared, at which conjugate gradients end


@final
@dataclass(frozen=True, eq=False)
class Implicit(Hessian):
    """AᵀV(S ⊗ ·)A with S = I for squared errors, diag p − ppᵀ for probabilities, the intercepts eliminated.

    Parameters
    ----------
    columns : ndarray, shape (n, m)
        Centred by the weighted means where there are intercepts.
    weights : ndarray, shape (n,)
    P : ndarray, shape (n, K), or None
        Probabilities; None for squared errors.
    intercept : bool
    """

    columns: "Floats"
    weights: "Floats"
    P: "Floats | None"
    intercept: bool

    @cached_property
    def _inverse(self) -> "Floats":
        if self.P is None:
            raise ValueError("the intercepts of squared errors need no elimination where columns are centred")
        return np.asarray(np.linalg.inv(class_curvature(self.P, self.weights)), dtype=np.float64)

    def _relieved(self, T: "Floats") -> "Floats":
        """Return T less what the intercepts take over."""
        if self.P is None or not self.intercept:
            return T
        return T - self._inverse @ (self.weights @ self._bent(T))

    def settled(self, balance: "Floats") -> "Floats":
        """Return the step in b against minus the gradient in b."""
        return np.asarray(self._inverse @ balance, dtype=np.float64)

    def coupled(self, settle: "Floats") -> "Floats":
        """Return what a step in b takes from minus the gradient in the rows."""
        constant = np.broadcast_to(settle, (len(self.weights), len(settle)))
        return np.asarray(self.columns.T @ (self.weights[:, None] * self._bent(constant)), dtype=np.float64)

    def followed(self, step: "Floats") -> "Floats":
        """Return by how much b falls as the rows take a step."""
        return np.asarray(self._inverse @ (self.weights @ self._bent(self.columns @ step)))

    def _bent(self, T: "Floats") -> "Floats":
        return T if self.P is None else np.asarray(self.P * (T - (self.P * T).sum(axis=1, keepdims=True)))

    def _on(self, A: "Floats", D: "Floats") -> "Floats":
        T = self._relieved(A @ D)
        return np.asarray(A.T @ (self.weights[:, None] * self._bent(T)), dtype=np.float64)

    def times(self, W: "Floats") -> "Floats":
        """Return HW, from the columns where W is not 0."""
        used = np.flatnonzero(W.any(axis=1))
        T = self._relieved(self.columns[:, used] @ W[used])
        return np.asarray(self.columns.T @ (self.weights[:, None] * self._bent(T)), dtype=np.float64)

    def of_row(self, j: int, change: "Floats") -> "Floats":
        """Return H applied to a matrix of one row."""
        W = np.zeros((self.columns.shape[1], len(change)))
        W[j] = change
        return self.times(W)

    @cached_property
    def bounds(self) -> "Floats":
        """At least the largest eigenvalue of every diagonal block: diag p − ppᵀ is at most ½."""
        squares = np.einsum("ij,ij,i->j", self.columns, self.columns, self.weights)
        return np.asarray(squares if self.P is None else squares / 2, dtype=np.float64)

    @cached_property
    def _steepness(self) -> float:
        D = self.weights if self.P is None else self.weights / 2
        vector = np.cos(np.arange(self.columns.shape[1]))
        size = 0.0
        for _ in range(POWERS):
            vector = self.columns.T @ (D * (self.columns @ (vector / np.linalg.norm(vector))))
            size = float(np.linalg.norm(vector))
        return 1.1 * size

    def sweep(self, radial: "Radial", W: "Floats", g: "Floats", rows: "Indices") -> None:
        """Take proximal gradient steps on the rows given, in place."""
        A, part, pull = self.columns[:, rows], W[rows], g[rows]
        for _ in range(GRADIENTS):
            lengths = np.zeros(len(W))
            lengths[rows] = np.sqrt((part * part).sum(axis=1))
            hold, rest, extra = (values[rows] for values in radial.split(lengths))
            bound = self._steepness + float(extra.max(initial=0.0))
            a = (bound - rest)[:, None] * part + pull
            size = np.sqrt((a * a).sum(axis=1))
            with np.errstate(divide="ignore", invalid="ignore"):
                kept = np.where(size > hold, (1 - hold / size) / bound, 0.0)
            step = kept[:, None] * a - part
            part = part + step
            pull = pull - self._on(A, step)
        W[rows] = part

    def newton(self, rows: "Indices", c: "Floats", e: "Floats", U: "Floats", F: "Floats") -> "Floats | None":
        """Return Δ by conjugate gradients, preconditioned by one (AᵀDA + diag c)⁻¹ for all outputs."""
        A = self.columns[:, rows]
        precondition = self._preconditioner(A, np.maximum(c, c - e))
        step, residual = np.zeros_like(F), F.copy()
        direction = precondition(residual)
        product = float((residual * direction).sum())
        goal = PRECISE * product
        for _ in range(ITERATIONS):
            if product <= goal:
                break
            image = self._on(A, direction) + c[:, None] * direction
            image -= (e * (U * direction).sum(axis=1))[:, None] * U
            bent = float((direction * image).sum())
            if bent <= 0:
                return None
            size = product / bent
            step += size * direction
            residual -= size * image
            z = precondition(residual)
            product, previous = float((residual * z).sum()), product
            direction = z + (product / previous) * direction
        return step

    def _preconditioner(self, A: "Floats", c: "Floats") -> "Callable[[Floats], Floats]":
        from scipy.linalg import cho_factor, cho_solve

        D = self.weights if self.P is None else self.weights * np.maximum((self.P * (1 - self.P)).mean(axis=1), 1e-8)
        c = np.maximum(c, 1e-10 * float(self.bounds.mean()))
        root = np.sqrt(D)[:, None]
        scaled = root * A
        M = (scaled / c) @ scaled.T
        M.flat[:: len(M) + 1] += 1
        factor = cho_factor(M, lower=True, check_finite=False)

        def solve(R: "Floats") -> "Floats":
            first = R / c[:, None]
            inner = cho_solve(factor, scaled @ first, check_finite=False)
            return np.asarray(first - (scaled.T @ inner) / c[:, None], dtype=np.float64)

        return solve
