"""The methods that `solve` offers, by name, and which penalties each of them takes."""

from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, get_args

from etatrick.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from etatrick.numerics.solution import Solution

Method = Literal["auto", "working_set", "reweighted_ridge", "proximal_gradient", "majorize_minimize", "subset", "cvxpy"]
Kind = Literal["coordinates", "groups", "joint", "vector"]
NAMES: Final[tuple[str, ...]] = get_args(Method)
TAKEN: Final = {
    "groups": ("auto", "working_set"),
    "joint": ("auto", "reweighted_ridge"),
    "vector": ("auto",),
}
GATHERED: Final = {
    "groups": "penalties on groups of weights",
    "joint": "penalties whose scales share a budget",
    "vector": "penalties on whole vectors",
}


class Solver(Protocol):
    """What every method is: it checks its input, solves at one λ, and certifies what it found."""

    def __call__(
        self,
        X: Any,
        y: "ArrayLike",
        penalty: Any,
        lam: float,
        loss: Any,
        *,
        fit_intercept: bool,
        sample_weight: "ArrayLike | None",
        offset: "ArrayLike | None",
        start: "ArrayLike | None",
        tol: float,
    ) -> "Solution":
        """Return the solution at one λ."""


def kind_of(penalty: Any) -> Kind:
    """Return which solvers a penalty is for: a sum over coordinates or groups, a shared budget, or any whole vector.

    Whether it is a penalty at all is for the solver to say.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> from etatrick.theory.vector.k_support import KSupport
    >>> from etatrick.theory.vector.ordered import Ordered
    >>> kind_of(penalties["l1"](k=1)), kind_of(KSupport(2)), kind_of(Ordered())
    ('coordinates', 'joint', 'vector')
    """
    from etatrick.numerics.groups.penalties import NonconvexSparseGroups, SparseGroupLasso
    from etatrick.numerics.joint import JOINT, JointPenalty
    from etatrick.theory.vector.base import VectorDuality
    from etatrick.theory.vector.difference import L1MinusL2
    from etatrick.theory.vector.groups import Groups

    if isinstance(penalty, SparseGroupLasso | NonconvexSparseGroups | Groups | L1MinusL2):
        return "groups"
    if type(penalty) in JOINT or isinstance(penalty, JointPenalty):
        return "joint"
    return "vector" if isinstance(penalty, VectorDuality) else "coordinates"


def check_method(method: Any, kind: Kind) -> None:
    """Raise InputError unless there is such a method, and for such penalties."""
    if method not in NAMES:
        raise InputError(f"method = {method!r}", f"must be one of {', '.join(NAMES)}", "use method='auto'")
    if kind != "coordinates" and method not in TAKEN[kind]:
        raise InputError(f"method = {method!r}", f"does not take {GATHERED[kind]}", "use method='auto'")


def need_squared(loss: Any) -> None:
    """Refuse losses that penalties with joint scales, or on whole vectors, are not solved for."""
    from etatrick.numerics.losses import Squared, loss_named

    if not isinstance(loss_named(loss), Squared):
        rule = "penalties whose scales share a budget, or on whole vectors, need the squared loss"
        raise InputError(f"loss = {loss!r}", rule, "use loss='squared' or a penalty of the catalogue")


def solver_named(method: str) -> Solver:
    """Return the solver of a method for penalties that split into coordinates; "auto" is the working set.

    Examples
    --------
    >>> solver_named("auto").__name__
    'fit'
    """
    if method in ("auto", "working_set"):
        from etatrick.numerics.working_set.fitting import fit

        return fit
    if method == "subset":
        from etatrick.numerics.subset.dispatch import fit_subset

        return fit_subset
    if method == "reweighted_ridge":
        from etatrick.numerics.methods_reweighted import fit_reweighted

        return fit_reweighted
    if method == "proximal_gradient":
        from etatrick.numerics.proximal import proximal_gradient

        return proximal_gradient
    if method == "majorize_minimize":
        from etatrick.numerics.majorized import majorize_minimize

        return majorize_minimize
    from etatrick.numerics.methods_cvxpy import fit_cvxpy

    return fit_cvxpy
