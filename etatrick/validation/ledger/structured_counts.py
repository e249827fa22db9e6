"""Claims on masks that depend on each other: a fixed number of blocks, rescaling by the count, units within blocks."""

import itertools
import math
from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.structured_masks import CLASS, EXACT, factors, mean_loss
from etatrick.validation.ledger.theorems import OURS
from etatrick.validation.routes import Fact, Pair, numbers, proof

if TYPE_CHECKING:
    import numpy as np


def block_charges(U: Any, V: Any, r: int) -> float:
    """Return Σ_b‖U_bV_bᵀ‖² over blocks of r columns."""
    return sum(float(((U[:, s : s + r] @ V[:, s : s + r].T) ** 2).sum()) for s in range(0, U.shape[1], r))


def _competing() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    kept, dropped, x, y, z = sp.symbols("K x y_1 y_2 y_3", positive=True)
    blocks = kept + dropped
    kappa = dropped / (kept * (blocks - 1))
    one, two = kept / blocks, kept * (kept - 1) / (blocks * (blocks - 1))  # chances that one block, or two, are kept
    return [
        equal((blocks / kept) ** 2 * one - 1, kappa * (blocks - 1), "K of B blocks, scaled by B/K: the variance",
              r"\mathbb E\bar z_b^2-1 = \left(\tfrac BK\right)^2\tfrac KB-1 = \kappa(B-1)"),
        equal((blocks / kept) ** 2 * two - 1, -kappa, "and the covariance of two blocks",
              r"\mathbb E\bar z_b\bar z_c-1 = \left(\tfrac BK\right)^2\tfrac{K(K-1)}{B(B-1)}-1 = -\kappa"),
        equal(2 * (x**2 + y**2 + z**2) - 2 * (x * y + x * z + y * z), 3 * (x**2 + y**2 + z**2) - (x + y + z) ** 2,
              "B = 3, one entry: κ times this is the charge",
              r"(B-1)\sum_by_b^2-\sum_{b\ne c}y_by_c = B\sum_by_b^2-\left(\sum_by_b\right)^2"),
        equal(kappa, (blocks / kept - 1) / (blocks - 1), "linear in 1/K, so that a random count K enters by its mean",
              r"\frac{B-K}{K(B-1)} = \frac{B\frac1K-1}{B-1}"),
    ]  # fmt: skip


def _counted(rng: "np.random.Generator", shared: bool = True) -> Pair:
    """Compare the formula with the mean over the masks of four blocks: K kept, or Bernoulli divided by the count."""
    import numpy as np

    r, B, theta, fixed = int(rng.integers(1, 3)), 4, float(rng.uniform(0.3, 0.8)), int(rng.integers(0, 4))
    Y, U, V = factors(rng, B * r)
    masks = [np.array(z) for z in itertools.product((0.0, 1.0), repeat=B) if sum(z) and fixed in (0, sum(z))]
    weights = [1.0 if fixed else theta ** z.sum() * (1 - theta) ** (B - z.sum()) for z in masks]
    outcomes = ((w / sum(weights), np.repeat(B * z / z.sum(), r)) for w, z in zip(weights, masks, strict=True))
    counts = {n: math.comb(B, n) * theta**n * (1 - theta) ** (B - n) for n in range(1, B + 1)}
    mean = sum(chance / n for n, chance in counts.items()) / sum(counts.values())  # of 1/K, given K > 0
    kappa = (B - fixed) / (fixed * (B - 1)) if fixed else (B * mean - 1) / (B - 1)
    A = U @ V.T
    charge = kappa * (B * block_charges(U, V, r) - (float((A**2).sum()) if shared else 0.0))
    return Pair(float(((Y - A) ** 2).sum()) + charge, mean_loss(Y, U, V, outcomes), {"r": r, "K": fixed})


def _uncoupled(rng: "np.random.Generator") -> Pair:
    return _counted(rng, shared=False)


COMPETING: Final = Claim(
    id="structured/competing-blocks",
    title="What masks with a fixed sum charge",
    statement=r"Keeping exactly $K$ of $B$ blocks, scaled by $B/K$, adds to $\lVert Y-A\rVert^2$, $A=UV^{\top}$, the "
    r"charge $\kappa\big(B\sum_b\lVert "
    r"A_b\rVert^2-\lVert A\rVert^2\big)$, $A_b=U_bV_b^{\top}$, $\kappa=\frac{B-K}{K(B-1)}$; Bernoulli blocks "
    r"divided by the share that is kept charge the same with $\kappa=\frac{B\,\mathbb E[1/K\mid K>0]-1}{B-1}$.",
    source=OURS,
    relation="equal",
    parameters={"K": "1 ≤ K ≤ B", "B": "≥ 2"},
    derive=proof(_competing, "B = K + x, x ≥ 0; the expansion for three blocks"),
    solve=numbers(_counted, draws=40, control=_uncoupled, what="The formula against the mean over all masks of four "
                  "blocks, K = 0 standing for Bernoulli ones; the control leaves out the covariances."),
    observe=EXACT,
    tolerance=CLASS,
)  # fmt: skip


def _product() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    lam, mu = sp.symbols("lambda_b lambda_u", positive=True)  # odds of blocks and of units
    block, unit = 1 / (1 + lam), 1 / (1 + mu)  # retain probabilities

    def moment(*powers: int) -> Any:  # the mean of (b/θ_b)^Σp ∏(u_i/θ_u)^p_i over the masks of a block and two units
        return sum(
            sp.prod([p if bit else 1 - p for bit, p in zip(bits, (block, unit, unit), strict=True)])
            * (bits[0] / block) ** sum(powers)
            * sp.prod([(bit / unit) ** power for bit, power in zip(bits[1:], powers, strict=True)])
            for bits in itertools.product((0, 1), repeat=3)
        )

    return [
        equal(moment(1, 0), 1, "summed over the masks of a block and two of its units: the mean",
              r"\mathbb E\bar z_i = 1"),
        equal(moment(2, 0) - 1, lam + mu * (1 + lam), "one unit has the variance of both masks",
              r"\mathbb E\bar z_i^2-1 = \lambda_b+\lambda_u(1+\lambda_b)"),
        equal(moment(1, 1) - 1, lam, "two units of a block share only the block's mask, other pairs none: the charge "
              "of structured/expected-squared-loss has these covariances", r"\mathbb E\bar z_i\bar z_j-1 = \lambda_b"),
    ]  # fmt: skip


def _layered(rng: "np.random.Generator", inflated: bool = True) -> Pair:
    """Compare the formula with the mean over the masks of two blocks of two units, and of the units."""
    import numpy as np

    Y, U, V = factors(rng, 4)
    block, unit = (float(x) for x in rng.uniform(0.3, 0.9, 2))
    outcomes = []
    for kept in itertools.product((0.0, 1.0), repeat=6):
        z = np.array(kept)
        chance = float(np.prod(np.where(z > 0, [block] * 2 + [unit] * 4, [1 - block] * 2 + [1 - unit] * 4)))
        outcomes.append((chance, np.repeat(z[:2] / block, 2) * z[2:] / unit))
    lam, mu = (1 - block) / block, (1 - unit) / unit
    single = mu * (1 + lam if inflated else 1.0)
    stated = float(((Y - U @ V.T) ** 2).sum()) + lam * block_charges(U, V, 2) + single * block_charges(U, V, 1)
    return Pair(stated, mean_loss(Y, U, V, iter(outcomes)), {"θ_b": block, "θ_u": unit})


def _not_inflated(rng: "np.random.Generator") -> Pair:
    return _layered(rng, inflated=False)


LAYERED: Final = Claim(
    id="structured/dropout-times-dropblock",
    title="Dropout on top of DropBlock adds the two charges, the second inflated",
    statement=r"Independent masks of units (odds $\lambda_u$) and blocks (odds $\lambda_b$), multiplied, add to "
    r"$\lVert Y-UV^{\top}\rVert^2$ the charge $\lambda_b\sum_b\lVert "
    r"U_bV_b^{\top}\rVert^2+\lambda_u(1+\lambda_b)\sum_i\lVert u_i\rVert^2\lVert v_i\rVert^2$.",
    source=OURS,
    relation="equal",
    parameters={"λ_b, λ_u": "odds of dropping, both > 0"},
    derive=proof(_product, "λ_b, λ_u > 0"),
    solve=numbers(_layered, draws=20, control=_not_inflated, what="The formula against the mean over 64 masks; the "
                  "control leaves out the factor 1 + λ_b."),
    observe=EXACT,
    tolerance=CLASS,
)  # fmt: skip

CLAIMS: Final = (COMPETING, LAYERED)
