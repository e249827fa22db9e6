"""Observed: what the linear and network runs say together about the log-sum duality."""

from typing import Any, Final

import numpy as np

from etatrick.theory.verdict import Status
from etatrick.validation.claim import Results
from etatrick.validation.evidence import Cell, Finding, Formula, Picture, Table
from etatrick.validation.experiments import log_sum_digits as nets
from etatrick.validation.experiments import log_sum_linear as linear
from etatrick.validation.experiments.log_sum_solutions import EPSILON, LAM

AGREEING: Final = ("AdaTikhonov", "AdaProx")
REPORTED: Final = ("η-trick",)
MEASURES: Final = ("nonzero", "error", "size")  # size: log of the mean |w|


def conclude(results: Results) -> Finding:
    """Conclude *checked* if both masks and both methods agree and every control is told apart."""
    compared = {name: nets.compared(results, name) for name in (*AGREEING, *REPORTED, *nets.CONTROLS)}
    linear_rows = {
        "adaptive Gaussian → log-sum optimum": ("agrees", results["gaussian"]["agreement"]),
        f"Bernoulli, α ≥ {linear.FLOOR} → clamped optimum": ("agrees", results["bernoulli"]["agreement"]),
        "control: the same models → unclamped optimum": ("differs", results["bernoulli"]["unclamped_agreement"]),
        "control: fixed rate → its own ridge optimum": ("agrees", results["linear control"]["own_agreement"]),
        "control: fixed rate → log-sum optimum": ("differs", results["linear control"]["agreement"]),
    }
    network_rows = {
        f"{name}: {measure} − {nets.REFERENCE}": ("agrees", compared[name][measure])
        for name in AGREEING
        for measure in MEASURES
    }
    for name in nets.CONTROLS:
        for measure in ("nonzero", "size"):
            row = f"control: {name}: {measure} − {nets.REFERENCE}"
            network_rows[row] = ("differs", compared[name][measure])
    decided = {**linear_rows, **network_rows}
    wrong = {k: test for k, (wanted, test) in decided.items() if test["outcome"] not in (wanted, "undecided")}
    open_rows = [k for k, (_, test) in decided.items() if test["outcome"] == "undecided"]
    status: Status = "refuted" if wrong else "unknown" if open_rows else "checked"
    seeds = results["gaussian"]["agreement"]["seeds"]
    trained = f"{seeds} linear models per mask and {compared[AGREEING[0]]['nonzero']['seeds']} networks per method"
    return Finding(
        status, f"{len(decided)} equivalence tests with margins fixed in advance, {trained}",
        f"diabetes (ε = {EPSILON}, λ = {LAM}); digits 64-300-100-10 (ε = {nets.EPSILON}, λ = {nets.LAM})",
        {name: test["largest"] for name, test in wrong.items()},
        "LogSum and AdaTikhonov have the same gradient by algebra, so their agreement tests the code, not the "
        "theory; AdaProx and the masks are independent routes. The η-trick run is reported, not required: its "
        "published decay on log η adds a log|w| penalty of its own. At the published ε = 2 the networks' weights stay "
        "far below ε, where log-sum is nearly ℓ1 and no such run could tell them apart; hence the smaller ε, with the "
        "same slope λ/ε at 0, and ℓ1 of that slope as a control.",
        summary=_summary(results, compared, wrong, open_rows),
        formulas=(
            Formula(r"\nabla_w\,\tfrac12\lVert y-X(s\circ w)\rVert^2,\quad s_j\sim\mathcal N(1,\lambda/\hat\eta(w_j))"
                    r"\ \text{or}\ \mathrm{Bern}(\alpha_j)/\alpha_j", "the stochastic gradient; s is detached"),
            Formula(r"|\mathbb E\,\bar w_j-w^*_j|\le\delta", "what agreement means, for every coordinate"),
        ),
        tables=(
            _tests("Equivalence tests that decide", decided),
            _tests("Reported only", {f"{n}: {m} − {nets.REFERENCE}": ("—", compared[n][m])
                                     for n in REPORTED for m in MEASURES}),
            _network_table(results),
        ),
        pictures=(
            Picture("linear-agreement", "Trained coefficients against exact optima: mean and range over seeds, with "
                    "the margin of agreement shaded.",
                    "Three panels, one per kind of mask: per coordinate a dot for the mean over seeds of the trained "
                    "minus the exact coefficient, a bar for its range, and the margin as a band around 0."),
            Picture("digits-training", "Fraction of non-zero weights and test error per epoch: mean and range over "
                    "seeds.",
                    "Two panels of curves against epochs, one curve with a band per method: the fraction of non-zero "
                    "weights on the left, the test error on a logarithmic scale on the right."),
        ),
        data={**results, "compared": compared, "reference": nets.REFERENCE, "margin": linear.MARGIN},
    )  # fmt: skip


def _summary(results: Results, compared: Any, wrong: Any, open_rows: list[str]) -> str:
    if wrong or open_rows:
        problems = [
            *(f"{k}: {v['outcome']}" for k, v in wrong.items()),
            *(f"{k}: undecided" for k in open_rows),
        ]
        return f"Not settled: {'; '.join(problems)}."
    near = max(results[name]["agreement"]["largest"] for name in ("gaussian", "bernoulli"))
    far = results["linear control"]["agreement"]["largest"]
    margin = results["gaussian"]["agreement"]["margin"]
    drift = max(compared[name]["nonzero"]["largest"] for name in AGREEING)
    kept = " and ".join(f"{name} at {np.mean(results[name]['nonzero'][-1]):.2f}" for name in nets.CONTROLS)
    reference = float(np.mean(results[nets.REFERENCE]["nonzero"][-1]))
    return (
        f"Masked training reaches the exact optimum within {near:.2g} (margin {margin:.2g}), the fixed-rate control "
        f"is {far:.2g} away; networks trained by AdaTikhonov and AdaProx end within {drift:.2g} of LogSum's non-zero "
        f"fraction {reference:.2f} (margin {nets.NONZERO_MARGIN}), the controls elsewhere: {kept}."
    )


def _tests(caption: str, rows: Any) -> Table:
    columns = (
        "comparison",
        "expected",
        "outcome",
        "largest mean difference",
        "margin",
        "p-value",
        "seeds",
        "seeds needed",
    )
    return Table(caption, columns, tuple(
        (name, wanted, t["outcome"], t["largest"], t["margin"], t["p_value"], t["seeds"], t["seeds_needed"])
        for name, (wanted, t) in rows.items()
    ))  # fmt: skip


def _network_table(results: Results) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name in (nets.REFERENCE, *AGREEING, *REPORTED, *nets.CONTROLS):
        nonzero, error = (np.array(results[name][measure][-1]) for measure in ("nonzero", "error"))
        rows.append((name, float(nonzero.mean()), float(nonzero.std(ddof=1)), float(100 * error.mean()),
                     float(100 * error.std(ddof=1)), float(np.mean(results[name]["mean_size"]))))  # fmt: skip
    columns = ("method", "non-zero fraction", "± sd over seeds", "test error, %", "± sd over seeds", "mean |w|")
    return Table("Networks after the last epoch (|w| threshold common to all)", columns, tuple(rows))
