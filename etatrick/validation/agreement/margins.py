"""Two one-sided tests that can say no: agreement within a margin fixed in advance, difference, or undecided."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np

from etatrick.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Outcome = Literal["agrees", "differs", "undecided"]


@final
@dataclass(frozen=True)
class Agreement:
    """The outcome of an equivalence test over seeds.

    Parameters
    ----------
    outcome : {"agrees", "differs", "undecided"}
        *agrees*: every coordinate's mean lies within ±margin of the target at the stated level; *differs*: some
        coordinate's mean lies outside; *undecided*: more seeds are needed.
    margin : float
        Fixed before the run, in the units of the samples.
    level : float
        Significance level of each decision.
    seeds : int
        Number of independent runs.
    largest : float
        Largest absolute mean difference over coordinates.
    lower, upper : tuple of float
        Ends of the 1 − 2·level confidence interval of the mean difference, per coordinate.
    p_value : float
        Largest p-value of the two one-sided tests over coordinates.
    seeds_needed : int or None
        For *undecided*: seeds at which a mean difference of this size would be settled; None where it sits on
        the margin.
    """

    outcome: Outcome
    margin: float
    level: float
    seeds: int
    largest: float
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    p_value: float
    seeds_needed: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {**vars(self), "lower": list(self.lower), "upper": list(self.upper)}

    def __str__(self) -> str:
        extra = f", {self.seeds_needed} seeds needed" if self.seeds_needed else ""
        return (
            f"{self.outcome}: largest mean difference {self.largest:.3g}, margin {self.margin:.3g}, "
            f"{self.seeds} seeds, p = {self.p_value:.2g}{extra}"
        )


def equivalence(
    samples: "ArrayLike", target: "ArrayLike" = 0.0, *, margin: float, level: float = 0.05, family: int = 1
) -> Agreement:
    """Test whether the mean over seeds lies within ±margin of the target, in every coordinate.

    Two one-sided t-tests per coordinate; *agrees* needs all of them at `level` (an intersection–union test, so
    no correction for the number of coordinates). *Differs* needs one coordinate whose mean is beyond the margin
    at ``level/(coordinates·family)`` (Bonferroni). For paired comparisons pass differences and target 0.

    Parameters
    ----------
    samples : array_like, shape (seeds,) or (seeds, d)
        One row per independent run.
    target : array_like, shape () or (d,)
        What the mean should be.
    margin : float
        The largest difference that counts as agreement; fix it before looking.
    level : float
        Significance level, in (0, 0.5).
    family : int
        How many comparisons are read together as one (≥ 1), so that any of them may be the one that differs.

    Returns
    -------
    Agreement

    Raises
    ------
    InputError
        For fewer than two seeds, NaN or infinite samples, or a margin, level or family outside its domain.

    Examples
    --------
    >>> equivalence([0.01, -0.02, 0.015, 0.0], margin=0.1).outcome
    'agrees'
    >>> equivalence([1.01, 0.98, 1.02, 0.99], margin=0.1).outcome
    'differs'
    >>> equivalence([0.5, -0.4, 0.1], margin=0.1).outcome
    'undecided'
    """
    from scipy.special import stdtr, stdtrit

    values = np.asarray(samples, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) < 2:
        raise InputError(f"samples of shape {values.shape}", "needs at least two seeds, one row each", "run more seeds")
    if not np.isfinite(values).all():
        raise InputError("samples", "hold NaN or infinite values", "look at the runs that diverged")
    if not (math.isfinite(margin) and margin > 0):
        raise InputError(f"margin = {margin}", "must be a finite number > 0", "state the difference you would accept")
    if not 0 < level < 0.5:
        raise InputError(f"level = {level}", "must lie in (0, 0.5)", "choose e.g. level=0.05")
    if not (isinstance(family, int) and family >= 1):
        raise InputError(f"family = {family}", "must be an integer ≥ 1", "count the comparisons made together")
    seeds, coordinates = values.shape
    aim = np.asarray(target, dtype=np.float64)
    if coordinates == 0 or aim.shape not in ((), (coordinates,)) or not np.isfinite(aim).all():
        raise InputError(
            f"target of shape {aim.shape} for samples of shape {values.shape}",
            "must be one finite number, or one per coordinate",
            "for paired comparisons pass differences and target 0",
        )
    mean = (values.mean(0) - aim) / margin  # in units of the margin, so that the units do not matter
    deviation = values.std(0, ddof=1) / margin
    error = np.maximum(deviation / math.sqrt(seeds), 1e-300)
    freedom = seeds - 1
    inside = stdtr(freedom, (np.abs(mean) - 1) / error)
    outside = 2 * stdtr(freedom, (1 - np.abs(mean)) / error)  # either side may be the one beyond the margin
    half = -stdtrit(freedom, level) * error
    outcome: Outcome = "undecided"
    if inside.max() <= level:
        outcome = "agrees"
    elif outside.min() <= level / (coordinates * family):
        outcome = "differs"
    needed = _seeds_needed(mean, deviation, level, seeds, family) if outcome == "undecided" else None
    lower, upper = margin * (mean - half), margin * (mean + half)
    return Agreement(outcome, float(margin), float(level), seeds, float(margin * np.abs(mean).max()),
                     tuple(lower.tolist()), tuple(upper.tolist()), float(inside.max()), needed)  # fmt: skip


def _seeds_needed(mean: Any, deviation: Any, level: float, seeds: int, family: int) -> int | None:
    """Return the seeds that decide with 80 % power if mean and deviation (in margins) are the true ones."""
    from scipy.special import ndtri

    distance = np.abs(np.abs(mean) - 1)
    if (distance < 1e-12).any():
        return None
    beyond, coordinates = np.abs(mean) > 1, len(mean)
    # one coordinate beyond the margin is enough to differ; to agree, no side of any coordinate may fail
    tail, miss = (level / (2 * coordinates * family), 0.2) if beyond.any() else (level, 0.1 / coordinates)
    ratio = np.min((deviation / distance)[beyond]) if beyond.any() else np.max(deviation / distance)
    reach = -ndtri(tail)
    # the normal count, and Guenther's term for the estimated deviation
    return max(seeds + 1, math.ceil(((float(reach) - float(ndtri(miss))) * float(ratio)) ** 2 + float(reach) ** 2 / 2))
