"""Claims on when the induced norm is attained: enough blocks, unequal rates, rotations, the landscape."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.structured_masks import HIDDEN
from etatrick.validation.ledger.structured_minima import CLASS, TRAINED, block_covariance, descended, targets
from etatrick.validation.ledger.structured_norms import clipped
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.routes import Absent, Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np


def least_charge(sigma: Any, covariance: Any, rng: "np.random.Generator", starts: int = 4) -> float:
    """Return the least ⟨C̄, UᵀU∘VᵀV⟩ over square U and V with UVᵀ = diag(σ), by descent on U: V = diag(σ)U⁻ᵀ."""
    import numpy as np
    from scipy.optimize import minimize

    size = len(sigma)

    def objective(flat: Any) -> tuple[float, Any]:
        U = flat.reshape(size, size)
        inverse = np.linalg.inv(U)
        V = sigma[:, None] * inverse.T
        G, H = covariance * (U.T @ U), covariance * (V.T @ V)
        return float((G * (V.T @ V)).sum()), 2 * (U @ H - inverse.T @ G @ V.T @ V).ravel()

    options = {"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-10}
    begins = [np.linalg.qr(rng.standard_normal((size, size)))[0].ravel() for _ in range(starts)]
    return min(float(minimize(objective, b, jac=True, method="L-BFGS-B", options=options).fun) for b in begins)


def support_square(sigma: Any, k: int) -> float:
    """Return the squared k-support norm as the least Σσ²/η, by root finding."""
    return float((sigma**2 / clipped(sigma, 0.0, 1.0, k)).sum())


def _few() -> list[Fact]:
    from etatrick.theory.noise import Blocks
    from etatrick.theory.structured import exactness

    half = Blocks.partition(4, 2, 0.5)
    return [Fact(r"\Theta_B(A) = \tfrac\lambda B\lVert A\rVert_{sp,2}^2", "Θ_B the least charge with B blocks, here "
                 "two of two units, σ(A) = (5, 2, 1, ½)", exactness(half, [5, 2, 1, 0.5]))]  # fmt: skip


def _enough() -> list[Fact]:
    from fractions import Fraction

    from etatrick.theory.noise import Blocks
    from etatrick.theory.structured import exactness
    from etatrick.theory.structured.scales import OrderedScales

    sigma = [Fraction(5), Fraction(2), Fraction(1), Fraction(1, 2)]
    scales = OrderedScales((Fraction(1), Fraction(1))).scales(sigma)
    shown = r"B\,\mathrm{diag}(\eta) = \textstyle\sum_bP_b"
    free = sum(0 < e < 1 for e in scales)
    return [
        Fact(
            shown,
            f"{blocks} blocks of two, P_b a projection of rank two per block, q = {free}",
            exactness(Blocks.partition(2 * blocks, 2, 0.5), sigma),
        )
        for blocks in (free, free + 1)
    ]


def _two_blocks(rng: "np.random.Generator", folded: bool = False) -> Pair:
    """Compare with the least 2Σ‖A_b‖² over two blocks of two, rank 4, by descent."""
    import numpy as np

    sigma = np.sort(rng.uniform(0.3, 5, 4))[::-1]
    stated = (sigma[0] + sigma[3]) ** 2 + (sigma[1] + sigma[2]) ** 2 if folded else support_square(sigma, 2)
    found = 2 * least_charge(sigma, block_covariance(4, 2, 1.0), rng)
    return Pair(float(stated), found, {f"σ{i + 1}": s for i, s in enumerate(sigma)})


def _two_blocks_folded(rng: "np.random.Generator") -> Pair:
    return _two_blocks(rng, folded=True)


FEW_BLOCKS: Final = Claim(
    id="structured/attained-at-every-width",
    title="With few blocks the induced norm is not attained",
    statement=r"$\min\{\lambda\sum_b\lVert U_bV_b^{\top}\rVert^2:UV^{\top}=A\}$ $=\frac\lambda B\lVert A\rVert_{sp,r}^2"
    r"$ as soon as $d\ge\mathrm{rank}\,A$.",
    source=f"a reading of {HIDDEN}; true for r = 1",
    relation="corrected",
    parameters={"B": "number of blocks", "q": "number of best scales with 0 < η < 1 in ‖A‖²_{sp,r}"},
    corrected=r"$B\ge q$ blocks suffice, $q$ the directions carried in part. For $r=B=2$ the minimum is $\frac\lambda2"
    r"[(\sigma_1+\sigma_4)^2+(\sigma_2+\sigma_3)^2]$: for $\lambda=2$ and $\sigma=(5,2,1,\frac12)$ it is 39.25, the "
    "formula gives 37.25.",
    derive=refutation(_few, _enough, "blocks of two units, rank 4"),
    solve=mismatch(_two_blocks, _two_blocks_folded, draws=15, tolerance="SOLVER", seconds=3,
                   what="‖A‖²_{sp,2}, and the formula for two blocks, against descent over all factors of A."),
    observe=FORMAL,
    tolerance=CLASS,
)  # fmt: skip


def _laid_out(rng: "np.random.Generator", more: int = 0) -> Pair:
    """Compare ‖A‖²_{sp,r}/B with Σ‖U_bV_bᵀ‖² of factors that are constructed, if their product is A."""
    import numpy as np

    from etatrick.numerics.factorization import balanced_factors

    r, A = int(rng.integers(1, 4)), targets(rng, 4, 5)
    sigma = np.linalg.svd(A, compute_uv=False)
    eta = clipped(sigma, 0.0, 1.0, r)
    blocks = max(1, int(((eta > 0) & (eta < 1 - 1e-9)).sum())) + int(rng.integers(0, 2))
    blocks = max(blocks, -(-4 // r))
    found = balanced_factors(A, r, blocks * r)
    off = float(abs(found.left @ found.right.T - A).max())
    parts = [found.left[:, s : s + r] @ found.right[:, s : s + r].T for s in range(0, blocks * r, r)]
    charge = sum(float((part**2).sum()) for part in parts) if off < 1e-9 else float("inf")
    return Pair(support_square(sigma, r) / (blocks + more), charge, {"r": r, "B": blocks})


def _one_block_more(rng: "np.random.Generator") -> Pair:
    return _laid_out(rng, more=1)


def _phases() -> list[Fact]:
    from etatrick.theory.structured.exact_widths import split_by_phases

    shown = r"\tfrac1B\textstyle\sum_bD^bPD^{-b} = \mathrm{diag}(P),\ D=\mathrm{diag}(e^{2\pi ij/B})"
    rows = [(blocks, q) for blocks in range(2, 8) for q in range(1, blocks + 1)]
    weakest = [split_by_phases(blocks, q, "roots of unity", "") for blocks, q in rows]
    worst = next((v for v in weakest if v.status != "proved"), weakest[0])
    return [Fact(shown, "P a projection with diagonal η, each block one of its turned copies: the average over the B ≥ "
                 "q phases keeps the diagonal only, B ≤ 7", worst)]  # fmt: skip


ENOUGH: Final = Claim(
    id="structured/enough-blocks",
    title="As many blocks as directions carried in part attain the norm",
    statement=r"For $B\ge q=\#\{0<\eta_i<1\}$ some factors of $A$ have $\sum_b\lVert U_bV_b^{\top}\rVert_F^2=\frac1B"
    r"\lVert A\rVert_{sp,r}^2$; $\eta_i$ is the fraction of blocks that carry direction $i$.",
    source=OURS,
    relation="equal",
    parameters={"B": "B ≥ q", "η": "the best scales of ‖A‖²_{sp,r}, from 0 to 1 and of sum r"},
    derive=proof(_phases, "2 ≤ B ≤ 7; complex phases, real by Klyachko's theorem"),
    solve=numbers(_laid_out, draws=15, tolerance="SOLVER", control=_one_block_more,
                  what="The norm by root finding against the charge of constructed factors; the control divides by "
                  "B + 1."),
    observe=TRAINED,
    tolerance=CLASS,
)  # fmt: skip


def _shares(majorised: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.theory.noise import UnitRates
    from etatrick.theory.structured import exactness
    from etatrick.validation.routes.facts import equal

    a, b, x, y = sp.symbols("a b x y", positive=True)
    law = UnitRates((0.5, 0.1))  # odds 1 and 9: shares 0.9 and 0.1
    sigma = [9.5, 0.5] if majorised else [1, 1]
    gap = (a * x - b * y) ** 2 / (a * b * (1 / a + 1 / b))
    bound = equal(a * x**2 + b * y**2, (x + y) ** 2 / (1 / a + 1 / b) + gap, "Cauchy–Schwarz for odds a, b and "
                  "‖u_i‖‖v_i‖ = x, y, of sum ‖A‖_* or more: the bound")  # fmt: skip
    shown = r"\Theta(A) = \lVert A\rVert_*^2/\textstyle\sum_i\lambda_i^{-1}"
    words = f"Θ(A) the minimum, for the odds 1 and 9 and σ(A) = ({sigma[0]}, {sigma[1]})"
    return [*([bound] if majorised else []), Fact(shown, words, exactness(law, sigma))]


def _unequal() -> list[Fact]:
    return _shares(False)


def _majorised() -> list[Fact]:
    return _shares(True)


def _rates(rng: "np.random.Generator", majorised: bool = False) -> Pair:
    """Compare ‖A‖_*²/Σ(1/λ) with the least charge of two units, by descent."""
    import numpy as np

    odds = np.array([rng.uniform(0.3, 0.6), rng.uniform(2, 5)])
    share = float((1 / odds).max() / (1 / odds).sum())
    first = share * 1.2 if majorised else share * 0.7
    sigma = 3 * np.array([max(min(first, 0.98), 0.5), 1 - max(min(first, 0.98), 0.5)])
    stated = float(sigma.sum() ** 2 / (1 / odds).sum())
    return Pair(stated, least_charge(sigma, np.diag(odds), rng), {"λ1": odds[0], "λ2": odds[1], "σ1": sigma[0]})


def _rates_majorised(rng: "np.random.Generator") -> Pair:
    return _rates(rng, majorised=True)


UNEQUAL: Final = Claim(
    id="structured/unequal-rates",
    title="Unequal rates attain the nuclear norm only for dominant singular values",
    statement=r"$\min\{\sum_i\lambda_i\lVert u_i\rVert^2\lVert v_i\rVert^2:UV^{\top}=A\}$ $=\lVert A\rVert_*^2/\sum_i"
    r"\lambda_i^{-1}$ for every $A$ of rank at most $d$, as for equal rates.",
    source=OURS,
    relation="corrected",
    parameters={"λ": "odds of each unit"},
    corrected=r"That is the convex envelope. It is attained iff $\sigma(A)$ majorises $\lVert A\rVert_*\lambda_i^{-1}/"
    r"\sum_j\lambda_j^{-1}$ (Schur–Horn).",
    derive=refutation(_unequal, _majorised, "two units of odds 1 and 9"),
    solve=mismatch(_rates, _rates_majorised, draws=12, tolerance="SOLVER", seconds=1,
                   what="The harmonic formula against descent over all factors, without and with majorisation."),
    observe=FORMAL,
    tolerance=CLASS,
)  # fmt: skip


def _worst_start(rng: "np.random.Generator", larger: int = 0) -> Pair:
    """Compare the closed form with the worst of three descents from random starts."""
    from etatrick.numerics.factorization import dropblock_minimizer

    r, odds, Y = int(rng.integers(1, 4)), float(rng.uniform(0.3, 2)), targets(rng)
    values = [descended(Y, block_covariance(4 * r, r, odds), rng)[0] for _ in range(3)]
    stated = dropblock_minimizer(Y, r + larger, 1 / (1 + odds), 4 * (r + larger)).objective
    return Pair(stated, float((Y**2).sum()) + max(values), {"r": r, "λ": odds})


def _worst_larger(rng: "np.random.Generator") -> Pair:
    return _worst_start(rng, larger=1)


LANDSCAPE: Final = Claim(
    id="structured/landscape",
    title="One hidden layer shows no bad local minimum",
    statement=r"Descent on $\lVert Y-UV^{\top}\rVert^2+\lambda\sum_b\lVert U_bV_b^{\top}\rVert^2$ ends at the global "
    r"minimum from every random start.",
    source="Mianjy, Arora, Vidal 2018 for r = 1; blocks " + OURS,
    relation="equal",
    parameters={"r": "1 to 3", "B": "4"},
    derive=Absent("no proof is known for blocks of two or more units"),
    solve=numbers(_worst_start, draws=5, tolerance="SOLVER", control=_worst_larger, seconds=3,
                  what="The closed form against the worst of three random starts; the control is that of larger "
                  "blocks."),
    observe=TRAINED,
    tolerance=CLASS,
)  # fmt: skip

CLAIMS: Final = (FEW_BLOCKS, ENOUGH, UNEQUAL, LANDSCAPE)
