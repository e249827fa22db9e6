"""Deep linear networks with dropout on every hidden layer: trained optima against shrunk singular values."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.validation.agreement import equivalence
from etatrick.validation.claim import Part, Results, Route, Setting
from etatrick.validation.evidence import Cell, Finding, Formula, Picture, Table
from etatrick.validation.experiment import Experiment
from etatrick.validation.experiments.decisions import Decision
from etatrick.validation.seeding import seed

if TYPE_CHECKING:
    from torch import Tensor


@final
@dataclass(frozen=True)
class Problem:
    """Targets of given singular values, hidden widths, and the odds of dropping per hidden layer."""

    targets: tuple[float, ...]
    widths: tuple[int, ...]
    odds: tuple[float, ...]

    @property
    def name(self) -> str:
        """What tables call it."""
        odds = dict.fromkeys(f"{rate:g}" for rate in self.odds)
        return f"k = {len(self.widths)}, d = {self.widths[0]}, λ = {', '.join(odds)}"

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Shapes of W_1, …, W_{k+1}."""
        chain = (len(self.targets), *self.widths, len(self.targets))
        return [(above, below) for below, above in pairwise(chain)]


SMALL: Final = (3.0, 2.0, 1.0)
LARGE: Final = (5.0, 4.2, 3.1, 2.4, 1.6, 1.1, 0.6, 0.2)
PROBLEMS: Final = {
    "quick": (
        Problem(SMALL, (4,), (0.5,)),
        Problem(SMALL, (4, 4), (0.5, 0.5)),
        Problem(SMALL, (4, 4), (2.0, 1.0)),
        Problem(SMALL, (4, 4, 4), (0.3, 0.3, 0.3)),
        Problem(SMALL, (4, 4, 4, 4), (0.2, 0.2, 0.2, 0.2)),
    ),
    "full": tuple(Problem(LARGE, (20,) * k, (0.5,) * k) for k in (1, 2, 3, 4)),
}
STARTS: Final = {"quick": 32, "full": 128}
SCALES: Final = (0.05, 1.0)  # spread of the initial weights: half of the starts each
SEEDS: Final = {"quick": 8, "full": 16}
MASKED_STEPS: Final = {"quick": 6_000, "full": 40_000}
COPIES: Final = 16  # masks per step and input, averaged
RATE: Final = 0.02
# fixed before any run
TOLERANCE: Final = 1e-6  # best start against the optimum, relative
LOCAL: Final = 1e-4  # a start within this of the optimum, relative, has found it
VALUE_TOLERANCE: Final = 1e-4  # singular values of the best start, relative to the largest target
VALUE_MARGIN: Final = 0.02  # of the largest singular value of the target, for networks trained with masks
SHARE: Final = 1 / 3  # of the predicted distance from the surrogate: a wider margin could not tell the two apart
OBJECTIVE_MARGIN: Final = 0.02  # relative


def exact_objective(problem: Problem, weights: "list[Tensor]", target: "Tensor") -> "Tensor":
    """Return ‖Y − M‖² + R by the recursion S_i = (11ᵀ + λ_i I)∘(W_i S_{i−1} W_iᵀ), shape (B,); inputs are whitened."""
    product, moment = weights[0], weights[0] @ weights[0].mT
    for weight, odds in zip(weights[1:], problem.odds, strict=True):
        noisy = moment + odds * moment.diagonal(dim1=1, dim2=2).diag_embed()
        product, moment = weight @ product, weight @ noisy @ weight.mT
    total = moment.diagonal(dim1=1, dim2=2).sum(1)
    return ((target - product) ** 2).sum((1, 2)) + total - (product**2).sum((1, 2))


def descent(setting: Setting) -> dict[str, Any]:
    """Minimise the exact objective from many random starts, all in one batch, beside the predicted optimum."""
    import torch

    from etatrick.numerics import deep_dropout_minimizer
    from etatrick.validation.experiments.batched_lbfgs import minimise_batch

    found = {}
    problems, starts = PROBLEMS[setting.level], STARTS[setting.level]
    for index, problem in enumerate(problems):
        target = torch.diag(torch.tensor(problem.targets, dtype=torch.float64, device=setting.device))
        counts = [rows * columns for rows, columns in problem.sizes]
        generator = torch.Generator().manual_seed(seed("deep-linear", problem.name))
        start = torch.randn((starts, sum(counts)), generator=generator, dtype=torch.float64)
        start *= torch.tensor(SCALES, dtype=torch.float64).repeat_interleave(starts // len(SCALES))[:, None]

        def objective(flat: "Tensor", problem: Problem = problem, target: "Tensor" = target) -> "Tensor":
            return exact_objective(problem, _weights(problem, flat), target)

        points, values = minimise_batch(objective, start.to(setting.device), steps=1_000, memory=12)
        best = deep_dropout_minimizer(np.diag(problem.targets), problem.widths, problem.odds)
        found[problem.name] = {
            "layers": len(problem.widths), "targets": list(problem.targets), "optimum": best.objective,
            "predicted": best.singular_values.tolist(), "surrogate": best.surrogate,
            "surrogate_values": np.asarray(best.surrogate_singular_values).tolist(), "exact": best.exact.status,
            "objectives": values.cpu().tolist(), "values": _singular(problem, points).cpu().tolist(),
        }  # fmt: skip
        setting.progress((index + 1) / len(problems))
    return {"runs": found}


def masked(setting: Setting) -> dict[str, Any]:
    """Train with random masks on every hidden layer, many seeds in one batch, Adam with a rate that falls to 0."""
    import torch

    from etatrick.numerics import deep_dropout_minimizer

    found: dict[str, Any] = {}
    seeds, steps = SEEDS[setting.level], MASKED_STEPS[setting.level]
    chosen = PROBLEMS[setting.level][:2]
    for index, problem in enumerate(chosen):
        target = torch.diag(torch.tensor(problem.targets, dtype=torch.float64, device=setting.device))
        numbers = [seed("deep-linear", "masks", problem.name, s) for s in range(seeds)]
        generators = [torch.Generator().manual_seed(number) for number in numbers]
        weights = [
            torch.stack([torch.randn(size, generator=g, dtype=torch.float64) for g in generators])
            .to(setting.device).requires_grad_() for size in problem.sizes
        ]  # fmt: skip
        optimizer = torch.optim.Adam(weights, lr=RATE)
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = RATE * (1 - step / steps)
            optimizer.zero_grad()
            _masked_loss(problem, weights, target, generators).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if step % 100 == 0:
                setting.progress((index + step / steps) / len(chosen))
        best = deep_dropout_minimizer(np.diag(problem.targets), problem.widths, problem.odds)
        flat = torch.cat([weight.detach().flatten(1) for weight in weights], 1)
        exact = exact_objective(problem, [weight.detach() for weight in weights], target)
        found[problem.name] = {
            "values": _singular(problem, flat).cpu().tolist(), "predicted": best.singular_values.tolist(),
            "surrogate_values": np.asarray(best.surrogate_singular_values).tolist(), "layers": len(problem.widths),
            "excess": (exact.cpu().numpy() / best.objective - 1).tolist(), "largest_target": max(problem.targets),
        }  # fmt: skip
    return {"runs": found}


def _masked_loss(problem: Problem, weights: "list[Tensor]", target: "Tensor", generators: Any) -> "Tensor":
    """Return ‖Y − W_{k+1} z_k W_k … z_1 W_1‖², a mask for every input, averaged over copies, shape (S,)."""
    import torch

    inputs = len(problem.targets)
    hidden = weights[0].repeat(1, 1, COPIES)
    for weight, width, odds in zip(weights[1:], problem.widths, problem.odds, strict=True):
        retain = 1 / (1 + odds)
        drawn = torch.stack([torch.rand((width, COPIES * inputs), generator=g) for g in generators]).to(hidden.device)
        hidden = weight @ (hidden * (drawn < retain) / retain)
    return ((target.repeat(1, COPIES) - hidden) ** 2).sum((1, 2)) / COPIES


def conclude(results: Results) -> Finding:
    """Conclude *checked* if every optimum is reached and never undercut, and the surrogate fails where it should."""
    tests: dict[str, Any] = {}
    for name, run in results["descent"]["runs"].items():
        gaps = np.array(run["objectives"]) / run["optimum"] - 1
        best = run["values"][int(gaps.argmin())]
        far = float(np.abs(np.array(best) - run["predicted"]).max() / max(run["targets"]))
        tests[f"{name}: best of the starts / predicted optimum − 1"] = (
            "agrees", _within(float(gaps.min()), TOLERANCE, len(gaps)))  # fmt: skip
        tests[f"{name}: its singular values − predicted"] = ("agrees", _within(far, VALUE_TOLERANCE, len(gaps)))
        deep = run["layers"] > 1
        row = f"{'control: ' if deep else ''}{name}: best of the starts / convex surrogate − 1"
        gap = (1 + float(gaps.min())) * run["optimum"] / run["surrogate"] - 1
        tests[row] = ("differs" if deep else "agrees", _within(gap, TOLERANCE, len(gaps)))
    for name, run in results["masked"]["runs"].items():
        apart = float(np.abs(np.subtract(run["predicted"], run["surrogate_values"])).max())
        far = min(VALUE_MARGIN * run["largest_target"], SHARE * apart if run["layers"] > 1 else np.inf)
        tests[f"masks, {name}: excess over the predicted optimum"] = (
            "agrees", equivalence(run["excess"], margin=OBJECTIVE_MARGIN).to_json())  # fmt: skip
        tests[f"masks, {name}: singular values − predicted"] = (
            "agrees", equivalence(run["values"], run["predicted"], margin=far).to_json())  # fmt: skip
        if run["layers"] > 1:
            tests[f"control: masks, {name}: singular values − surrogate's"] = (
                "differs", equivalence(run["values"], run["surrogate_values"], margin=far).to_json())  # fmt: skip
    decision = Decision(tests)
    gaps = [run["optimum"] / run["surrogate"] - 1 for run in results["descent"]["runs"].values() if run["layers"] > 1]
    return Finding(
        decision.status, f"{len(tests)} tests with margins fixed in advance", "; ".join(results["descent"]["runs"]),
        decision.witness,
        "With one hidden layer the optimum is the prox of the squared nuclear norm and every start finds it. With more "
        "the convex envelope ν‖M‖²_* is a strict lower bound once the rank exceeds 1, and lower or higher ranks are "
        "local minima in which training can end.",
        summary=decision.problems or (
            "The best of the starts attains the predicted optimum at every depth, and no start goes below it; with "
            f"two or more hidden layers it lies {100 * min(gaps):.1f}–{100 * max(gaps):.1f} % above the convex "
            "surrogate; training with masks ends at the same singular values."),
        formulas=(Formula(r"\min_M\lVert Y-M\rVert^2+\min_{\sum_jh_{ij}\le d_i}\sum_j\sigma_j(M)^2"
                          r"\Big[\prod_i\big(1+\tfrac{\lambda_i}{h_{ij}}\big)-1\Big]",
                          "the exact optimum; for one hidden layer the bracket's minimum is (λ/d)‖M‖²_*"),),
        tables=(_landscape(results["descent"]["runs"]), decision.table("Tests that decide")),
        pictures=(Picture("deep-linear-training", "Where starts end, and singular values against the prediction.",
                          "Left: objective of every start relative to the optimum, one column per network, with the "
                          "convex surrogate as a bar below. Right: singular values of the best start on those of "
                          "the target, with the predictions of the optimum and of the surrogate."),),
        data=dict(results),
    )  # fmt: skip


def _within(value: float, margin: float, starts: int) -> dict[str, Any]:
    outcome = "agrees" if abs(value) <= margin else "differs"
    return {"outcome": outcome, "largest": value, "margin": margin, "p_value": None, "seeds": starts}


def _landscape(descent: Any) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, run in descent.items():
        gaps = np.array(run["objectives"]) / run["optimum"] - 1
        halves = np.array_split(gaps <= LOCAL, len(SCALES))
        rank, surrogate = (int((np.array(run[key]) > 1e-6).sum()) for key in ("predicted", "surrogate_values"))
        rows.append((name, run["optimum"], float(gaps.min()), run["surrogate"], rank, surrogate,
                     *(float(half.mean()) for half in halves), float(gaps.max())))  # fmt: skip
    columns = ("network", "predicted optimum", "best start, relative", "surrogate", "rank", "surrogate's rank",
               *(f"found from spread {scale:g}" for scale in SCALES), "worst local minimum, relative")  # fmt: skip
    return Table("Minima reached by L-BFGS from random weights", columns, tuple(rows))


def _weights(problem: Problem, flat: "Tensor") -> "list[Tensor]":
    import torch

    parts = torch.split(flat, [rows * columns for rows, columns in problem.sizes], 1)
    return [part.reshape(-1, *size) for part, size in zip(parts, problem.sizes, strict=True)]


def _singular(problem: Problem, points: "Tensor") -> "Tensor":
    import torch

    weights = _weights(problem, points)
    product = weights[0]
    for weight in weights[1:]:
        product = weight @ product
    values: Tensor = torch.linalg.svdvals(product)
    return values


EXPERIMENT: Final = Experiment(
    "deep-linear",
    "Dropout in deep linear networks",
    "Does dropout on every hidden layer shrink singular values as the squared nuclear norm does, at every depth?",
    "Mianjy and Arora 2019",
    Route(
        (
            Part("descent", "descent on the exact objective from many starts", descent, 25.0),
            Part("masked", "training with masks on every layer", masked, 15.0),
        ),
        conclude,
    ),
)
