"""Noise recipe: the same forward noise, differentiated and detached, ends at penalties a factor 2/q apart."""

import itertools
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etatrick.validation.agreement import ComparisonSet
from etatrick.validation.claim import Part, Results, Route, Setting
from etatrick.validation.evidence import Finding, Formula, Picture, Table
from etatrick.validation.experiment import Experiment

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

DEGREES: Final = ("1", "5/4", "3/2", "2")  # q of V(w) = λ|w|^q
GRADIENTS: Final = ("differentiated", "detached")
ROWS, COLUMNS, LAM = 60, 12, 0.4
# margins, fixed before any run: at most a third of the distance between the two optima where q ≤ 3/2
MARGIN: Final = 0.03  # of the largest coefficient of the exact optimum
RATIO_MARGIN: Final = 0.05  # of the factor between the two penalties
EXACT: Final = 1e-12  # relative to the largest entry of the gradient
SEEDS: Final = {"quick": 32, "full": 128}
STEPS: Final = {"quick": 15_000, "full": 120_000}
STEP_SIZE, DECAY_STEPS = 0.05, 2_000
CHUNK: Final = 500


def data() -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """Return X (60, 12) with columns of norm 1, and y from weights of size 1 to 2, none of which a penalty removes."""
    from etatrick.validation.seeding import seed

    rng = np.random.default_rng(seed("noise-recipe", "data"))
    X = rng.standard_normal((ROWS, COLUMNS))
    X /= np.linalg.norm(X, axis=0)
    w = rng.choice([-1.0, 1.0], COLUMNS) * rng.uniform(1, 2, COLUMNS)
    return X, X @ w + 0.1 * rng.standard_normal(ROWS)


def expected_gradients(setting: Setting) -> dict[str, Any]:
    """Average both gradients over all 2¹² sign patterns; compare with fit′ + Ω′ of the penalty that theory derives."""
    import torch

    X, y = data()
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=COLUMNS)), dtype=torch.float64)
    coef = optimum("3/2", "detached").coef * 0.8
    residuals: dict[str, dict[str, float]] = {}
    for degree in DEGREES:
        residuals[degree] = {}
        for gradient in GRADIENTS:
            weight = torch.tensor(coef, dtype=torch.float64).expand(len(signs), -1).clone().requires_grad_(True)
            noisy = NOISY[gradient](weight, _power(degree), signs)
            loss = 0.5 * (torch.tensor(y) - noisy @ torch.tensor(X).T).square().sum() / len(signs)
            found = torch.autograd.grad(loss, weight)[0].sum(0).numpy()
            slope = coef / penalty(degree, gradient).eta_hat_at(np.abs(coef))
            predicted = X.T @ (X @ coef - y) + LAM * slope
            residuals[degree][gradient] = float(np.abs(found - predicted).max() / np.abs(predicted).max())
    return {"patterns": len(signs), "residuals": residuals}


def optima(setting: Setting) -> dict[str, Any]:
    """Solve for both penalties at every degree, with the certificates, and for no noise at all."""
    X, y = data()
    solved = {degree: {name: optimum(degree, name) for name in GRADIENTS} for degree in DEGREES}
    return {
        "coefs": {q: {name: s.coef.tolist() for name, s in pair.items()} for q, pair in solved.items()},
        "relative_gap": {
            q: {name: s.certificate.relative_gap for name, s in pair.items()} for q, pair in solved.items()
        },
        "least_squares": np.linalg.lstsq(X, y, rcond=None)[0].tolist(),
    }


def training(setting: Setting) -> dict[str, Any]:
    """Train linear models by SGD, every degree and both gradients with the same signs, many seeds in one batch."""
    import torch

    from etatrick.validation.seeding import seed

    X, y = data()
    rotation, triangle = np.linalg.qr(X)
    inputs, target = torch.tensor(triangle), torch.tensor(rotation.T @ y)
    seeds, steps = SEEDS[setting.level], STEPS[setting.level]
    generators = [torch.Generator().manual_seed(seed("noise-recipe", s)) for s in range(seeds)]
    start = torch.stack([torch.randn(COLUMNS, generator=g, dtype=torch.float64) for g in generators])
    powers = torch.tensor([_power(q) for q in DEGREES], dtype=torch.float64)[:, None, None]
    weight = start.expand(len(GRADIENTS), len(DEGREES), seeds, COLUMNS).clone().requires_grad_(True)
    total, counted = torch.zeros_like(weight), 0
    for begin in range(0, steps, CHUNK):
        bits = [torch.randint(0, 2, (CHUNK, COLUMNS), generator=g, dtype=torch.float64) for g in generators]
        signs = 2 * torch.stack(bits, dim=1) - 1
        for offset in range(min(CHUNK, steps - begin)):
            noisy = torch.stack([
                NOISY[name](rows, powers, signs[offset]) for name, rows in zip(GRADIENTS, weight, strict=True)
            ])  # fmt: skip
            loss = 0.5 * (target - noisy @ inputs.T).square().sum()
            (gradient,) = torch.autograd.grad(loss, weight)
            t = begin + offset
            with torch.no_grad():
                weight.sub_(gradient, alpha=STEP_SIZE / (1 + t / DECAY_STEPS))
                if t >= steps // 2:
                    total.add_(weight)
                    counted += 1
        setting.progress(min(1.0, (begin + CHUNK) / steps))
    mean = (total / counted).detach().numpy()
    coefs = {q: {name: np.round(mean[i, j], 8).tolist() for i, name in enumerate(GRADIENTS)}
             for j, q in enumerate(DEGREES)}  # fmt: skip
    return {"steps": steps, "seeds": seeds, "coefs": coefs}


def comparisons(results: Results) -> ComparisonSet:
    """Test every degree and gradient against its own optimum, and, as controls, against the other's."""
    exact, trained = results["optima"], results["training"]["coefs"]
    own: dict[str, Any] = {}
    other: dict[str, Any] = {}
    for q, (value, pair) in zip(DEGREES, ((_power(q), trained[q]) for q in DEGREES), strict=True):
        ratio = ratios(value, pair)
        own[f"q = {q}: detached over differentiated penalty = 2/q"] = (ratio, 2 / value, RATIO_MARGIN)
        for name, away in zip(GRADIENTS, reversed(GRADIENTS), strict=True):
            coefs, target = np.array(pair[name]), np.array(exact["coefs"][q][name])
            margin = MARGIN * float(np.abs(target).max())
            own[f"q = {q}: {name} → its optimum"] = (coefs, target, margin)
            wrong = exact["coefs"][q][away] if value < 2 else exact["least_squares"]
            where = f"the {away} optimum" if value < 2 else "least squares"
            other[f"q = {q}: {name} → {where}"] = (coefs, np.array(wrong), margin)
        if value < 2:
            other[f"q = {q}: ratio = 1"] = (ratio, 1.0, RATIO_MARGIN)
    return ComparisonSet.tested(own, other)


def ratios(q: float, pair: Results) -> "NDArray[np.float64]":
    """Return per seed the detached over the differentiated penalty, each estimated from Xᵀ(y − Xw) = λ|w|^(q−1) sgn w.

    Parameters
    ----------
    q : float
        The degree.
    pair : mapping of str to array_like of shape (seeds, d)
        Trained weights of both gradients.

    Returns
    -------
    ndarray, shape (seeds,)
    """
    X, y = data()
    strength = {}
    for name in GRADIENTS:
        w = np.array(pair[name])
        pull, shape = (y - w @ X.T) @ X, np.sign(w) * np.abs(w) ** (q - 1)
        strength[name] = (pull * shape).sum(1) / (shape**2).sum(1)
    found: NDArray[np.float64] = strength["detached"] / strength["differentiated"]
    return found


def conclude(results: Results) -> Finding:
    """Conclude from the exact gradients and from the comparisons with their controls."""
    exact, trained = results["expected gradients"], results["training"]
    worst = max(value for pair in exact["residuals"].values() for value in pair.values())
    gap = max(value for pair in results["optima"]["relative_gap"].values() for value in pair.values())
    tests = comparisons(results)
    found = tests.conclusion
    faults = {name: value for name, value in (("gradient residual", worst), ("relative gap", gap)) if value > EXACT}
    rows = []
    for q in DEGREES:
        ratio = ratios(_power(q), trained["coefs"][q])
        apart = np.abs(np.subtract(*(np.array(results["optima"]["coefs"][q][name]) for name in GRADIENTS))).max()
        rows.append((q, 2 / _power(q), float(ratio.mean()), float(ratio.std(ddof=1)), float(apart),
                     *(exact["residuals"][q][name] for name in GRADIENTS)))  # fmt: skip
    measured = ", ".join(f"{row[2]:.3f} (q = {row[0]}; 2/q = {row[1]:.3f})" for row in rows)
    summary = (
        f"{found}. Detached noise is charged {measured} times as much as differentiated noise, over {trained['seeds']} "
        f"seeds; averaged over all {exact['patterns']} sign patterns both gradients are the predicted ones to "
        f"{worst:.1e}."
    )
    return Finding(
        "refuted" if faults else found.status, f"{len(tests.comparisons)} equivalence tests, {len(tests.controls)} "
        f"negative controls, margins fixed in advance; optima with relative gaps ≤ {gap:.0e}",
        f"linear regression, {ROWS} × {COLUMNS}, unit columns, λ = {LAM}",
        {**faults, **found.witness},
        "At q = 2 both gradients are one and the same, so their runs coincide; there the controls are least squares.",
        summary=summary,
        formulas=(
            Formula(r"\tilde w=w+\sqrt{\lambda|w|^q}\,\mathrm{sgn}(w)\,\epsilon,\quad \epsilon=\pm1", "the noise"),
            Formula(r"\Omega_{\text{differentiated}}=\tfrac12|w|^q,\qquad \Omega_{\text{detached}}=\tfrac1q|w|^q",
                    "what the two gradients minimise"),
        ),
        tables=(
            Table("The factor between the two penalties", ("q", "2/q", "measured", "± sd over seeds",
                  "distance of the optima", "residual, differentiated", "residual, detached"), tuple(rows)),
            tests.table("Equivalence tests and negative controls"),
        ),
        pictures=(
            Picture("noise-recipe", "Left: the trained weights of both gradients at q = 3/2, less the optimum of V/2, "
                    "beside the exact optima. Right: the measured factor between the penalties against q.",
                    "Left: per coordinate dots for the mean over seeds of two kinds of training; one kind lies on "
                    "zero, the other on the crosses of the larger penalty's optimum. Right: four measured factors "
                    "on the curve 2/q."),
        ),
        data={**results, "margin": MARGIN * float(np.abs(results["optima"]["coefs"]["3/2"]["differentiated"]).max()),
              "ratios": {q: ratios(_power(q), trained["coefs"][q]).tolist() for q in DEGREES},
              "tests": tests.to_json()},
    )  # fmt: skip


@lru_cache(maxsize=16)
def penalty(degree: str, gradient: str) -> Any:
    """Return the duality of the penalty that theory derives for V(w) = w^q, per unit λ."""
    from etatrick.theory.recipes import Noise

    return getattr(Noise(f"w**({degree})"), gradient)


@lru_cache(maxsize=16)
def optimum(degree: str, gradient: str) -> Any:
    """Return the exact minimiser of ½‖y − Xw‖² + λΩ for a degree and a gradient, with its certificate."""
    from etatrick.numerics import solve

    return solve(*data(), penalty(degree, gradient), LAM)


def differentiated(weight: "Tensor", power: Any, signs: "Tensor") -> "Tensor":
    """Return the noisy weights with gradients through the noise scale."""
    found: Tensor = weight + weight.sign() * (LAM**0.5) * weight.abs() ** (power / 2) * signs
    return found


def detached(weight: "Tensor", power: Any, signs: "Tensor") -> "Tensor":
    """Return the same noisy weights with w̃/w held fixed."""
    found: Tensor = weight * (1 + (LAM**0.5) * weight.detach().abs() ** (power / 2 - 1) * signs)
    return found


NOISY: Final = {"differentiated": differentiated, "detached": detached}


def _power(degree: str) -> float:
    from fractions import Fraction

    return float(Fraction(degree))


EXPERIMENT: Final = Experiment(
    "noise-recipe",
    "Detached against differentiated noise",
    "Does noise of degree q end at penalties a factor 2/q apart, with its scale differentiated or detached?",
    "derived here; it separates the paper's and the released gradient of Sparseout (Khan, Stavness 2019)",
    Route(
        (
            Part("expected gradients", "Both gradients over all sign patterns", expected_gradients, 2.0),
            Part("optima", "Exact optima of both penalties", optima, 2.0),
            Part("training", "Linear models with both gradients", training, 12.0),
        ),
        conclude,
    ),
)
