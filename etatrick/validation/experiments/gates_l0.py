"""Gates for ℓ0: how often stochastic and closed-form gates end at the best of all subsets."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etatrick.validation.agreement import ComparisonSet
from etatrick.validation.claim import Part, Results, Route, Setting
from etatrick.validation.evidence import Finding, Formula, Picture, Table
from etatrick.validation.experiment import Experiment
from etatrick.validation.experiments import gate_training as gates
from etatrick.validation.experiments.gate_training import FAMILIES, PRICE, Problem, drawn

if TYPE_CHECKING:
    from numpy.typing import NDArray

# fixed before any run
MARGIN: Final = 0.1  # mean objective above the best subset's, in prices of one column
REACHED: Final = 1e-9  # relative: the same value as the best subset's
PROBLEMS: Final = {"quick": 48, "full": 200}  # per family
STEPS: Final = {"quick": 5_000, "full": 30_000}
REPEATS: Final = 4  # runs of each stochastic method per problem
RATE: Final = 0.02
PRINTED: Final = 6  # problems of the small check in the survey, all of which both kinds of gates solved
STOCHASTIC: Final = {"ARM": gates.Arm(), "expected gradient": gates.Expected(), "hard concrete": gates.HardConcrete()}
CLOSED: Final = ("closed-form gates", "ℓ0 by exchanges")
CONTROLS: Final = {"a sixteenth of the price": 1 / 16, "four times the price": 4.0}
DECIDING: Final = ("ARM", "closed-form gates")  # what the survey claims, on independent columns


def best_subsets(setting: Setting) -> dict[str, Any]:
    """Find the best subset of every problem by branch and bound, and again by fitting all 64."""
    from etatrick.numerics.subset import all_best_subsets

    found: dict[str, Any] = {}
    for family in FAMILIES:
        best, apart, ties = [], 0.0, 0
        for problem in _problems(family, setting):
            tree, every = all_best_subsets(problem.X, problem.y, PRICE), np.sort(problem.subsets())
            apart = max(apart, abs(float(tree.objectives[0]) / float(every[0]) - 1))
            ties += len(tree.supports) > 1
            best.append([float(every[0]), float(every[1])])
        found[family] = {"best": best, "largest_difference": apart, "ties": ties}
    return found


def stochastic(setting: Setting) -> dict[str, Any]:
    """Train every kind of stochastic gates on all problems, several runs each, and refit on the open columns."""
    found: dict[str, Any] = {}
    for done, (name, kind) in enumerate(STOCHASTIC.items()):

        def tell(fraction: float, done: int = done) -> None:
            setting.progress((done + fraction) / len(STOCHASTIC))

        problems = [problem for family in FAMILIES for problem in _problems(family, setting)]
        batch = gates.moments(problems, REPEATS)
        opened, weights, logits = gates.train(
            kind, batch, steps=STEPS[setting.level], rate=RATE, label=name, progress=tell
        )
        repeated = [problem for problem in problems for _ in range(REPEATS)]
        values = np.array([problem.objective(row) for problem, row in zip(repeated, opened, strict=True)])
        found[name] = {family: part.tolist() for family, part in
                       zip(FAMILIES, values.reshape(len(FAMILIES), -1, REPEATS), strict=True)}  # fmt: skip
        if name != "hard concrete":  # E½‖y − X(z∘w)‖² + λΣπ, which no choice of gates takes below the best subset
            chance = 1 / (1 + np.exp(-logits))
            spread = 0.5 * (weights**2 * chance * (1 - chance)).sum(1)
            fit = [0.5 * np.sum((p.y - p.X @ row) ** 2) for p, row in zip(repeated, chance * weights, strict=True)]
            gated = np.array(fit) + spread + PRICE * chance.sum(1)
            found[name]["gated"] = gated.reshape(len(FAMILIES), -1, REPEATS).tolist()
    return found


def closed_form(setting: Setting) -> dict[str, Any]:
    """Solve with the closed-form gate's penalty (CEL0) from 0, by exchanges, with ℓ1, and at wrong prices."""
    from functools import partial

    from etatrick.numerics import solve
    from etatrick.numerics.subset import l0_minimum
    from etatrick.theory import penalties

    def gated(problem: Problem, price: float) -> Any:
        return solve(problem.X, problem.y, penalties["cel0"](kappa=price), 1.0).coef

    def exchanged(problem: Problem) -> Any:
        return l0_minimum(problem.X, problem.y, PRICE).coef

    def equal_slope(problem: Problem) -> Any:
        return solve(problem.X, problem.y, penalties["l1"](k=float(np.sqrt(2 * PRICE))), 1.0).coef

    methods: dict[str, Callable[[Problem], Any]] = {
        CLOSED[0]: partial(gated, price=PRICE), CLOSED[1]: exchanged, "ℓ1 of equal slope": equal_slope,
        **{name: partial(gated, price=factor * PRICE) for name, factor in CONTROLS.items()},
    }  # fmt: skip
    found: dict[str, Any] = {}
    for done, (name, method) in enumerate(methods.items()):
        found[name] = {
            family: [[problem.objective(method(problem) != 0)] for problem in _problems(family, setting)]
            for family in FAMILIES
        }
        setting.progress((done + 1) / len(methods))
    return found


def excess(results: Results, name: str, family: str) -> "NDArray[np.float64]":
    """Return the objectives above the best subset's, in prices of a column, shape (problems, runs)."""
    part = results["stochastic gates"] if name in STOCHASTIC else results["closed form"]
    best = np.array(results["best subsets"][family]["best"])[:, :1]
    found: NDArray[np.float64] = (np.array(part[name][family]) - best) / PRICE
    return found


def rate(values: "NDArray[np.float64]") -> tuple[float, float, float]:
    """Return the share of problems that a run reaches, with Clopper and Pearson's 95 % interval over problems.

    Parameters
    ----------
    values : ndarray, shape (problems, runs)
        Excess objectives; a problem counts as reached by its first run, so that the problems are independent.

    Returns
    -------
    share, lower, upper : float

    Examples
    --------
    >>> [round(v, 3) for v in rate(np.zeros((24, 1)))]
    [1.0, 0.858, 1.0]
    """
    from scipy.stats import binomtest

    first = values[:, 0] <= REACHED / PRICE
    test = binomtest(int(first.sum()), len(first)).proportion_ci(0.95)
    return float(first.mean()), float(test.low), float(test.high)


def comparisons(results: Results) -> ComparisonSet:
    """Test the mean excess of the claimed methods on independent columns, with wrong prices as controls."""
    family = "independent"
    own: dict[str, Any] = {f"{name} → best subset": (excess(results, name, family).mean(1), 0.0, MARGIN)
                           for name in DECIDING}  # fmt: skip
    other: dict[str, Any] = {f"closed-form gates at {name}": (excess(results, name, family).mean(1), 0.0, MARGIN)
                             for name in CONTROLS}  # fmt: skip
    return ComparisonSet.tested(own, other)


def conclude(results: Results) -> Finding:
    """Conclude from the bounds that no run may break, and from the comparisons; all rates are reported."""
    subsets, tests = results["best subsets"], comparisons(results)
    found = tests.conclusion
    names = [*STOCHASTIC, *CLOSED, "ℓ1 of equal slope"]
    rates = {family: {name: rate(excess(results, name, family)) for name in names} for family in FAMILIES}
    apart = max(subsets[family]["largest_difference"] for family in FAMILIES)
    faults = {} if apart <= REACHED else {"branch and bound less enumeration": apart}
    below = min(float(excess(results, name, family).min()) for name in names for family in FAMILIES)
    best = np.array([subsets[family]["best"] for family in FAMILIES])[..., :1]
    gated = min(float((np.array(results["stochastic gates"][name]["gated"]) / best - 1).min())
                for name in STOCHASTIC if name != "hard concrete")  # fmt: skip
    if below < -REACHED / PRICE:
        faults["a subset better than the best"] = below
    if gated < -REACHED:
        faults["a gated objective below the best subset's"] = gated
    first = {name: int((excess(results, name, "independent")[:PRINTED, 0] <= REACHED / PRICE).sum()) for name in names}
    rows = tuple((name, family, *rates[family][name], float(excess(results, name, family).mean()),
                  float(excess(results, name, family).max())) for family in FAMILIES for name in names)  # fmt: skip
    shares = "; ".join(
        f"{family} columns: " + ", ".join(f"{name} {rates[family][name][0]:.0%}" for name in names)
        for family in FAMILIES
    )  # fmt: skip
    return Finding(
        "refuted" if faults else found.status,
        f"{len(best[0])} problems per family, all 64 subsets of each; {len(tests.comparisons)} equivalence tests and "
        f"{len(tests.controls)} negative controls",
        f"least squares, {gates.ROWS} × {gates.COLUMNS}, unit columns, λ = {PRICE}", {**faults, **found.witness},
        f"Of the first {PRINTED} problems with independent columns: "
        + ", ".join(f"{name} {count}" for name, count in first.items())
        + f" (printed for ARM and closed-form gates: {PRINTED} of {PRINTED}, on other draws). One start per problem; "
        "ARM, the expected gradient and hard concrete start at least squares with open gates, closed-form gates at 0.",
        summary=f"{found}. Reached the best subset, {shares}. No run went below it (least gated objective "
        f"{gated:+.1e} relative).",
        formulas=(
            Formula(r"\mathrm E_z\tfrac12\lVert y-X(z\circ w)\rVert^2+\lambda\sum_j\pi_j,\quad "
                    r"z_j\sim\mathrm{Bern}(\pi_j)", "what stochastic gates minimise"),
            Formula(r"\min_\pi:\ \hat\pi=\min(1,|\beta|/\sqrt{2\lambda}),\quad \Omega=\mathrm{CEL0}",
                    "the closed-form gate, with β = πw; the least value is that of ℓ0"),
        ),
        tables=(
            Table("How often the best subset is reached", ("method", "columns", "share", "95 % from", "to",
                  "mean excess, prices", "largest excess"), rows),
            tests.table("Equivalence tests and negative controls"),
        ),
        pictures=(Picture("gates-l0", "Share of problems in which each method ends at the best of all 64 subsets, with "
                          "95 % intervals.",
                          "Two panels, independent and correlated columns: a dot with an interval per method."),),
        data={**results, "rates": rates, "tests": tests.to_json()},
    )  # fmt: skip


def _problems(family: str, setting: Setting) -> list[Problem]:
    return [drawn(family, index) for index in range(PROBLEMS[setting.level])]


EXPERIMENT: Final = Experiment(
    "gates-l0",
    "Stochastic and closed-form gates against all subsets",
    "How often do stochastic gates and closed-form gates end at the best of all subsets?",
    "Louizos, Welling, Kingma 2018; Li, Ji 2021; Soubies, Blanc-Féraud, Aubert 2015; a small check of the survey",
    Route(
        (
            Part("best subsets", "All best subsets", best_subsets, 2.0),
            Part("stochastic gates", "ARM, expected gradient and hard concrete", stochastic, 20.0),
            Part("closed form", "Closed-form gates, exchanges and controls", closed_form, 5.0),
        ),
        conclude,
    ),
)
