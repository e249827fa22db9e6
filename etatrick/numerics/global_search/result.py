"""What a global search returns: the best point, the proved bound, and the certificate."""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.global_search.tree import Certificate
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray


@final
class GlobalStatus(Enum):
    """Why the search ended."""

    PROVED = "proved optimal to the gap"
    TIME = "time limit"
    ROUNDING = "Rounding stopped progress before the gap; the lower bound says how close it came."


@final
@dataclass(frozen=True, eq=False)
class GlobalOptimum:
    """The result of :func:`~etatrick.numerics.global_search.search.global_minimum`.

    Parameters
    ----------
    coef : ndarray, shape (d,)
    intercept : float
    objective, lower_bound : float
        The value at `coef`, and a number that no value falls below: the smallest bound of a leaf, less its rounding
        error.
    nodes : int
        Nodes of the tree.
    status : GlobalStatus
    verdict : Verdict
        ``certified`` only when the recheck confirmed every leaf with its rounding error; its domain says where.
    certificate : Certificate
    """

    coef: "NDArray[np.float64]"
    intercept: float
    objective: float
    lower_bound: float
    nodes: int
    status: GlobalStatus
    verdict: Verdict
    certificate: Certificate

    @property
    def gap(self) -> float:
        """Objective − lower bound."""
        return self.objective - self.lower_bound
