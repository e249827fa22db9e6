"""What a subset search returns: the best support found, its fit, and the proof that no single change helps."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.solution import Certificate, Solution, Status
from etatrick.numerics.subset.certificate import SwapCertificate

if TYPE_CHECKING:
    from numpy.typing import NDArray


@final
@dataclass(frozen=True, eq=False)
class SubsetFit:
    """A least-squares fit on a chosen support; its figures have the names of a Solution's.

    Parameters
    ----------
    coef : ndarray, shape (d,)
    intercept : float
    objective : float
        ½ Σ v (y − Xw − b)² + ½ρ‖w‖² + λ‖w‖₀.
    rss : float
        Σ v (y − Xw − b)².
    proof : SwapCertificate
        Recomputed from the data by other code than the search.
    iterations : int
        Changes of the support after the starts.
    history : tuple of float
        The best objective after each start.
    """

    coef: "NDArray[np.float64]"
    intercept: float
    objective: float
    rss: float
    proof: SwapCertificate
    iterations: int
    history: tuple[float, ...]

    @cached_property
    def support(self) -> "NDArray[np.intp]":
        """The chosen columns, in increasing order."""
        return np.flatnonzero(self.coef)

    @property
    def certificate(self) -> Certificate:
        """The proof in the form of every solver's; `locally_minimal` then says that no single change helps."""
        return Certificate(
            kkt=self.proof.kkt,
            relative_kkt=self.proof.relative_kkt,
            gap=None,
            relative_gap=None,
            locally_minimal=self.proof.locally_minimal,
        )

    @property
    def kkt(self) -> float:
        """The gradient that is left on the support."""
        return self.proof.kkt

    @property
    def relative_kkt(self) -> float:
        """The same over ‖Xᵀy‖_∞."""
        return self.proof.relative_kkt

    @property
    def locally_minimal(self) -> bool:
        """Whether no single addition, removal or exchange lowers the objective."""
        return self.proof.locally_minimal

    @property
    def status(self) -> Status:
        """Stationary where the certificate holds, else stalled by rounding."""
        return Status.STATIONARY if self.locally_minimal else Status.STALLED

    @property
    def solution(self) -> Solution:
        """The same as :func:`etatrick.numerics.solve` returns it."""
        return Solution(
            self.coef, self.intercept, self.objective, self.certificate, self.status, self.iterations, self.history
        )


@final
@dataclass(frozen=True, eq=False)
class SubsetPath:
    """Fits with at most 0, 1, …, k_max columns."""

    fits: tuple[SubsetFit, ...]

    @property
    def coefs(self) -> "NDArray[np.float64]":
        """The coefficients, shape (k_max + 1, d)."""
        return np.array([fit.coef for fit in self.fits])

    @property
    def rss(self) -> "NDArray[np.float64]":
        """The sums of squared residuals, which never increase."""
        return np.array([fit.rss for fit in self.fits])

    def at(self, lam: float) -> SubsetFit:
        """Return the fit of the least ½RSS + ½ρ‖w‖² + λ‖w‖₀ among those of the path; the smaller one in a tie.

        Raises
        ------
        InputError
            Unless λ is a finite number ≥ 0.
        """
        from etatrick.numerics.problem import check_lam

        check_lam(lam)
        return min(self.fits, key=lambda fit: (fit.objective + lam * len(fit.support), len(fit.support)))
