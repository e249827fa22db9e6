"""What is to be minimised: a task of the working-set engine, seen group by group, with a charge on the groups."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.numerics.groups.charges import Charge, read_charge
from etatrick.numerics.working_set.curve import Affine
from etatrick.numerics.working_set.design import Dense, Design, read_design
from etatrick.numerics.working_set.task import Task, pose_task

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]


@final
@dataclass(frozen=True, eq=False)
class GroupTask:
    """Minimise Σ v ℓ(y, Xw + b + o) + λΩ(w); vectors of weights are kept group after group.

    Parameters
    ----------
    task : Task
        The data and the loss; its own curve and λ are not used.
    charge : Charge
        λΩ.
    order : ndarray of int, shape (d,)
        The columns of X in the order kept here.
    """

    task: Task
    charge: Charge
    order: "Indices"

    @cached_property
    def sorted(self) -> bool:
        """Whether the order is that of X."""
        return bool((self.order == np.arange(len(self.order))).all())

    def correlate(self, u: "Floats") -> "Floats":
        """Return Xᵀu."""
        found = self.task.design.correlate(u)
        return found if self.sorted else found[self.order]

    def columns(self, members: "Indices") -> "Floats":
        """Return columns of X as a dense array in Fortran order."""
        return self.task.design.columns(self.order[members])

    def fill(self, out: "Floats", members: "Indices") -> None:
        """Write columns of X into an array in Fortran order."""
        design, chosen = self.task.design, self.order[members]
        if isinstance(design, Dense):
            np.take(design.matrix.T, chosen, axis=0, out=out.T, mode="clip")  # "raise" would copy once more
        else:
            out[:] = design.columns(chosen)

    @cached_property
    def null_pull(self) -> "Floats":
        """Minus the gradient in w of the data term at the model without X."""
        return self.correlate(self.task.residual(self.task.null[1]))

    @cached_property
    def scale(self) -> float:
        """The largest entry of that gradient, 1 if it is 0."""
        return float(np.abs(self.null_pull).max()) or 1.0

    @property
    def deviance(self) -> float:
        """The deviance of the model without X, to which gaps are relative."""
        return self.task.null[3]

    def at(self, lam: float) -> "GroupTask":
        """Return the same problem at another λ."""
        return self.under(self.charge.at(lam))

    def under(self, charge: Charge) -> "GroupTask":
        """Return the same problem with another charge, with what is known of the model without X."""
        other = replace(self, charge=charge)
        other.__dict__.update(null_pull=self.null_pull, scale=self.scale)
        return other

    def told(self, w: "Floats") -> "Floats":
        """Return weights in the order of X."""
        if self.sorted:
            return w
        coef = np.empty_like(w)
        coef[self.order] = w
        return coef


def pose_groups(
    X: Any, y: "ArrayLike", penalty: Any, lam: float, loss: Any, fit_intercept: bool, sample_weight: Any, offset: Any
) -> GroupTask:
    """Check everything and return the problem.

    Raises
    ------
    InputError
        As :func:`etatrick.numerics.working_set.task.pose_task`; also if the penalty is none on groups of the columns.
    """
    design = _design(X)
    n, d = design.shape
    # the rows are checked without X, whose finiteness shows in the first product with it
    bare = pose_task(np.ones((n, 1)), y, Affine.of(1.0, 0.0), lam, loss, fit_intercept, sample_weight, offset)
    charge, order = read_charge(penalty, d)
    posed = GroupTask(replace(bare, design=design), charge.at(float(lam)), order)
    with np.errstate(over="ignore", invalid="ignore"):
        finite = bool(np.isfinite(posed.null_pull).all())
    if not finite:
        read_design(X)
    return posed


def _design(X: Any) -> Design:
    plain = isinstance(X, np.ndarray) and X.dtype == np.float64 and X.ndim == 2 and min(X.shape) > 0
    return Dense(X) if plain else read_design(X)
