"""The record of a descent: its history, the best point seen, and when it has ended."""

from typing import TYPE_CHECKING, final

from etatrick.numerics.outputs.outcome import OutputsFit
from etatrick.numerics.outputs.second_order import outputs_locally_minimal
from etatrick.numerics.outputs.separation import running_away
from etatrick.numerics.solution import Certificate, Status

if TYPE_CHECKING:
    from etatrick.numerics.outputs.posing import OutputsTask
    from etatrick.numerics.outputs.standing import OutputsStanding

PATIENCE = 6  # passes without progress before rounding is blamed
SLACK = 100.0  # a stalled point counts as stationary up to this times the tolerance


@final
class Ledger:
    """Objective and certificate pass by pass; the best point seen is kept.

    Parameters
    ----------
    task : OutputsTask
    tol : float
    """

    def __init__(self, task: "OutputsTask", tol: float) -> None:
        self.task, self.tol = task, tol
        self.history: list[float] = []
        self.best: OutputsStanding | None = None
        self.idle = 0

    def figure(self, standing: "OutputsStanding") -> float:
        """Return the relative certificate of a point."""
        return standing.kkt / self.task.scale if standing.gap is None else standing.gap / self.task.null[3]

    def record(self, standing: "OutputsStanding") -> Status | None:
        """Take note of a point, and return how the descent ends there, None if it goes on."""
        self.history.append(min([standing.objective, *self.history[-1:]]))
        known = self.best
        gained = known is None or self.figure(standing) < 0.5 * self.figure(known)
        descended = known is None or standing.objective < known.objective - 1e-13 * abs(known.objective)
        self.idle = 0 if gained or descended else self.idle + 1
        if known is None or self._better(standing, known):
            self.best = standing
        if running_away(self.task, standing):
            return Status.DIVERGING
        if self.figure(standing) <= self.tol:
            return Status.STATIONARY if standing.gap is None else Status.OPTIMAL
        return Status.STALLED if self.idle >= PATIENCE else None

    def _better(self, standing: "OutputsStanding", known: "OutputsStanding") -> bool:
        rounding = 1e-14 * max(abs(known.objective), self.task.null[3])
        if abs(standing.objective - known.objective) <= rounding:
            return self.figure(standing) <= self.figure(known)
        return standing.objective < known.objective

    def fit(self, ending: Status) -> OutputsFit:
        """Return the best point as a result."""
        if self.best is None:
            raise ValueError("nothing was recorded")
        return concluded(self.task, self.best, ending, self.tol, len(self.history), tuple(self.history))


def concluded(
    task: "OutputsTask",
    standing: "OutputsStanding",
    ending: Status,
    tol: float,
    iterations: int,
    history: "tuple[float, ...]",
) -> OutputsFit:
    """Return a point as a result; what its certificate says overrides how the descent, or those of its parts, ended."""
    figure = standing.kkt / task.scale if standing.gap is None else standing.gap / task.null[3]
    if standing.gap is None:
        if ending in (Status.STALLED, Status.LIMIT) and figure <= SLACK * tol:
            ending = Status.STATIONARY
    elif ending is not Status.DIVERGING:
        proved = figure <= tol
        ending = Status.OPTIMAL if proved else Status.STALLED if ending is Status.OPTIMAL else ending
    relative = None if standing.gap is None else standing.gap / task.null[3]
    minimal = outputs_locally_minimal(task, standing, max(SLACK * tol, 1e-9))
    proof = Certificate(standing.kkt, standing.kkt / task.scale, standing.gap, relative, minimal)
    return OutputsFit(standing.W, standing.b, standing.objective, proof, ending, iterations, history)
