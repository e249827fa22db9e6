"""The experiment lenet-seven-methods: seven ways to sparsify LeNet-300-100, ours beside the published table."""

from functools import partial
from typing import Any, Final

import numpy as np

from etatrick.theory.verdict import Status
from etatrick.validation.claim import Part, Results, Route
from etatrick.validation.evidence import Cell, Finding, Formula, Picture, Table
from etatrick.validation.experiment import Experiment
from etatrick.validation.experiments import lenet_outcomes as outcomes
from etatrick.validation.experiments import lenet_published as published
from etatrick.validation.experiments import lenet_recipes as recipes
from etatrick.validation.experiments.lenet_duals import imposed_penalties

# seconds of one idle core in the quick form, from which the time left is estimated
COST: Final = {
    recipes.VAR_DROP_AR: 7.0, recipes.VAR_DROP_LR: 7.0, recipes.VAR_DROP: 6.0,
}  # fmt: skip


def conclude(results: Results) -> Finding:
    """Conclude *checked* if every comparison comes out as theory and, in the full form, the publication say.

    Parameters
    ----------
    results : mapping
        By method name; methods that were not run are listed as such.

    Returns
    -------
    Finding
    """
    theory, reported = outcomes.decisive(results), outcomes.against_published(results)
    rows = [*theory, *reported]
    wrong = [row for row in rows if row.surprising]
    open_rows = [row for row in rows if row.outcome == "undecided" and row.expected]
    absent = [name for name in recipes.METHODS if name not in results]
    status: Status = "refuted" if wrong else "unknown" if open_rows or absent or not rows else "checked"
    some: Any = next(iter(results.values()), {"level": "quick", "epochs": 0, "test_error": []})
    where = "digits, 64-300-100-10" if some["level"] == "quick" else "MNIST, 784-300-100-10"
    forecasts = {name: outcomes.predicted(results, name) for name in _travelling(results)}
    tables = [_table(results, forecasts)]
    tables.append(Table(
        "The penalties that the two duals impose, by minimisation over η",
        ("|w|", "log(1 + |w|/2)", "correct dual", "published dual"),
        tuple(tuple(round(x, 6) for x in row) for row in imposed_penalties()),
    ))  # fmt: skip
    tables += [_comparisons("What theory predicts", theory)] if theory else []
    tables += [_comparisons("Against the published numbers", reported)] if reported else []
    return Finding(
        status,
        f"{len(rows)} comparisons with margins fixed in advance, {len(some['test_error'])} seeds per method",
        f"{where}, {some['epochs']} epochs, batch 128, λ = {recipes.LAM}, ε = {recipes.EPSILON:g}",
        {row.name: row.ours if np.isfinite(row.ours) else -1.0 for row in wrong},  # -1: never
        "LogSum and AdaTikhonov have the same gradient by algebra, so that their agreement tests the code and not the "
        "theory. The published η-trick run doubled the second term of the dual, and its decay on log η adds a "
        "log penalty of its own; both duals are run, with and without the decay. AdaProx's mask depends on the step "
        "size, so its count by the mask is not comparable with the others; the count by |w| is. Variational dropout's "
        "knee lies at |w| ≈ 1/√N and log-sum's at ε: the published comparison is not matched in scale.",
        summary=_summary(results, wrong, open_rows, absent),
        formulas=(
            Formula(r"L(w)+\lambda\sum_j\log(|w_j|+2),\qquad \alpha_j=\frac{\hat\eta(w_j)}{\hat\eta(w_j)+\lambda}<0.05"
                    r"\ \Rightarrow\ w_j:=0", "the penalty and the pruning rule common to the methods"),
            Formula(r"\gamma n\Bigl(t-\frac{t(t-1)}{2E}\Bigr)=5+\log 19", "the predicted epoch t of the cliff: log "
                    "variables that move one learning rate γ per step, n steps per epoch, E epochs"),
        ),
        tables=tuple(tables),
        pictures=(
            Picture("lenet-trajectories", "Fraction of non-zero weights (retain probability at least 0.05) and "
                    "validation error per epoch; diamonds, in the full form, are the published final values.",
                    "Two panels of curves against epochs, one curve per method with a band over seeds: the fraction "
                    "of non-zero weights on the left, the validation error on the right."),
        ),
        data={**results, "predicted": {n: e for n, e in forecasts.items() if np.isfinite(e)}},
    )  # fmt: skip


def _travelling(results: Results) -> list[str]:
    wanted = (recipes.ETA_PUBLISHED, recipes.ETA_TRICK, recipes.VAR_DROP, recipes.VAR_DROP_LR)
    return [name for name in wanted if name in results]


def _summary(
    results: Results, wrong: list[outcomes.Comparison], open_rows: list[outcomes.Comparison], absent: list[str]
) -> str:
    parts = []
    if wrong:
        parts.append("Not as expected: " + "; ".join(f"{r.name} ({r.ours:.3g}, {r.reference:.3g})" for r in wrong))
    if open_rows:
        parts.append("Undecided: " + "; ".join(row.name for row in open_rows))
    if absent:
        parts.append("Not run: " + ", ".join(absent))
    if not parts:
        parts.append("Every comparison comes out as predicted")
    if recipes.ETA_TRICK in results and recipes.ETA_PUBLISHED in results:
        shares = [float(outcomes.last(results, n, "large").mean()) for n in (recipes.ETA_TRICK, recipes.ETA_PUBLISHED)]
        parts.append(f"The η-trick keeps {shares[0]:.3f} of the weights by |w| with the correct dual and "
                     f"{shares[1]:.3f} with the published one")  # fmt: skip
    free = [n for n in (recipes.ETA_FREE, recipes.ETA_PUBLISHED_FREE) if n in results]
    if free:
        kept = " and ".join(f"{float(outcomes.last(results, n, 'nonzero').mean()):.3f}" for n in free)
        parts.append(f"without the decay on log η the mask keeps {kept} of them")
    return ". ".join(part[0].upper() + part[1:] for part in parts) + "."


def _table(results: Results, forecasts: dict[str, float]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name in (*published.TABLE, *(n for n in recipes.METHODS if n not in published.TABLE)):
        row = published.TABLE.get(name)
        theirs: tuple[Cell, ...] = (
            (round(100 * row.test_error, 2), row.nonzero, row.first_zero) if row else (None, None, None)
        )
        if name not in results:
            rows.append((name, theirs[0], "not run", theirs[1], None, None, theirs[2], None, None))
            continue
        epoch = outcomes.first_zero(results, name, 0.0)
        forecast = forecasts.get(name, np.inf)
        error = round(100 * float(np.mean(results[name]["test_error"])), 2)
        by_mask, by_size = (round(float(outcomes.last(results, name, m).mean()), 4) for m in ("nonzero", "large"))
        rows.append((name, theirs[0], error, theirs[1], by_mask, by_size, theirs[2],
                     epoch if np.isfinite(epoch) else None,
                     round(forecast, 1) if np.isfinite(forecast) else None))  # fmt: skip
    columns = ("method", "published test error, %", "ours", "published non-zeros", "ours, by mask", "ours, by |w|",
               "published first epoch with a zero", "ours", "predicted")  # fmt: skip
    return Table(f"Ours beside the published values (MNIST, one seed); by |w|: above {recipes.THRESHOLD:g}", columns,
                 tuple(rows))  # fmt: skip


def _comparisons(caption: str, rows: list[outcomes.Comparison]) -> Table:
    columns = ("comparison", "expected", "outcome", "ours", "reference", "margin", "basis")
    return Table(caption, columns, tuple(row.row for row in rows))


def _part(name: str) -> Part:
    run: Any = partial(recipes.run, name)
    return Part(name, f"LeNet-300-100: {name}", run, COST.get(name, 4.0))


EXPERIMENT: Final = Experiment(
    "lenet-seven-methods",
    "Seven ways to sparsify LeNet-300-100",
    "Do seven methods that impose related penalties reach the published sparsity and error, and do those that should "
    "be equal agree?",
    "LeJeune, Javadi and Baraniuk, The Flip Side of the Reweighted Coin (2021), Figure 2 and its table; the authors' "
    "published notebook",
    Route(tuple(_part(name) for name in recipes.METHODS), conclude),
)
