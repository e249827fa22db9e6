"""Newton's linear systems on all weights of several outputs: factors where they are small, else conjugate gradients."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.outputs.entropy_model import entropy_model
from etatrick.numerics.outputs.responses import CrossEntropy, class_curvature
from etatrick.numerics.outputs.row_model import Shared
from etatrick.numerics.working_set.design import Sparse
from etatrick.numerics.working_set.factors import positive_solve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.outputs.posing import OutputsTask

    Floats = NDArray[np.float64]

FACTORED = 1500  # unknowns up to which the Hessian is formed
ITERATIONS = 1000
DAMPING = 1e-11  # of the mean squared column, keeps singular systems solvable


@final
@dataclass(frozen=True, eq=False)
class AtomHessian:
    """The penalty's part: Δ ↦ c∘Δ − e∘U⟨U, Δ⟩, with c of shape (d, K) and e, rows of U, 0 where entries are meant."""

    c: "Floats"
    e: "Floats"
    U: "Floats"

    def times(self, D: "Floats") -> "Floats":
        """Return the product with a (d, K) matrix."""
        return np.asarray(self.c * D - (self.e * np.einsum("jk,jk->j", self.U, D))[:, None] * self.U, dtype=np.float64)


def smooth_step(
    task: "OutputsTask", theta: "Floats", penalty: AtomHessian, force: "Floats", precision: float
) -> "Floats | None":
    """Return the step in W against minus the gradient `force`, the intercepts eliminated; None if not positive."""
    n, d = task.design.shape
    K = force.shape[1]
    small = d <= n and d * K <= FACTORED and not isinstance(task.design, Sparse)
    if isinstance(task.response, CrossEntropy):
        return _factored(task, theta, penalty, force) if small else _iterated(task, theta, penalty, force, precision)
    if d <= n and bool((penalty.c == penalty.c[:, :1]).all()):
        G = task.design.gram(task.weights, task.mean)
        return Shared(G).newton(np.arange(d), penalty.c[:, 0], penalty.e, penalty.U, force)
    return _iterated(task, theta, penalty, force, precision)


def _factored(task: "OutputsTask", theta: "Floats", penalty: AtomHessian, force: "Floats") -> "Floats | None":
    d, K = force.shape
    rows, classes = np.tile(np.arange(d), K), np.repeat(np.arange(K), d)
    balance = np.zeros(K) if task.intercept else None
    P = task.response.means(theta)
    blocks = entropy_model(task.design.matrix - task.mean, P, task.weights, rows, classes, balance).H.reshape(
        K, d, K, d
    )
    at = np.arange(d)
    outer = penalty.e[:, None, None] * penalty.U[:, :, None] * penalty.U[:, None, :]
    blocks[:, at, :, at] -= outer
    H = blocks.reshape(K * d, K * d)
    # shifts of a row by a constant are flat without a penalty; the force has no part along them
    H.flat[:: K * d + 1] += penalty.c.T.reshape(-1) + DAMPING * H.diagonal().mean()
    step = positive_solve(H, force.T.reshape(-1))
    return None if step is None else np.asarray(step.reshape(K, d).T, dtype=np.float64)


def _iterated(
    task: "OutputsTask", theta: "Floats", penalty: AtomHessian, force: "Floats", precision: float
) -> "Floats | None":
    """Return the step by conjugate gradients, preconditioned by one (XᵀDX + c)⁻¹ for all outputs."""
    P = task.response.means(theta) if isinstance(task.response, CrossEntropy) else None
    times = _operator(task, P, penalty)
    bend = np.ones(len(theta)) if P is None else np.maximum((P * (1 - P)).mean(axis=1), 1e-8)
    precondition = _preconditioner(task, task.weights * bend, penalty)
    step, residual = np.zeros_like(force), force.copy()
    z = precondition(residual)
    direction, product = z, float(np.einsum("jk,jk", residual, z))
    goal = precision**2 * product
    for _ in range(ITERATIONS):
        if product <= goal:
            break
        image = times(direction)
        bent = float(np.einsum("jk,jk", direction, image))
        if bent <= 0:
            return step if step.any() else None
        size = product / bent
        step += size * direction
        residual -= size * image
        z = precondition(residual)
        product, previous = float(np.einsum("jk,jk", residual, z)), product
        direction = z + (product / previous) * direction
    return step


def _operator(task: "OutputsTask", P: "Floats | None", penalty: AtomHessian) -> "Callable[[Floats], Floats]":
    v = task.weights[:, None]
    H = class_curvature(P, task.weights) if P is not None and task.intercept else None

    def bent(T: "Floats") -> "Floats":
        return T if P is None else P * (T - np.einsum("ik,ik->i", P, T)[:, None])

    def times(D: "Floats") -> "Floats":
        T = np.asarray(task.design.matrix @ D, dtype=np.float64)
        if task.intercept:
            total = task.weights @ bent(T)
            T = T - (total / task.weights.sum() if H is None else np.linalg.solve(H, total))
        return task.correlate(v * bent(T)) + penalty.times(D)

    return times


def _preconditioner(task: "OutputsTask", D: "Floats", penalty: AtomHessian) -> "Callable[[Floats], Floats]":
    from scipy.linalg import cho_factor, cho_solve

    n, d = task.design.shape
    size = float(task.design.squares(D).mean()) or 1.0
    c = np.maximum(penalty.c.mean(axis=1), 1e-8 * size)
    if d <= n:
        G = task.design.gram(D, np.zeros(d))
        G.flat[:: d + 1] += c
        factor = cho_factor(G, lower=True, check_finite=False)
        return lambda R: np.asarray(cho_solve(factor, R, check_finite=False), dtype=np.float64)
    root = np.sqrt(D)
    M = root[:, None] * task.design.outer(1 / c) * root
    M.flat[:: n + 1] += 1
    factor = cho_factor(M, lower=True, check_finite=False)

    def solve(R: "Floats") -> "Floats":
        scaled = R / c[:, None]
        inner = cho_solve(factor, root[:, None] * np.asarray(task.design.matrix @ scaled), check_finite=False)
        return np.asarray(scaled - task.correlate(root[:, None] * inner) / c[:, None], dtype=np.float64)

    return solve
