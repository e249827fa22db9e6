"""What the LeNet runs say, comparison by comparison: agrees, differs or undecided, by margins fixed in advance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np

from etatrick.validation.agreement import Outcome, equivalence
from etatrick.validation.claim import Results
from etatrick.validation.evidence import Cell
from etatrick.validation.experiments import lenet_published as published
from etatrick.validation.experiments import lenet_recipes as recipes

# margins, fixed before the runs
RATIO_MARGIN: Final = 0.18  # log of a ratio of non-zero fractions: about a fifth
ERROR_MARGIN: Final = 0.01  # validation error
PUBLISHED_RATIO: Final = math.log(1.25)  # non-zero fraction against the published one
PUBLISHED_ERROR: Final = 0.005  # test error against the published one
PUBLISHED_EPOCHS: Final = 3.0
ONSET: Final = 0.01  # a cliff begins when this share of the weights is zero
LEAST_SHARE: Final = 1e-6  # keeps the logarithm finite
SLACK: Final = 0.9  # Adam's step may exceed its rate by about a tenth


@final
@dataclass(frozen=True)
class Comparison:
    """One comparison.

    Parameters
    ----------
    name : str
    expected : {"agrees", "differs"} or None
        What theory or the publication says; None where neither says how much, and the outcome is reported only.
    outcome : {"agrees", "differs", "undecided"}
    ours, reference : float
        The two numbers, or a mean difference and 0.
    margin : float
        What counts as agreement, in the same units, or as log ratio for non-zero fractions.
    basis : str
        What the outcome rests on.
    """

    name: str
    expected: Outcome | None
    outcome: Outcome
    ours: float
    reference: float
    margin: float
    basis: str

    @property
    def surprising(self) -> bool:
        """Whether the outcome is the opposite of what was expected."""
        return self.expected is not None and self.outcome not in (self.expected, "undecided")

    @property
    def row(self) -> tuple[Cell, ...]:
        """The table row; an epoch that never comes is None."""
        ours, reference = (round(x, 5) if math.isfinite(x) else None for x in (self.ours, self.reference))
        return (self.name, self.expected or "—", self.outcome, ours, reference, round(self.margin, 5), self.basis)


def last(results: Results, name: str, measure: str) -> Any:
    """Return a measure of a method after the last epoch: one number per seed."""
    return np.array(results[name][measure][-1])


def first_zero(results: Results, name: str, share: float) -> float:
    """Return the first epoch after which more than `share` of the weights are zero by the mask; inf for none."""
    zeros = 1 - np.array(results[name]["nonzero"]).mean(1)
    found = np.flatnonzero(zeros > share)
    return float(found[0] + 1) if len(found) else math.inf


def decisive(results: Results) -> list[Comparison]:
    """Return the comparisons that theory predicts, for the methods that were run.

    Parameters
    ----------
    results : mapping
        The parts' results by method name; parts may be missing.

    Returns
    -------
    list of Comparison
    """
    # theory says that the duals impose different penalties, but not how far apart their non-zeros end
    pairs: tuple[tuple[str, str, Outcome | None], ...] = (
        (recipes.ADA_TIKHONOV, recipes.LOG_SUM, "agrees"),
        (recipes.STRONGER, recipes.LOG_SUM, "differs"),
        (recipes.FIXED, recipes.LOG_SUM, "differs"),
        (recipes.ETA_PUBLISHED_FREE, recipes.ETA_FREE, None),
        (recipes.ETA_PUBLISHED, recipes.ETA_TRICK, None),
    )
    found = []
    for one, other, expected in pairs:
        if one in results and other in results:
            shares = [np.maximum(last(results, name, "large"), LEAST_SHARE) for name in (one, other)]
            ratios = np.log(shares[0] / shares[1])
            found.append(_decided(f"{one} against {other}: log ratio of non-zeros", expected, ratios, RATIO_MARGIN))
    if recipes.ADA_TIKHONOV in results and recipes.LOG_SUM in results:
        gaps = last(results, recipes.ADA_TIKHONOV, "error") - last(results, recipes.LOG_SUM, "error")
        name = f"{recipes.ADA_TIKHONOV} against {recipes.LOG_SUM}: validation error"
        found.append(_decided(name, "agrees", gaps, ERROR_MARGIN))
    for name in (recipes.ETA_PUBLISHED, recipes.ETA_TRICK, recipes.VAR_DROP, recipes.VAR_DROP_LR):
        if name in results:
            wanted, onset = predicted(results, name), first_zero(results, name, ONSET)
            outcome: Outcome = "agrees" if onset >= SLACK * wanted else "differs"
            found.append(Comparison(f"{name}: no cliff before the log variable can have travelled", "agrees", outcome,
                                    onset, wanted, round((1 - SLACK) * wanted, 2), "epochs"))  # fmt: skip
    return found


def predicted(results: Results, name: str) -> float:
    """Return the epoch by which a log variable can have become a zero, from the run's own steps and rates."""
    result = results[name]
    scale = recipes.SCALES[result["level"]]
    rate = result["learning_rate"] * scale.log_factor
    return published.predicted_epoch(rate, result["steps"], result["epochs"])


def against_published(results: Results) -> list[Comparison]:
    """Return our full form beside the published table; empty for the quick form, whose data are others.

    Parameters
    ----------
    results : mapping
        The parts' results by method name; parts may be missing.

    Returns
    -------
    list of Comparison
    """
    found = []
    for name, row in published.TABLE.items():
        if name not in results or results[name]["level"] != "full":
            continue
        error, share = float(np.mean(results[name]["test_error"])), float(last(results, name, "nonzero").mean())
        spread = 2 * math.sqrt(2 * row.test_error * (1 - row.test_error) / published.TEST_SAMPLES)
        gap, basis = error - row.test_error, "single runs; beyond the margin by two binomial errors differs"
        found.append(_banded(f"{name}: test error", error, row.test_error, gap, PUBLISHED_ERROR, spread, basis))
        ratio = math.log(share / row.nonzero) if share > 0 else -math.inf
        basis = "single runs; up to a factor 1.25 agrees, above 1.56 differs"
        found.append(_banded(f"{name}: non-zero fraction", share, row.nonzero, ratio, PUBLISHED_RATIO, PUBLISHED_RATIO,
                             basis))  # fmt: skip
        if row.first_zero is not None:
            epoch = first_zero(results, name, 0.0)
            gap, basis = epoch - row.first_zero, "single runs; up to 3 epochs agrees, above 6 differs"
            found.append(_banded(f"{name}: first epoch with a zero", epoch, row.first_zero, gap, PUBLISHED_EPOCHS,
                                 PUBLISHED_EPOCHS, basis))  # fmt: skip
    if found and recipes.ADA_TIKHONOV in results and recipes.LOG_SUM in results:
        found += _gaps(results)
    return found


def _gaps(results: Results) -> list[Comparison]:
    """Return the gaps between the trajectories of the two identical methods: rounding alone drives them apart."""
    one, other = (np.array(results[name]["nonzero"]) for name in (recipes.ADA_TIKHONOV, recipes.LOG_SUM))
    sizes = {"mean": float(np.abs(one - other).mean()), "largest": float(np.abs(one - other).max())}
    basis = "reported: as far apart as the published runs were, up to a factor 2"
    rows = []
    for which, theirs in published.GAPS.items():
        row = _banded(
            "", sizes[which], theirs, math.log(max(sizes[which], LEAST_SHARE) / theirs), math.log(2), 0.0, basis
        )
        name = f"{recipes.ADA_TIKHONOV} against {recipes.LOG_SUM}: {which} gap of non-zeros over the epochs"
        rows.append(Comparison(name, None, row.outcome, row.ours, row.reference, row.margin, basis))
    return rows


def _decided(name: str, expected: Outcome | None, gaps: Sequence[float], margin: float) -> Comparison:
    """Decide by two one-sided tests over seeds, or for one seed by the margin and its double."""
    mean = float(np.mean(gaps))
    if len(gaps) > 1:
        test = equivalence(gaps, margin=margin)
        return Comparison(name, expected, test.outcome, mean, 0.0, margin, f"{len(gaps)} seeds, p = {test.p_value:.2g}")
    banded = _banded(name, mean, 0.0, mean, margin, margin, "one seed: beyond twice the margin differs")
    return Comparison(name, expected, banded.outcome, mean, 0.0, margin, banded.basis)


def _banded(
    name: str, ours: float, reference: float, gap: float, margin: float, doubt: float, basis: str
) -> Comparison:
    """Decide a comparison of single runs: agrees within the margin, differs beyond margin + doubt."""
    size = abs(gap)
    outcome: Outcome = "agrees" if size <= margin else "differs" if size > margin + doubt else "undecided"
    return Comparison(name, "agrees", outcome, ours, float(reference), margin, basis)
