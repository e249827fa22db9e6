"""Model steps for the cross-entropy with a penalty on rows: the exact Hessian, with the penalty or its tangents."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.outputs.entropy_model import entropy_model
from etatrick.numerics.outputs.implicit import Implicit
from etatrick.numerics.outputs.radial import Radial, Scaled, Tangents
from etatrick.numerics.outputs.row_model import Full, Hessian, minimise_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.outputs.entropy_local import LocalOutputs

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

FORMED = 2500  # entries up to which their Hessian is formed


@final
@dataclass(frozen=True, eq=False)
class RowsModel:
    """The quadratic model over chosen rows.

    Parameters
    ----------
    chosen : ndarray of int, shape (m,)
    hessian : Hessian
    force : ndarray, shape (m, K)
        Minus the gradient of the data term, the intercepts eliminated.
    intercepts : callable
        From a step in the rows to the step in b.
    """

    chosen: "Indices"
    hessian: Hessian
    force: "Floats"
    intercepts: "Callable[[Floats], Floats]"


def rows_step(local: "LocalOutputs", excess: "Floats", goal: float) -> "LocalOutputs":
    """Minimise the quadratic model with the penalty over the rows, and go there as far as the objective falls."""
    task = local.task
    lengths = task.arrangement.sizes(local.W)
    chosen = np.flatnonzero((lengths > 0) | (excess > 0))
    pull, balance = local.pull()
    form = _formed if len(chosen) * local.W.shape[1] <= FORMED else _implicit
    model = form(local, chosen, pull[chosen], balance)
    own: Radial = Scaled(task.arrangement.curve, task.lam)
    found = _towards(local, model, own, pull[chosen], balance, goal)
    if found is None and not task.arrangement.curve.convex:
        found = _towards(local, model, Tangents(own.slope(lengths[chosen])), pull[chosen], balance, goal)
    return local if found is None else found


def _formed(local: "LocalOutputs", chosen: "Indices", pull: "Floats", balance: "Floats | None") -> RowsModel:
    task, K, m = local.task, local.W.shape[1], len(chosen)
    rows, classes = np.tile(np.arange(m), K), np.repeat(np.arange(K), m)
    P = task.response.means(local.theta)
    model = entropy_model(local.columns[:, chosen], P, task.weights, rows, classes, balance)
    return RowsModel(chosen, Full(model.H.reshape(K, m, K, m)), pull - model.coupling.reshape(K, m).T,
                     lambda step: model.intercepts(step.T.reshape(-1)))  # fmt: skip


def _implicit(local: "LocalOutputs", chosen: "Indices", pull: "Floats", balance: "Floats | None") -> RowsModel:
    task = local.task
    H = Implicit(local.columns[:, chosen], task.weights, task.response.means(local.theta), task.intercept)
    if balance is None:
        return RowsModel(chosen, H, pull, lambda step: np.zeros(step.shape[1]))
    settle = H.settled(balance)
    return RowsModel(chosen, H, pull - H.coupled(settle), lambda step: settle - H.followed(step))


def _towards(
    local: "LocalOutputs", model: RowsModel, radial: Radial, pull: "Floats", balance: "Floats | None", goal: float
) -> "LocalOutputs | None":
    W, H = local.W[model.chosen], model.hessian
    Z = minimise_rows(H, model.force + H.times(W), radial, W, goal)
    step = Z - W
    db = model.intercepts(step)
    before, after = (np.sqrt(np.einsum("jk,jk->j", M, M)) for M in (W, Z))
    rate = float((radial.value(after) - radial.value(before)).sum() - np.einsum("jk,jk", pull, step))
    rate -= float(balance @ db) if balance is not None else 0.0
    dW = np.zeros_like(local.W)
    dW[model.chosen] = step
    sure = isinstance(radial, Tangents) or local.task.arrangement.curve.convex
    return local.searched(dW, db, rate, halvings=40 if sure else 8)
