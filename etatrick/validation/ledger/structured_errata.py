"""Claims on structured dropout that fail as stated: a rotation theorem, normalisation, scaling, rates, last layers."""

import itertools
import math
from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.structured_minima import CLASS, block_covariance, descended, targets
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.routes import Absent, Fact, Pair, mismatch, refutation

if TYPE_CHECKING:
    import numpy as np


def _rotated() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    t = sp.Symbol("t", positive=True)
    c, s = (1 - t**2) / (1 + t**2), 2 * t / (1 + t**2)
    both = (c + s) ** 2 + s**2 + (c - s) ** 2 + c**2  # squared lengths of V's rotated columns, U = I
    return [equal(both, sp.Rational(5, 2), "U = I, V = [[1, 1], [0, 1]], Q the turn by 2 arctan t, ‖Uq_i‖ = 1: both "
                  "‖Vq_i‖² would be (‖UVᵀ‖_*/2)² = 5/4", r"\lVert Vq_1\rVert^2+\lVert Vq_2\rVert^2 = \tfrac52"
                  )]  # fmt: skip


def _rebalanced() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    a, b, c, s = sp.symbols("sigma_1 sigma_2 c s", positive=True)
    root = sp.Matrix([[sp.sqrt(a), 0], [0, sp.sqrt(b)]]) * sp.Matrix([[c, -s], [s, c]])
    squares, half = [(root[:, k].T * root[:, k])[0] for k in (0, 1)], (1 / sp.sqrt(2), 1 / sp.sqrt(2))
    return [equal(sp.Subs(square, (c, s), half), (a + b) / 2, "both factors of UVᵀ = PΣRᵀ are √Σ up to P and R: "
                  f"‖Uq_{i}‖‖Vq_{i}‖ at 45° is ‖UVᵀ‖_*/2") for i, square in enumerate(squares, 1)]  # fmt: skip


def _best_turn(rng: "np.random.Generator", balanced: bool = False) -> Pair:
    """Compare ‖UVᵀ‖_*/2 with ‖u_1‖‖v_1‖ after the rotation that makes the two products equal, found on a grid."""
    import numpy as np
    from scipy.optimize import brentq

    U, V = rng.standard_normal((3, 2)), rng.standard_normal((4, 2))
    left, sigma, right = np.linalg.svd(U @ V.T, full_matrices=False)
    if balanced:
        U, V = left[:, :2] * np.sqrt(sigma[:2]), right[:2].T * np.sqrt(sigma[:2])

    def products(angle: float) -> Any:
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        return np.linalg.norm(U @ turn, axis=0) * np.linalg.norm(V @ turn, axis=0)

    # a quarter turn exchanges the columns, so the difference changes sign on the way
    angle = brentq(lambda x: float(np.subtract(*products(x))), 0.0, math.pi / 2, xtol=1e-15)
    return Pair(float(sigma.sum()) / 2, float(products(angle)[0]), {"σ1": sigma[0], "σ2": sigma[1]})


def _best_turn_balanced(rng: "np.random.Generator") -> Pair:
    return _best_turn(rng, balanced=True)


ROTATION: Final = Claim(
    id="structured/rotation-equalises",
    title="A rotation alone does not equalise factors",
    statement=r"For any $(U,V)$ some orthogonal $Q$ makes all $\lVert Uq_i\rVert\lVert Vq_i\rVert=\lVert "
    r"UV^{\top}\rVert_*/d$.",
    source="a book chapter on dropout as regularisation, Theorem 9.1.1",
    relation="corrected",
    parameters={"U, V": "factors with d columns"},
    corrected=r"True after $(U,V)$ are replaced by balanced factors of the same product $P\Sigma R^{\top}$, $P\sqrt"
    r"\Sigma$ and $R\sqrt\Sigma$. For $U=I$, $V=\binom{1\ 1}{0\ 1}$ no rotation does it.",
    derive=refutation(_rotated, _rebalanced, "the witness U = I, V = [[1, 1], [0, 1]]; balanced factors with d = 2"),
    solve=mismatch(_best_turn, _best_turn_balanced, draws=30, what="‖UVᵀ‖_*/2 against the product of norms where a "
                   "rotation makes the two equal."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _counted(stated: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    kept, dropped, square = sp.symbols("K x F", positive=True)
    blocks = kept + dropped
    kappa = (blocks - kept) / (kept * (blocks - 1))
    pair = blocks * (kept - 1) / (kept * (blocks - 1)) - 1  # E z̄_b z̄_c − 1 for b ≠ c
    total = sp.Sum(square / blocks**2, (sp.Symbol("b"), 1, blocks))  # the squared norms of A_b = A/B
    charge, shown = kappa * (blocks * total - square), r"\kappa\,(B\textstyle\sum_b\lVert A/B\rVert^2-\lVert A\rVert^2)"
    if stated:
        return [at_least(charge.doit(), 0, "factors with all U_bV_bᵀ = A/B, of rank ≤ r, are charged", f"{shown} > 0",
                         strict=True)]  # fmt: skip
    return [
        equal(pair, -kappa, "keeping K of B blocks: the same negative covariance of any two",
              r"\tfrac{B^2}{K^2}\cdot\tfrac{K(K-1)}{B(B-1)}-1 = -\kappa,\ \kappa = \tfrac{B-K}{K(B-1)}"),
        equal(blocks / kept - 1, (blocks - 1) * kappa, "and a variance with which the rows of C̄ sum to 0: the "
              "charge is κ(BΣ‖U_bV_bᵀ‖² − ‖A‖²)", r"\tfrac BK-1 = (B-1)\,\kappa"),
        equal(charge, 0, "so all U_bV_bᵀ = A/B, possible for rank ≤ r, cost nothing", f"{shown} = 0"),
    ]  # fmt: skip


def _charged() -> list[Fact]:
    return _counted(True)


def _free() -> list[Fact]:
    return _counted(False)


def _normalised(rng: "np.random.Generator", shrinks: bool = True) -> Pair:
    """Compare with the minimum by descent, for masks divided by the share of kept blocks, targets of rank r."""
    import numpy as np

    r, blocks, theta = int(rng.integers(1, 3)), 3, float(rng.uniform(0.4, 0.8))
    kept = [np.array(z) for z in itertools.product((0.0, 1.0), repeat=blocks) if sum(z)]
    chances = np.array([theta ** z.sum() * (1 - theta) ** (blocks - z.sum()) for z in kept])
    scaled = np.array([blocks * z / z.sum() - 1 for z in kept])
    table = np.kron(scaled.T @ (scaled * (chances / chances.sum())[:, None]), np.ones((r, r)))
    left, values, right = np.linalg.svd(targets(rng, 3, 4), full_matrices=False)
    Y = (left[:, :r] * values[:r]) @ right[:r]
    beta = (1 - theta) / theta / blocks if shrinks else 0.0
    stated = float((values[:r] ** 2).sum()) * beta / (1 + beta)
    return Pair(stated, float((Y**2).sum()) + descended(Y, table, rng)[0], {"θ": theta, "r": r})


def _normalised_free(rng: "np.random.Generator") -> Pair:
    return _normalised(rng, shrinks=False)


NORMALISER: Final = Claim(
    id="structured/count-normalised-masks",
    title="Rescaling by the number of kept blocks removes the penalty on low rank",
    statement=r"Dividing a mask of blocks by the share that it keeps, instead of by $\theta$, still shrinks every "
    r"singular value.",
    source=f"implementations of DropBlock that normalise by the count, per example; the analysis {OURS}",
    relation="refuted",
    parameters={"K": "blocks kept, 1 ≤ K ≤ B"},
    corrected=r"$\bar C\mathbf 1=0$: with enough blocks the induced penalty is $\kappa(\lVert A\rVert_{sp,r}^2-\lVert "
    r"A\rVert_F^2)$, $\kappa=\frac{B-K}{K(B-1)}$, zero for $\mathrm{rank}\,A\le r$, and its convex envelope is 0.",
    derive=refutation(_charged, _free, "B = K + x blocks, K, x, F > 0"),
    solve=mismatch(_normalised, _normalised_free, draws=10, tolerance="SOLVER", seconds=2,
                   what="Ridge's minimum at 1/θ, and 0, against descent with the exact covariance, targets of rank r."),
    observe=FORMAL,
    tolerance=CLASS,
)  # fmt: skip


def _halves(doubled: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    m, a, beta = sp.symbols("m a beta", positive=True)
    objective = (m - a) ** 2 / 2 + (beta if doubled else beta / 2) * a**2
    return [equal(sp.Subs(sp.Derivative(objective, a), a, m / (1 + beta)), 0, "a = m/(1 + β) is stationary")]


def _halved_fit() -> list[Fact]:
    return _halves(True)


def _halved_both() -> list[Fact]:
    return _halves(False)


def _with_half(rng: "np.random.Generator", scale: float = 1.0) -> Pair:
    """Compare the largest singular value of the closed form with descent on ½‖Y − UVᵀ‖² + scale·Ω."""
    import numpy as np

    from etatrick.numerics.factorization import dropblock_minimizer

    r, odds, Y = int(rng.integers(1, 3)), float(rng.uniform(0.5, 2)), targets(rng)
    _, U, V = descended(Y, 2 * scale * block_covariance(4 * r, r, odds), rng)  # twice the objective
    found = float(np.linalg.norm(U @ V.T, 2))
    return Pair(float(dropblock_minimizer(Y, r, 1 / (1 + odds), 4 * r).singular_values[0]), found, {"r": r, "λ": odds})


def _with_both_halves(rng: "np.random.Generator") -> Pair:
    return _with_half(rng, 0.5)


HALF: Final = Claim(
    id="structured/half-in-front-of-the-loss",
    title="A factor ½ in front of the loss alone changes the solution",
    statement=r"The closed form of $\lVert Y-UV^{\top}\rVert^2+\Omega$ also solves $\tfrac12\lVert Y-UV^{\top}\rVert^2+"
    r"\Omega$.",
    source="a slip between papers that write the loss with and without ½",
    relation="refuted",
    parameters={"Ω": "what DropBlock charges, with β = λ/B", "m": "singular values of Y"},
    corrected=r"$\tfrac12\lVert Y-A\rVert^2+\tfrac\beta2\lVert A\rVert_{sp,r}^2$ is the same problem: half the loss, "
    "averaged over masks, has both halves.",
    derive=refutation(_halved_fit, _halved_both, "m, β > 0"),
    solve=mismatch(_with_half, _with_both_halves, draws=8, tolerance="SOLVER", seconds=2,
                   what="The largest singular value of the closed form against descent with ½ on the loss, and on "
                   "both terms."),
    observe=FORMAL,
    tolerance=CLASS,
)  # fmt: skip


def _nominal() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    live = 1 - sp.Rational(1, 10) / 49 * sp.Rational(14 * 14, 8 * 8)  # the published rate of seeds
    words = "a 14 × 14 map, s = 7, α = 0.9, so that γ = 1/160: one window covers the corner"
    return [equal(live, sp.Rational(9, 10), words, r"(1-\gamma)^1 = \tfrac9{10}"),
            equal(live**49, sp.Rational(9, 10), "and 49 the centre", r"(1-\gamma)^{49} = \tfrac9{10}")]  # fmt: skip


def _counted_windows() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    drop, x = sp.symbols("p x", positive=True)
    line = [sum(1 for s in range(8) if s <= i < s + 7) for i in range(14)]
    gamma = drop / 49 * sp.Rational(14 * 14, 8 * 8)
    hits = sp.Rational(sum(a * b for a in line for b in line), 14 * 14)
    live = 1 - gamma.subs(drop, sp.Rational(1, 10))
    return [
        at_least(live, sp.Rational(99, 100), "the corner at α = 0.9", r"1-\gamma > 0.99", strict=True),
        at_least(sp.Rational(74, 100), live**49, "and the centre", r"0.74 > (1-\gamma)^{49}", strict=True),
        equal(gamma * hits, drop, "the expected number of seeds over a unit is the drop rate, on average over the map, "
              "n_ij windows over each", r"\tfrac1{HW}\textstyle\sum_{ij}n_{ij}\,\gamma = 1-\alpha"),
        at_least(1 / (1 + x) ** 3, 1 - 3 * (1 - 1 / (1 + x)), "so units are retained at least as often on average: "
                 "(1 − γ)ⁿ ≥ 1 − nγ, here n = 3, γ = x/(1 + x)", r"(1-\gamma)^3 \ge 1-3\gamma"),
    ]  # fmt: skip


def _seeded(rng: "np.random.Generator", nominal: bool = True) -> Pair:
    """Compare with the rate at which a unit of a small map is retained, by the mean over all seeds."""
    size, block = int(rng.integers(4, 6)), 3
    valid, retain = size - block + 1, float(rng.uniform(0.5, 0.9))
    gamma = (1 - retain) / block**2 * size**2 / valid**2
    i, j = (int(x) for x in rng.integers(0, size, 2))
    over = [bool(a <= i < a + block and b <= j < b + block) for a in range(valid) for b in range(valid)]
    rate = 0.0
    for seeds in itertools.product((False, True), repeat=valid**2):
        if not any(s and o for s, o in zip(seeds, over, strict=True)):
            rate += gamma ** sum(seeds) * (1 - gamma) ** (valid**2 - sum(seeds))
    one, other = (min(x, valid - 1) - max(x - block + 1, 0) + 1 for x in (i, j))
    return Pair(retain if nominal else (1 - gamma) ** (one * other), rate, {"i": i, "j": j, "retain": retain})


def _seeded_exact(rng: "np.random.Generator") -> Pair:
    return _seeded(rng, nominal=False)


RATES: Final = Claim(
    id="structured/dropblock-retain-rates",
    title="DropBlock retains units at other rates than it is told",
    statement=r"With $\gamma=\frac{1-\alpha}{s^2}\frac{HW}{(H-s+1)(W-s+1)}$ every unit is retained with probability "
    r"$\alpha$.",
    source="the layer of Ghiasi, Lin, Le 2018 and its implementations, as commonly read",
    relation="refuted",
    parameters={"α": "the nominal retain probability", "s": "side of a block", "H, W": "height and width of the map",
                "γ": "the rate of seeds; each switches off a window of s × s"},
    corrected=r"A unit that $n$ windows cover is retained with probability $(1-\gamma)^n$: for $H=14$, $s=7$, "
    r"$\alpha=0.9$ more than 0.99 in the corner and less than 0.74 in the centre; "
    "the expected number of seeds is right on average.",
    derive=refutation(_nominal, _counted_windows, "a 14 × 14 map with blocks of 7"),
    solve=mismatch(_seeded, _seeded_exact, draws=12, what="The nominal rate, and (1 − γ)ⁿ, against the mean over all "
                   "seeds on maps of 4 × 4 and 5 × 5."),
    observe=Absent("a property of the mask alone"),
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (ROTATION, NORMALISER, HALF, RATES)
