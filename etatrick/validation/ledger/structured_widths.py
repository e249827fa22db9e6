"""Claims on the width in matrix factorisation with dropped blocks: the schedule of θ, its effects, balanced factors."""

from typing import TYPE_CHECKING, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.structured_masks import EXACT, HIDDEN, factors, mean_loss
from etatrick.validation.ledger.structured_minima import CLASS, TRAINED, block_covariance, descended, targets
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.routes import Fact, Pair, numbers, proof

if TYPE_CHECKING:
    import numpy as np

CAVAZZA: Final = "Cavazza et al. 2018"


def _schedule() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal, tends

    odds, r, d = sp.symbols("lambda r d", positive=True)
    bar = sp.Symbol(r"\bar\theta", positive=True)
    wide = bar * r / (d - (d - r) * bar)
    return [
        equal((1 - wide) / wide * r / d, (1 - bar) / bar, "with B = d/r blocks the factor λ(d)/B of the induced "
              "penalty is the odds of one block alone",
              r"\frac{1-\theta(d)}{\theta(d)}\cdot\frac rd = \frac{1-\bar\theta}{\bar\theta}"),
        equal(sp.Subs(wide, d, r), bar, "θ(d) at d = r, one block: nothing is changed"),
        tends(odds * r / d, d, sp.oo, 0, "at a fixed rate the charge (λ/B)‖A‖²_{sp,r} vanishes like 1/d"),
    ]  # fmt: skip


def _kept_charge(rng: "np.random.Generator", widened: bool = True) -> Pair:
    """Compare the minimum at one width with that at twice the width, by descent, with θ(d) at both."""
    from etatrick.theory.structured import retain_for_width

    r, alone, Y = int(rng.integers(1, 3)), float(rng.uniform(0.3, 0.9)), targets(rng, 3, 4)
    values = []
    for d in (4 * r, 8 * r):
        theta = float(retain_for_width(alone, r, d if widened else 4 * r))
        values.append(descended(Y, block_covariance(d, r, (1 - theta) / theta), rng)[0])
    return Pair(values[0], values[1], {"r": r, "θ̄": alone})


def _fixed_rate(rng: "np.random.Generator") -> Pair:
    return _kept_charge(rng, widened=False)


SCHEDULE: Final = Claim(
    id="structured/retain-for-width",
    title="The retain probability must fall with the width",
    statement=r"$\theta(d)=\bar\theta r/(d-(d-r)\bar\theta)$ makes the induced penalty $\frac{1-\bar\theta}{\bar\theta}"
    r"\lVert A\rVert_{sp,r}^2$ at every width; at a fixed $\theta$ it vanishes like $1/d$.",
    source=f"{CAVAZZA}, Proposition 2 (r = 1); {HIDDEN} for blocks",
    relation="equal",
    parameters={"θ̄": "0 < θ̄ < 1", "d": "a multiple of r"},
    derive=proof(_schedule, "θ̄, λ, r, d > 0"),
    solve=numbers(_kept_charge, draws=8, tolerance="SOLVER", control=_fixed_rate, seconds=2,
                  what="The minima by descent at two widths, with θ(d); the control keeps θ."),
    observe=TRAINED,
    tolerance=CLASS,
)  # fmt: skip


def _halved() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    u, v, x, y, lam = sp.symbols("u v x y lambda", positive=True)
    halved = (u / sp.sqrt(2), v / sp.sqrt(2))
    return [
        equal(sp.Subs(2 * x * y, (x, y), halved), u * v, "a unit and its copy, weights x, y each, have the product of "
              "a unit with the weights u, v"),
        equal(sp.Subs(2 * lam * x**2 * y**2, (x, y), halved), lam * u**2 * v**2 / 2, "at half the charge; of vectors, "
              "the squared norms"),
    ]  # fmt: skip


def _copied(rng: "np.random.Generator", share: float = 0.5) -> Pair:
    """Compare half the charge of d units with that of their copies, by the mean over all masks of 2d units."""
    import itertools

    import numpy as np

    Y, U, V = factors(rng, 3)
    theta = float(rng.uniform(0.2, 0.9))
    wide = [np.hstack([F, F]) / 2**0.5 for F in (U, V)]
    kept = [np.array(z) for z in itertools.product((0.0, 1.0), repeat=6)]
    outcomes = ((theta ** z.sum() * (1 - theta) ** (6 - z.sum()), z / theta) for z in kept)
    charge = mean_loss(Y, wide[0], wide[1], outcomes) - float(((Y - U @ V.T) ** 2).sum())
    stated = (1 - theta) / theta * float(((U**2).sum(0) * (V**2).sum(0)).sum())
    return Pair(share * stated, charge, {"θ": theta})


def _unhalved(rng: "np.random.Generator") -> Pair:
    return _copied(rng, share=1.0)


DOUBLING: Final = Claim(
    id="structured/copies-halve-the-charge",
    title="Copying the hidden units halves dropout's charge",
    statement=r"$\Omega\big(\tfrac1{\sqrt2}[U,U],\tfrac1{\sqrt2}[V,V]\big)=\tfrac12\Omega(U,V)$ for the same product "
    r"and the same $\theta$: dropout at a fixed rate does not bound the width.",
    source=f"{CAVAZZA}, Proposition 1",
    relation="equal",
    parameters={"θ": "0 < θ < 1"},
    derive=proof(_halved, "u, v, λ > 0"),
    solve=numbers(_copied, draws=20, control=_unhalved, what="Half the charge against the mean over all 64 masks of "
                  "the copied network; the control does not halve."),
    observe=EXACT,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _same_value() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    odds, d, fit, norm = sp.symbols("lambda d F N", positive=True)
    wide = 1 / (1 + d * odds)  # θ(d) for r = 1, where λ = (1 − θ̄)/θ̄
    beta = (1 - wide) / wide / d
    return [
        equal(beta, odds, "with θ(d) = 1/(1 + dλ), λ(d)/d is the same for every d",
              r"\frac{1-\theta(d)}{\theta(d)}\cdot\frac1d = \lambda"),
        equal(sp.Derivative(fit + beta * norm**2, d), 0, "so the least objective of a product, of fit F and nuclear "
              "norm N, does not depend on the width",
              r"\tfrac d{dd}\Big[F+\tfrac{1-\theta(d)}{\theta(d)}\tfrac{N^2}d\Big] = 0"),
    ]  # fmt: skip


def _by_width(rng: "np.random.Generator") -> Pair:
    """Compare the minimum by the nuclear norm, found by its threshold, with descent at a width from the rank on."""
    import numpy as np

    odds, Y = float(rng.uniform(0.1, 1.5)), targets(rng, 3, 4)
    m, d = np.linalg.svd(Y, compute_uv=False), int(rng.integers(3, 9))
    taus = [odds * m[:size].sum() / (1 + odds * size) for size in (1, 2, 3)]
    values = [np.maximum(m - t, 0) for t in taus]
    stated = min(float(((m - a) ** 2).sum() + odds * a.sum() ** 2) for a in values)
    found, _, _ = descended(Y, block_covariance(d, 1, d * odds), rng)
    return Pair(stated, float((Y**2).sum()) + found, {"d": d, "λ̄": odds})


def _narrow(rng: "np.random.Generator") -> Pair:
    """Compare with a width of one, below the rank that the minimum needs."""
    import numpy as np

    Y, odds = targets(rng, 3, 4), 0.02
    m = np.linalg.svd(Y, compute_uv=False)
    tau = odds * m.sum() / (1 + 3 * odds)
    found, _, _ = descended(Y, block_covariance(1, 1, odds), rng)
    return Pair(float(3 * tau**2 + odds * (m - tau).sum() ** 2), float((Y**2).sum()) + found, {"d": 1, "λ̄": odds})


DIMENSION: Final = Claim(
    id="structured/width-is-not-identified",
    title="With θ(d) the minimum does not tell the width",
    statement=r"Under $\theta(d)$ every width $d\ge\mathrm{rank}$ of the solution has the same optimal value and "
    r"product: dropout learns the rank, not $d$.",
    source=f"{CAVAZZA} write that dropout learns the width d̄; the reading {OURS}",
    relation="equal",
    parameters={"d": "at least the rank of the solution", "θ(d)": "as in structured/retain-for-width, r = 1"},
    derive=proof(_same_value, "λ, d, F, N > 0; the norm is attained at every such width"),
    solve=numbers(_by_width, draws=12, tolerance="SOLVER", control=_narrow, seconds=2,
                  what="The nuclear-norm minimum against descent at widths 3 to 8; the control is a width of one."),
    observe=TRAINED,
    tolerance=CLASS,
)  # fmt: skip


def _even() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    a, b, c = sp.symbols("a b c", positive=True)
    gap = ((a - b) ** 2 + (a - c) ** 2 + (b - c) ** 2) / 3
    shown = r"\textstyle\sum_bx_b^2 = \tfrac1B(\sum_bx_b)^2+\tfrac1B\sum_{b<c}(x_b-x_c)^2"
    return [equal(a**2 + b**2 + c**2, (a + b + c) ** 2 / 3 + gap, "B = 3 norms x_b = ‖U_bV_bᵀ‖_F: of rank ≤ r, they "
                  "add up to at least ‖A‖_{sp,r}, so the charge is least iff all are ‖A‖_{sp,r}/B", shown)]  # fmt: skip


def _block_norm(rng: "np.random.Generator", blocks: int = 4) -> Pair:
    """Compare ‖A‖_{sp,r}/B with the norm of the block that is farthest from it, where descent ends."""
    import numpy as np

    from etatrick.numerics.k_support import spectral_k_support_norm

    r, odds, Y = int(rng.integers(1, 3)), float(rng.uniform(0.3, 2)), targets(rng, 3, 4)
    _, U, V = descended(Y, block_covariance(4 * r, r, odds), rng)
    norms = [float(np.linalg.norm(U[:, s : s + r] @ V[:, s : s + r].T)) for s in range(0, 4 * r, r)]
    stated = float(spectral_k_support_norm(U @ V.T, r)) / blocks
    return Pair(stated, max(norms, key=lambda x: abs(x - stated)), {"r": r, "λ": odds})


def _three_blocks(rng: "np.random.Generator") -> Pair:
    return _block_norm(rng, blocks=3)


BALANCED: Final = Claim(
    id="structured/balanced-factors",
    title="At the minimum all blocks have the same norm",
    statement=r"Where the closed form is attained, $\lVert U_bV_b^{\top}\rVert_F=\lVert A\rVert_{sp,r}/B$ for every "
    r"block; for dropout $\lVert u_i\rVert\lVert v_i\rVert=\lVert A\rVert_*/d$.",
    source="Mianjy, Arora, Vidal 2018 for r = 1 (equalised factors); blocks: " + OURS,
    relation="equal",
    parameters={"B": "enough blocks for the closed form"},
    derive=proof(_even, "three norms > 0"),
    solve=numbers(_block_norm, draws=12, tolerance="SOLVER", control=_three_blocks, seconds=2,
                  what="The norm divided by the four blocks against the block farthest from it, where descent ends; "
                  "the control divides by three."),
    observe=TRAINED,
    tolerance=CLASS,
)  # fmt: skip


def _ridge_only() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    a, beta, m, sigma, x = sp.symbols("a beta m sigma x", positive=True)
    return [
        at_least(sigma**2 / (1 / (1 + x)), sigma**2, "a budget of r allows all scales to be 1, and η = 1/(1 + x) below "
                 "1 costs more: the norm is Frobenius'", r"\sigma^2/\eta \ge \sigma^2"),
        equal(sp.Subs(sp.Derivative((m - a) ** 2 + beta * a**2, a), a, m / (1 + beta)), 0, "and every value is shrunk "
              "alike"),
    ]  # fmt: skip


def _wide_block(rng: "np.random.Generator", r: int = 3) -> Pair:
    """Compare ‖Y‖²β/(1 + β), the minimum of ridge, with descent, three outputs."""
    odds, Y = float(rng.uniform(0.5, 4)), targets(rng, 3, 5)
    blocks = int(rng.integers(2, 5))
    found, _, _ = descended(Y, block_covariance(r * blocks, r, odds), rng)
    square, beta = float((Y**2).sum()), odds / blocks
    return Pair(square * beta / (1 + beta), square + found, {"B": blocks, "λ": odds})


def _narrow_block(rng: "np.random.Generator") -> Pair:
    return _wide_block(rng, r=1)


WIDE_BLOCKS: Final = Claim(
    id="structured/blocks-wider-than-outputs",
    title="Blocks at least as large as the number of outputs are ridge",
    statement=r"For $r\ge\min(a,N)$ DropBlock's minimum is $A=Y/(1+\beta)$, $\beta=\lambda/B$: every singular value is "
    r"shrunk alike and no rank is lost.",
    source=OURS,
    relation="equal",
    parameters={"r": "r ≥ min(a, N), a outputs and N examples"},
    derive=proof(_ridge_only, "σ, x, a, m, β > 0"),
    solve=numbers(_wide_block, draws=15, tolerance="SOLVER", control=_narrow_block, seconds=1,
                  what="Ridge's minimum against descent, three outputs and blocks of three; the control has r = 1."),
    observe=FORMAL,
    tolerance=CLASS,
)  # fmt: skip

CLAIMS: Final = (SCHEDULE, DOUBLING, DIMENSION, BALANCED, WIDE_BLOCKS)
