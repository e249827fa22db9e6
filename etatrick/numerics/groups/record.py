"""The record of a descent on groups: the best point, the history, and when it has ended."""

from typing import TYPE_CHECKING, final

from etatrick.numerics.groups.certify import Standing, locally_minimal
from etatrick.numerics.solution import Certificate, Solution, Status

if TYPE_CHECKING:
    from etatrick.numerics.groups.posing import GroupTask

PATIENCE = 6  # passes without progress before rounding is blamed
LOCAL = 1e-9  # relative certificate up to which a point counts as stationary in a test of local minimality
SLACK = 100.0  # a stalled point of a nonconvex charge counts as stationary up to this times the tolerance


@final
class Record:
    """Objective and certificate pass by pass; the best point seen is kept."""

    def __init__(self, problem: "GroupTask", tol: float) -> None:
        self.problem, self.tol = problem, tol
        self.history: list[float] = []
        self.best: Standing | None = None
        self.idle = 0

    def figure(self, standing: Standing) -> float:
        """Return the relative certificate of a point."""
        if standing.gap is None:
            return standing.kkt / self.problem.scale
        return standing.gap / self.problem.deviance

    def note(self, standing: Standing) -> Status | None:
        """Take note of a point, and return how the descent ends there, None if it goes on."""
        known = self.best
        self.history.append(min([standing.objective, *self.history[-1:]]))
        gained = known is None or self.figure(standing) < 0.5 * self.figure(known)
        descended = known is None or standing.objective < known.objective - 1e-13 * abs(known.objective)
        self.idle = 0 if gained or descended else self.idle + 1
        if known is None or self._better(standing, known):
            self.best = standing
        if self.figure(standing) <= self.tol:
            self.best = standing
            return Status.STATIONARY if standing.gap is None else Status.OPTIMAL
        return Status.STALLED if self.idle >= PATIENCE else None

    def _better(self, standing: Standing, known: Standing) -> bool:
        rounding = 1e-14 * max(abs(known.objective), self.problem.deviance)
        if abs(standing.objective - known.objective) <= rounding:
            return self.figure(standing) <= self.figure(known)
        return standing.objective < known.objective

    def fit(self, ending: Status) -> Solution:
        """Return the best point as a result."""
        problem, best = self.problem, self.best
        if best is None:
            raise ValueError("nothing was recorded")
        relative = None if best.gap is None else best.gap / problem.deviance
        residual = best.kkt / problem.scale
        if relative is not None and relative <= self.tol:
            ending = Status.OPTIMAL
        elif residual <= (SLACK if relative is None else 1.0) * self.tol:
            ending = Status.STATIONARY
        minimal = locally_minimal(problem, best, max(SLACK * self.tol, LOCAL))
        proof = Certificate(kkt=best.kkt, relative_kkt=residual, gap=best.gap, relative_gap=relative,
                            locally_minimal=minimal)  # fmt: skip
        return Solution(problem.told(best.w), best.b, best.objective, proof, ending, len(self.history),
                        tuple(self.history))  # fmt: skip
