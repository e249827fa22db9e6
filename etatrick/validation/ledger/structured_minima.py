"""Claims on matrix factorisation with masks on blocks: the induced norm, the closed-form minimum, its rank."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.structured_masks import HIDDEN
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.routes import Absent, Fact, Pair, numbers, proof

if TYPE_CHECKING:
    import numpy as np

TRAINED: Final = Absent("training with masks is compared with the closed form in the experiment on DropBlock")
CLASS: Final = "SOLVER: 1e-6, scaled by 1 + |v|"


def block_covariance(d: int, r: int, odds: float) -> Any:
    """Return C̄ of independent blocks of r units, dropped with these odds."""
    import numpy as np

    owner = np.arange(d) // r
    return odds * (owner[:, None] == owner)


def descended(Y: Any, covariance: Any, rng: "np.random.Generator", *, fit: float = 1.0, starts: int = 1) -> Any:
    """Return the least fit·‖UVᵀ‖² − 2⟨UVᵀ, Y⟩ + ⟨C̄, UᵀU∘VᵀV⟩ by descent, U and V."""
    import numpy as np
    from scipy.optimize import minimize

    (a, n), d = Y.shape, len(covariance)

    def objective(flat: Any) -> tuple[float, Any]:
        U, V = flat[: a * d].reshape(a, d), flat[a * d :].reshape(n, d)
        A, G, H = U @ V.T, U.T @ U, V.T @ V
        pull = fit * A - Y
        slopes = pull @ V + U @ (covariance * H), pull.T @ U + V @ (covariance * G)
        value = float(((pull - Y) * A).sum() + (covariance * G * H).sum())
        return value, 2 * np.concatenate([s.ravel() for s in slopes])

    options = {"maxiter": 1500, "maxfun": 3000, "ftol": 1e-15, "gtol": 1e-9, "maxcor": 20}
    runs = [
        minimize(objective, rng.standard_normal((a + n) * d), jac=True, method="L-BFGS-B", options=options)
        for _ in range(starts)
    ]
    best = min(runs, key=lambda run: float(run.fun))
    return float(best.fun), best.x[: a * d].reshape(a, d), best.x[a * d :].reshape(n, d)


def targets(rng: "np.random.Generator", a: int = 4, n: int = 5) -> Any:
    """Return a random matrix with singular values of different size."""
    import numpy as np

    left, _, right = np.linalg.svd(rng.standard_normal((a, n)), full_matrices=False)
    return (left * np.sort(rng.uniform(0.3, 4, a))[::-1]) @ right


def _induced() -> list[Fact]:
    import sympy as sp

    from etatrick.theory.noise import Blocks
    from etatrick.theory.structured import induced_norm

    steps = induced_norm(Blocks.partition(6, 2, sp.Rational(1, 3))).proof
    words = (
        "the mask has one variable per block, λ_b its odds",
        "what it charges",
        "Θ the least Ω of factors of A, Θ** its envelope, N_* the dual norm",
        "Cauchy–Schwarz over blocks",
        "and over the directions ζ of Z in a block",
        "so the dual norm, ω_i the weight of ζ_i",
        "rank up to a block",
        "the η-trick over the scales H of the dual norm",
        "its best scales",
        "on low rank it is what the factors cost",
        "and averages of low rank reach it",
    )
    return [Fact(s.claim, f"{about}: {s.verdict.method}", s.verdict) for about, s in zip(words, steps, strict=True)]


def _dual(rng: "np.random.Generator", size: int | None = None) -> Pair:
    """Compare (B/λ)Σ of the r largest ζ² with −min of Ω(U, V) − 2⟨UVᵀ, Z⟩, which is the squared dual norm."""
    import numpy as np

    r, odds, Z = int(rng.integers(1, 4)), float(rng.uniform(0.2, 2)), targets(rng)
    blocks = int(rng.integers(2, 5))
    largest = np.linalg.svd(Z, compute_uv=False)[: size or r]
    value, _, _ = descended(Z, block_covariance(blocks * r, r, odds), rng, fit=0.0)
    return Pair(blocks / odds * float((largest**2).sum()), -value, {"r": r, "B": blocks, "λ": odds})


def _number_of_blocks(rng: "np.random.Generator") -> Pair:
    return _dual(rng, size=4)


ENVELOPE: Final = Claim(
    id="structured/envelope",
    title="DropBlock induces the spectral k-support norm, k the size of a block",
    statement=r"The convex envelope of $\min\{\lambda\sum_{b\le B}\lVert U_bV_b^{\top}\rVert_F^2:UV^{\top}=A\}$ is "
    r"$\frac\lambda B\lVert A\rVert_{sp,r}^2$, $r$ the block size: for dropout $\frac\lambda d\lVert A\rVert_*^2$.",
    source=f"{HIDDEN}; Cavazza et al. 2018 for r = 1",
    relation="equal",
    parameters={"λ": "odds of dropping", "B": "blocks of r units"},
    derive=proof(_induced, "three blocks of two, θ = 1/3; the η-trick's scales and the averages at rational spectra",
                 seconds=2),
    solve=numbers(_dual, draws=15, tolerance="SOLVER", control=_number_of_blocks, seconds=2,
                  what="The squared dual norm against the supremum over factors by descent; the control takes k = 4 "
                  "whatever the block size."),
    observe=TRAINED,
    tolerance=CLASS,
)  # fmt: skip


def _ranges() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    m, n, a, b, beta, tau, total, eta = sp.symbols("m n a b beta tau M eta", positive=True)
    r, rho, last = sp.symbols("r rho l", positive=True)
    scale, best = beta * (m / tau - 1), m * eta / (eta + beta)
    budget = (rho - 1) + beta * (total / tau - (last - rho + 1))
    fixed = beta * total / (r + beta * last - (1 + beta) * (rho - 1))
    aligned, swapped = (m - a) ** 2 + (n - b) ** 2, (m - b) ** 2 + (n - a) ** 2
    return [
        equal(swapped - aligned, 2 * (m - n) * (a - b), "the fit is best with the singular vectors of Y, and "
              "values a, b in the order of m, n (von Neumann)"),
        equal((m - a) ** 2 + beta * a**2 / eta, m**2 * beta / (eta + beta) + (eta + beta) / eta * (a - best) ** 2,
              "for fixed scales a = mη/(η + β) is best, at the cost m²β/(η + β)"),
        equal(-sp.Subs(sp.Derivative(m**2 * beta / (eta + beta), eta), eta, scale), tau**2 / beta, "which is "
              "convex; at η = β(m/τ − 1) the gain of every scale is the same: the budget r is shared best"),
        equal(sp.Subs(best, eta, scale), m - tau, "where it is between 0 and 1, a soft threshold"),
        equal(sp.Subs(scale, tau, beta * m / (1 + beta)), 1, "η = 1 from m = τ(1 + β)/β on: a = m/(1 + β)"),
        equal(sp.Subs(budget, tau, fixed), r, "the sum of η is r at this τ, M the sum of m_j from ρ to l"),
    ]  # fmt: skip


def _closed_form(rng: "np.random.Generator", wrong: int = 0) -> Pair:
    from etatrick.numerics.factorization import dropblock_minimizer

    r, theta, Y = int(rng.integers(1, 4)), float(rng.uniform(0.2, 0.8)), targets(rng)
    found = dropblock_minimizer(Y, r + wrong, theta, 4 * (r + wrong))
    value, _, _ = descended(Y, block_covariance(4 * r, r, (1 - theta) / theta), rng)
    return Pair(found.objective, float((Y**2).sum()) + value, {"r": r, "θ": theta})


def _larger_block(rng: "np.random.Generator") -> Pair:
    return _closed_form(rng, wrong=1)


CLOSED_FORM: Final = Claim(
    id="structured/closed-form-minimum",
    title="The global minimum under DropBlock in closed form",
    statement=r"With $\beta=\lambda/B$ and $Y=P\,\mathrm{diag}(m)Q^{\top}$ the minimum of $\lVert Y-UV^{\top}\rVert^2+"
    r"\lambda\sum_b\lVert U_bV_b^{\top}\rVert^2$ has singular values $m_i/(1+\beta)$ before $\rho$, $m_i-\tau$ "
    r"from $\rho$ to $l$ and 0 beyond, $\tau=\beta\sum_{j=\rho}^lm_j/(r+\beta l-(1+\beta)(\rho-1))$.",
    source=f"{HIDDEN}; Cavazza et al. 2018, Theorem 3, for r = 1",
    relation="equal",
    parameters={"θ": "0 < θ < 1, λ = (1 − θ)/θ", "B": "at least l − ρ + 1 blocks of r units",
                "ρ, l": "the first index with m_ρ < τ(1 + β)/β, the last with m_l > τ"},
    derive=proof(_ranges, "m, η, β, τ > 0", seconds=2),
    solve=numbers(_closed_form, draws=10, tolerance="SOLVER", control=_larger_block, seconds=2,
                  what="The closed form against descent on U and V, 4 × 5 and four blocks; the control has blocks of "
                  "one more unit."),
    observe=TRAINED,
    tolerance=CLASS,
)  # fmt: skip


def _floor() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal, tends

    m, norm, beta, step = sp.symbols("m F beta e", positive=True)
    objective = (m - step) ** 2 + beta * (norm + step**2)
    return [
        equal(sp.Subs(sp.Derivative(objective, step), step, 0), -2 * m, "up to rank r the norm is Frobenius', F its "
              "square: below it a new direction of size e, m > 0 in Y, lowers the objective"),
        tends(beta * m / (1 + beta), beta, sp.oo, m, "dropout, r = 1: rank 1 is best iff m_2 ≤ βm_1/(1 + β) "
              "(structured/plateau), so for any m_2 < m_1 if the noise is strong enough"),
    ]  # fmt: skip


def _rank(rng: "np.random.Generator", more: int = 0) -> Pair:
    """Compare min(r, rank Y) with the rank that descent ends with, for strong noise."""
    import numpy as np

    r, rank, odds = int(rng.integers(1, 4)), int(rng.integers(1, 4)), float(10 ** rng.uniform(0.5, 1.5))
    left, values, right = np.linalg.svd(targets(rng), full_matrices=False)
    values[rank:] = 0
    _, U, V = descended((left * values) @ right, block_covariance(3 * r, r, odds), rng)
    found = int((np.linalg.svd(U @ V.T, compute_uv=False) > 1e-5).sum())
    return Pair(min(r + more, rank + more), found, {"r": r, "rank Y": rank, "λ": odds})


def _rank_more(rng: "np.random.Generator") -> Pair:
    return _rank(rng, more=1)


FLOOR: Final = Claim(
    id="structured/rank-floor",
    title="DropBlock never goes below the rank of a block",
    statement=r"Every global minimum has $\mathrm{rank}\ge\min(r,\mathrm{rank}\,Y)$, however strong the noise; dropout "
    r"goes down to rank 1 if $m_1>m_2$.",
    source=OURS,
    relation="lower",
    parameters={"r": "block size", "λ": "λ > 0; β = λ/B", "m": "singular values of Y"},
    derive=proof(_floor, "m, β > 0"),
    solve=numbers(_rank, draws=8, tolerance="SOLVER", relation="lower", control=_rank_more, seconds=2,
                  what="The floor against the number of singular values above 1e-5 where descent ends; the control is "
                  "one more."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, of whole numbers",
)  # fmt: skip


def _flat() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    top, m, beta, a, step, rest = sp.symbols("m_r m beta a e F", positive=True)
    beyond = (m - step) ** 2 + beta * (rest + (a + step) ** 2)  # t = r − 1: the last of rank r shares its scale
    return [
        equal(sp.Subs(sp.Derivative((top - a) ** 2 + beta * a**2, a), a, top / (1 + beta)), 0, "of rank r, ridge is "
              "best: the norm is Frobenius'"),
        equal(sp.Subs(sp.Derivative(beyond, step), (step, a), (0, top / (1 + beta))),
              2 * beta * top / (1 + beta) - 2 * m, "there a new direction of size e shares the scale of the r-th: "
              "it pays iff m_{r+1} > βm_r/(1 + β)",
              r"\left.\tfrac d{de}\big[(m_{r+1}-e)^2+\beta(a_r+e)^2\big]\right|_{e=0,\,a_r=m_r/(1+\beta)} = "
              r"\tfrac{2\beta m_r}{1+\beta}-2m_{r+1}"),
    ]  # fmt: skip


def _plateau(rng: "np.random.Generator", late: float = 1.0) -> Pair:
    """Compare the condition with whether the best scales, by root finding, are 1 on r directions and 0 beyond."""
    import numpy as np
    from scipy.optimize import brentq

    r, beta = int(rng.integers(1, 4)), float(rng.uniform(0.3, 3))
    m = np.sort(rng.uniform(0.1, 4, 5))[::-1]

    def scales(log_tau: float) -> Any:
        return np.clip(beta * (m / np.exp(log_tau) - 1), 0, 1)

    root = brentq(lambda t: float(scales(t).sum()) - r, -9.0, np.log(m[0]), xtol=1e-14)
    found = bool((scales(root)[r:] == 0).all())
    return Pair(float(m[r] <= late * beta / (1 + beta) * m[r - 1]), float(found), {"r": r, "β": beta})


def _plateau_early(rng: "np.random.Generator") -> Pair:
    return _plateau(rng, late=0.5)


PLATEAU: Final = Claim(
    id="structured/plateau",
    title="When DropBlock's minimum has exactly the rank of a block",
    statement=r"The minimum is the ridge-shrunken truncation $m_i/(1+\beta)$, $i\le r$, iff $m_{r+1}\le\frac\beta{1+"
    r"\beta}m_r$.",
    source=OURS,
    relation="iff",
    parameters={"β": "β = λ/B > 0", "r": "block size, below the rank of Y", "m": "singular values of Y"},
    derive=proof(_flat, "m, β, a > 0"),
    solve=numbers(_plateau, draws=100, tolerance="SOLVER", control=_plateau_early,
                  what="The condition against scales found by a search for τ; the control asks for half the ratio."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, of truth values",
)  # fmt: skip

CLAIMS: Final = (ENVELOPE, CLOSED_FORM, FLOOR, PLATEAU)
