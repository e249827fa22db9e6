"""Exact against quadratic GLM dropout: which penalty is charged, and at whose optimum trained models end."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.validation.agreement import ComparisonSet
from etatrick.validation.claim import Part, Results, Route, Setting
from etatrick.validation.evidence import Finding, Formula, Picture, Table
from etatrick.validation.experiment import Experiment
from etatrick.validation.experiments.glm_values import PRINTED_PEAK, Loss, collapse, rounds_to, values

if TYPE_CHECKING:
    from numpy.typing import NDArray

# margins, fixed before any run
MARGIN: Final = 0.05  # of the largest coefficient of the exact optimum
ROUTES: Final = 1e-10  # enumeration or quadrature against the library, scaled by 1 + |v|
GRADIENT: Final = 1e-6  # of the quadratic objective at its optimum, over its gradient at 0
SEEDS: Final = {"quick": 32, "full": 128}
STEPS: Final = {"quick": 8_000, "full": 60_000}
DECAY_STEPS, CHUNK = 500, 100
ROWS, COLUMNS = 60, 4
STARTS: Final = 12


@final
@dataclass(frozen=True)
class Model:
    """A GLM to train with dropout of its features: the loss, the drop rate, and the first step size."""

    loss: Loss
    drop: float
    step_size: float

    @property
    def odds(self) -> float:
        """δ/(1−δ)."""
        return self.drop / (1 - self.drop)

    def data(self) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
        """Return X (60, 4) and y drawn from the model with strong weights."""
        from etatrick.validation.seeding import seed

        rng = np.random.default_rng(seed("glm-dropout", "data", self.loss))
        X = rng.standard_normal((ROWS, COLUMNS))
        if self.loss == "poisson":
            X, w = 0.5 * X, np.array([0.8, -0.6, 0.5, 0.2])
            return X, rng.poisson(np.exp(1 + X @ w)).astype(np.float64)
        chance = 1 / (1 + np.exp(-X @ np.array([3.0, -2.0, 1.5, 0.5])))
        return X, (rng.random(ROWS) < chance).astype(np.float64)


MODELS: Final = {
    "logistic, δ = 0.3": Model("logistic", 0.3, 0.02),
    "logistic, δ = 0.7": Model("logistic", 0.7, 0.02),
    "Poisson, δ = 0.7": Model("poisson", 0.7, 0.004),
}


def optima(setting: Setting) -> dict[str, Any]:
    """Minimise the exact objective, the quadratic one from many starts, and the loss without noise."""
    from etatrick.numerics import minimize_expected_loss
    from etatrick.theory.noise import Bernoulli, Gaussian

    found: dict[str, Any] = {}
    for name, model in MODELS.items():
        X, y = model.data()
        exact = minimize_expected_loss(X, y, Bernoulli(COLUMNS, 1 - model.drop), model.loss)
        normal = minimize_expected_loss(X, y, Gaussian(COLUMNS, model.odds), model.loss)
        coef, gradient = quadratic_optimum(model, [exact.coef, normal.coef])
        plain, _ = quadratic_optimum(Model(model.loss, 0.0, 1.0), [exact.coef])
        found[name] = {
            "exact": exact.coef.tolist(), "status": exact.status.name,
            "relative_gradient": exact.relative_gradient, "gaussian": normal.coef.tolist(),
            "quadratic": coef.tolist(), "quadratic_gradient": gradient, "likelihood": plain.tolist(),
        }  # fmt: skip
    return found


def training(setting: Setting) -> dict[str, Any]:
    """Train every model by SGD with a fresh mask per example and step, many seeds in one batch."""
    found: dict[str, Any] = {"seeds": SEEDS[setting.level], "steps": STEPS[setting.level], "coefs": {}}
    for done, (name, model) in enumerate(MODELS.items()):

        def tell(fraction: float, done: int = done) -> None:
            setting.progress((done + fraction) / len(MODELS))

        found["coefs"][name] = np.round(_trained(name, model, setting, tell), 8).tolist()
    return found


def quadratic_optimum(model: Model, starts: "list[NDArray[np.float64]]") -> "tuple[NDArray[np.float64], float]":
    """Return the best minimiser of the loss plus the quadratic penalty from many starts, and its relative gradient.

    The objective is not convex: ½·odds·Σ_i A″(x_iᵀw) Σ_j x_ij² w_j² falls again where predictions are confident.

    Parameters
    ----------
    model : Model
    starts : list of ndarray, shape (4,)
        To which random ones are added.

    Returns
    -------
    coef : ndarray, shape (4,)
    gradient : float
        Largest entry of the gradient over that at 0.
    """
    from scipy.optimize import minimize

    from etatrick.validation.seeding import seed

    X, y = model.data()

    def objective(w: "NDArray[np.float64]") -> tuple[float, "NDArray[np.float64]"]:
        theta, spread = X @ w, X**2 @ w**2
        if model.loss == "poisson":
            value = first = second = third = np.exp(np.minimum(theta, 50))
        else:
            first = 1 / (1 + np.exp(-theta))
            value, second = np.logaddexp(0, theta), first * (1 - first)
            third = second * (1 - 2 * first)
        slope = X.T @ (first - y + 0.5 * model.odds * third * spread) + model.odds * w * (X.T**2 @ second)
        return float(np.sum(value - y * theta) + 0.5 * model.odds * second @ spread), slope

    rng = np.random.default_rng(seed("glm-dropout", "starts"))
    every = [*starts, np.zeros(COLUMNS), *(2 * rng.standard_normal((STARTS, COLUMNS)))]
    runs = [minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-9}) for start in every]
    best = min(runs, key=lambda run: float(run.fun)).x
    reference = np.abs(objective(np.zeros(COLUMNS))[1]).max()
    return best, float(np.abs(objective(best)[1]).max() / reference)


def _trained(name: str, model: Model, setting: Setting, tell: Any) -> "NDArray[np.float64]":
    import torch

    from etatrick.validation.seeding import seed

    X, y = (torch.tensor(part) for part in model.data())
    seeds, steps, retain = SEEDS[setting.level], STEPS[setting.level], 1 - model.drop
    generators = [torch.Generator().manual_seed(seed("glm-dropout", name, s)) for s in range(seeds)]
    start = [0.2 * torch.randn(COLUMNS, generator=g, dtype=torch.float64) for g in generators]
    weight = torch.stack(start).requires_grad_(True)
    total, counted = torch.zeros_like(weight), 0
    losses: dict[Loss, Any] = {"logistic": torch.nn.functional.softplus, "poisson": torch.exp}
    for begin in range(0, steps, CHUNK):
        draws = torch.stack([torch.rand((CHUNK, ROWS, COLUMNS), generator=g) for g in generators], dim=1)
        masks = (draws < retain).to(torch.float64) / retain
        for offset in range(min(CHUNK, steps - begin)):
            theta = torch.einsum("snd,sd->sn", masks[offset] * X, weight)
            loss = (losses[model.loss](theta) - y * theta).sum()
            (gradient,) = torch.autograd.grad(loss, weight)
            t = begin + offset
            with torch.no_grad():
                weight.sub_(gradient, alpha=model.step_size / (1 + t / DECAY_STEPS))
                if t >= steps // 2:
                    total.add_(weight)
                    counted += 1
        tell(min(1.0, (begin + CHUNK) / steps))
    found: NDArray[np.float64] = (total / counted).detach().numpy()
    return found


def comparisons(results: Results) -> ComparisonSet:
    """Test every trained model against the exact optimum; the quadratic optimum and the likelihood's are controls."""
    own: dict[str, Any] = {}
    other: dict[str, Any] = {}
    for name in MODELS:
        coefs, solved = np.array(results["training"]["coefs"][name]), results["optima"][name]
        margin = MARGIN * float(np.abs(solved["exact"]).max())
        own[f"{name} → exact optimum"] = (coefs, np.array(solved["exact"]), margin)
        other[f"{name} → quadratic optimum"] = (coefs, np.array(solved["quadratic"]), margin)
        other[f"{name} → maximum likelihood"] = (coefs, np.array(solved["likelihood"]), margin)
    return ComparisonSet.tested(own, other)


def conclude(results: Results) -> Finding:
    """Conclude from the printed values, the two routes to them, the certificates, and the trained models."""
    rows, curves = results["values"]["rows"], results["collapse"]
    solved = {name: results["optima"][name] for name in MODELS}
    tests = comparisons(results)
    found = tests.conclusion
    faults = {f"{name}, {kind}: printed {stated}": value for name, kind, value, stated, fits, _ in rows if not fits}
    residual = max(row[5] for row in rows)
    if not residual <= ROUTES:
        faults["enumeration less the library"] = residual
    for name, part in solved.items():
        if part["status"] != "OPTIMAL" or not part["quadratic_gradient"] <= GRADIENT:
            faults[f"{name}: no certified optimum"] = part["quadratic_gradient"]
    if not (curves["height"] > max(curves["neighbours"]) and abs(curves["saturation"] - math.log(2) / 2) <= ROUTES):
        faults["the peak or the saturation of one feature"] = curves["height"]
    matched = sum(bool(row[4]) for row in rows)
    peak = f"|t| = {curves['peak']:.5f} with the value {curves['height']:.5f}"
    peak_fits = rounds_to(curves["peak"], PRINTED_PEAK[0])
    remark = "as printed" if peak_fits else f"where {PRINTED_PEAK[0]} is printed (2/t = tanh(t/2) decides)"
    distances = {name: _distance(part, "exact", "quadratic") for name, part in solved.items()}
    summary = (
        f"{matched} of {len(rows)} printed values reproduced; trained with dropout: {found}. The quadratic optimum is "
        + ", ".join(f"{value:.2f} ({name})" for name, value in distances.items())
        + f" away from the exact one; its penalty of one feature peaks at {peak}, {remark}."
    )
    columns = ("case", "form", "ours", "printed", "reproduced", "other route")
    placed = tuple((name, *(round(v, 4) for v in (_distance(part, "exact", k) for k in ("quadratic", "gaussian",
                    "likelihood"))), part["status"]) for name, part in solved.items())  # fmt: skip
    return Finding(
        "refuted" if faults else found.status,
        f"{len(rows)} values by enumeration or quadrature and by the library; {len(tests.comparisons)} equivalence "
        f"tests and {len(tests.controls)} negative controls over {results['training']['seeds']} seeds",
        f"logistic and Poisson regression, {ROWS} × {COLUMNS}", {**faults, **found.witness},
        "Logistic: at δ = 0.3 the quadratic form charges confident predictions too little and its optimum is too "
        "large; at δ = 0.7 it charges the others too much and its optimum is too small.",
        summary=summary,
        formulas=(
            Formula(r"R(w)=\sum_i \mathrm E\,A(x_i^{\top}(s\circ w))-A(x_i^{\top}w)", "the exact penalty"),
            Formula(r"R_q(w)=\tfrac12\tfrac{\delta}{1-\delta}\sum_i A''(x_i^{\top}w)\sum_j x_{ij}^2w_j^2",
                    "the quadratic one (Wager, Wang, Liang 2013)"),
        ),
        tables=(
            Table("Penalties of x = (1, −1, 2)", columns, tuple(
                (name, kind, value, float(stated), "yes" if fits else "no", gap)
                for name, kind, value, stated, fits, gap in rows)),
            tests.table("Equivalence tests and negative controls"),
            Table("Distance of other optima from the exact one", ("model", "quadratic", "Gaussian noise",
                  "maximum likelihood", "status of the exact one"), placed),
        ),
        pictures=(Picture("glm-dropout", "Left and middle: exact and quadratic penalty against the scale of the "
                          "weights, for one feature and for three. Right: trained coefficients and the quadratic "
                          "optimum, less the exact optimum.",
                          "Left: one curve saturates, the other peaks and falls to zero. Middle: one curve grows, the "
                          "other falls. Right: dots with ranges at zero within shaded margins, and crosses of the "
                          "quadratic optimum, of which some lie outside for every model."),),
        data={**results, "tests": tests.to_json()},
    )  # fmt: skip


def _distance(part: Results, first: str, second: str) -> float:
    return float(np.abs(np.array(part[first]) - np.array(part[second])).max())


EXPERIMENT: Final = Experiment(
    "glm-dropout",
    "Exact against quadratic dropout in generalised linear models",
    "When does the quadratic dropout penalty differ from the exact one, and which of the two does training minimise?",
    "Wager, Wang, Liang 2013, equations 7 to 11, against exact expectations",
    Route(
        (
            Part("values", "Penalties of one example by two routes", values, 1.0),
            Part("collapse", "The collapse of the quadratic form", collapse, 0.5),
            Part("optima", "Optima of the exact and quadratic objectives", optima, 2.0),
            Part("training", "GLMs trained with dropout", training, 15.0),
        ),
        conclude,
    ),
)
