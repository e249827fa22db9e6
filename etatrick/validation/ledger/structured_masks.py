"""Claims on masks of hidden units: the expected squared loss of any law, blocks, sliding windows, DropConnect."""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.routes import Absent, Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np

HIDDEN: Final = "Pal, Lane, Vidal, Haeffele 2020"
EXACT: Final = Absent("an exact identity of expectations: trained networks are compared in the experiments")
CLASS: Final = "FLOAT64: 1e-10, scaled by 1 + |v|"


def factors(rng: "np.random.Generator", d: int, a: int = 3, n: int = 4) -> tuple[Any, Any, Any]:
    """Return random targets of shape (a, n) and factors of shapes (a, d) and (n, d)."""
    return rng.standard_normal((a, n)), rng.standard_normal((a, d)), rng.standard_normal((n, d))


def rescaled(lam: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Return the values 0 and 1 + λ of a Bernoulli mask divided by its mean 1/(1 + λ), each with its probability."""
    return (0, lam / (1 + lam)), (1 + lam, 1 / (1 + lam))


def mean_loss(Y: Any, U: Any, V: Any, outcomes: Iterator[tuple[float, Any]]) -> float:
    """Return the mean of ‖Y − U diag(z)Vᵀ‖² over pairs of a probability and a mask z."""
    return float(sum(chance * float(((Y - (U * z) @ V.T) ** 2).sum()) for chance, z in outcomes))


def _any_law() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    u, v, s, t, y, c = sp.symbols("u v s t y c", positive=True)
    both, first, second = sp.symbols("p_11 p_10 p_01", positive=True)
    chances = {(1, 1): both, (1, 0): first, (0, 1): second, (0, 0): 1 - both - first - second}
    m, n = both + first, both + second  # the means of the two units
    mean = sum(p * (y - u * v * i / m - s * t * j / n) ** 2 for (i, j), p in chances.items())
    fixed = sum(p * (y - c * (u * v * i + s * t * j)) ** 2 for (i, j), p in chances.items())
    cov = both - m * n
    charge = (1 / m - 1) * u**2 * v**2 + 2 * cov / (m * n) * u * v * s * t + (1 / n - 1) * s**2 * t**2
    biased = (y - c * (m * u * v + n * s * t)) ** 2 + c**2 * (
        m * (1 - m) * u**2 * v**2 + 2 * cov * u * v * s * t + n * (1 - n) * s**2 * t**2
    )
    return [
        equal(mean, (y - u * v - s * t) ** 2 + charge, "for one entry and two units, masks with any joint law; the "
              "norms are sums over entries, the charges sums over pairs of units",
              r"\mathbb E\lVert Y-U\,\mathrm{diag}(z/\mu)V^{\top}\rVert^2 = \lVert Y-UV^{\top}\rVert^2+"
              r"\textstyle\sum_{ij}\bar C_{ij}\langle u_i,u_j\rangle\langle v_i,v_j\rangle"),
        equal(fixed, biased, "and scaled by a constant c instead of 1/μ, to compare: the fit is that of the mean cμ",
              r"\mathbb E\lVert Y-cU\,\mathrm{diag}(z)V^{\top}\rVert^2 = \lVert Y-cU\,\mathrm{diag}(\mu)V^{\top}"
              r"\rVert^2+c^2\langle C,U^{\top}U\circ V^{\top}V\rangle"),
    ]  # fmt: skip


def _drawn_law(rng: "np.random.Generator", joint: bool = True) -> Pair:
    import numpy as np

    Y, U, V = factors(rng, 4)
    masks = np.array(list(itertools.product((0.0, 1.0), repeat=4)))
    chances = rng.dirichlet(np.full(16, 0.5))
    mean = chances @ masks
    scaled = masks / mean
    cov = (scaled - 1).T @ (chances[:, None] * (scaled - 1))
    cov = cov if joint else np.diag(np.diag(cov))
    stated = float(((Y - U @ V.T) ** 2).sum() + (cov * (U.T @ U) * (V.T @ V)).sum())
    return Pair(stated, mean_loss(Y, U, V, zip(chances, scaled, strict=True)), {"least mean": float(mean.min())})


def _marginals_only(rng: "np.random.Generator") -> Pair:
    return _drawn_law(rng, joint=False)


ANY_LAW: Final = Claim(
    id="structured/expected-squared-loss",
    title="Only the mean and covariance of a mask of hidden units matter",
    statement=r"$\mathbb E\lVert Y-U\,\mathrm{diag}(z/\mu)V^{\top}\rVert^2$ $=\lVert Y-UV^{\top}\rVert^2$ $+\langle"
    r"\bar C,U^{\top}U\circ V^{\top}V\rangle$ with $\bar C_{ij}=C_{ij}/(\mu_i\mu_j)$, for every law of the mask.",
    source=f"Cavazza et al. 2018, Theorem 1 (independent masks); {HIDDEN}",
    relation="equal",
    parameters={"z": "any random vector with all means μ ≠ 0", "C": "the covariance of z"},
    derive=proof(_any_law, "two units with any joint law; a polynomial identity in the factors", seconds=2),
    solve=numbers(_drawn_law, draws=40, control=_marginals_only, what="The formula against the mean over 16 masks with "
                  "random probabilities; the control leaves out the covariances of different units."),
    observe=EXACT,
    tolerance=CLASS,
)  # fmt: skip


def _block_entries() -> list[Fact]:
    import sympy as sp

    from etatrick.theory.noise import Blocks, UnitRates
    from etatrick.theory.structured.proofs import covariance_step, expansion_step
    from etatrick.theory.structured.structure import SeparateBlocks

    theta, phi = sp.symbols("theta phi", positive=True)
    odds, other = (1 - theta) / theta, (1 - phi) / phi
    shared, single = SeparateBlocks((2, 2), (odds, odds)), SeparateBlocks((1, 1), (odds, other))
    return [
        Fact(step.claim, f"{name}, odds λ_b = (1 − θ_b)/θ_b: {step.verdict.method}", step.verdict)
        for law, blocks, name in (
            (Blocks((2, 2), theta), shared, "two blocks of two with the same θ"),
            (UnitRates((theta, phi)), single, "blocks of one with rates of their own"),
        )
        for step in (covariance_step(law, blocks), expansion_step(blocks))
    ]


def _blockwise(rng: "np.random.Generator", size: int | None = None) -> Pair:
    """Compare λΣ‖U_bV_bᵀ‖² with the mean over the masks of blocks of 1 to 3 units."""
    import numpy as np

    r, theta = int(rng.integers(1, 4)), float(rng.uniform(0.2, 0.9))
    d = 3 * r
    Y, U, V = factors(rng, d)
    kept = itertools.product((0.0, 1.0), repeat=3)
    outcomes = ((theta ** sum(z) * (1 - theta) ** (3 - sum(z)), np.repeat(z, r) / theta) for z in kept)
    width = size or r
    charge = sum(float(((U[:, s : s + width] @ V[:, s : s + width].T) ** 2).sum()) for s in range(0, d, width))
    stated = float(((Y - U @ V.T) ** 2).sum()) + (1 - theta) / theta * charge
    return Pair(stated, mean_loss(Y, U, V, outcomes), {"r": r, "θ": theta})


def _by_unit(rng: "np.random.Generator") -> Pair:
    return _blockwise(rng, size=1)


BLOCKS: Final = Claim(
    id="structured/block-masks",
    title="DropBlock charges the product of each block",
    statement=r"One Bernoulli($\theta$) variable per block of $r$ hidden units adds $\frac{1-\theta}\theta\sum_b\lVert "
    r"U_bV_b^{\top}\rVert_F^2$ to the expected squared loss; for $r=1$, dropout, $\frac{1-\theta}\theta\sum_i\lVert "
    r"u_i\rVert^2\lVert v_i\rVert^2$; unit-wise rates have a factor $(1-\theta_i)/\theta_i$ per unit.",
    source=f"{HIDDEN}; Cavazza et al. 2018 for r = 1",
    relation="equal",
    parameters={"θ": "0 < θ ≤ 1", "r": "block size"},
    derive=proof(_block_entries, "0 < θ, φ ≤ 1; 2 × 2 products, two units per block"),
    solve=numbers(_blockwise, draws=40, control=_by_unit, what="The formula against the mean over the masks of three "
                  "blocks; the control charges single units."),
    observe=EXACT,
    tolerance=CLASS,
)  # fmt: skip


def _windows() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal, tends

    stay, own, other, shared, g = sp.symbols("s n_ii n_jj n_ij gamma", positive=True)  # s = 1 − γ
    alive = stay ** (own + other - shared)
    return [
        equal(alive / (stay**own * stay**other) - 1, stay ** (-shared) - 1, "C̄_ij: two units live if no seed hits the "
              "union of the windows over them, the means are (1 − γ)^n", r"\frac{(1-\gamma)^{n_{ii}+n_{jj}-n_{ij}}}"
              r"{(1-\gamma)^{n_{ii}}(1-\gamma)^{n_{jj}}}-1 = (1-\gamma)^{-n_{ij}}-1"),
        tends(((1 - g) ** (-shared) - 1) / g, g, 0, shared, "for rare seeds it is γ times the shared windows"),
    ]  # fmt: skip


def _slid(rng: "np.random.Generator", shift: int = 0) -> Pair:
    """Compare the formula with the mean over all seeds on the valid positions of a line of 7 units."""
    import numpy as np

    d, r, gamma = 7, int(rng.integers(2, 5)), float(rng.uniform(0.05, 0.5))
    places = d - r + 1
    covers = np.array([[float(p <= i < p + r) for p in range(places)] for i in range(d)])
    alive, second = np.zeros(d), np.zeros((d, d))
    for seeds in itertools.product((0.0, 1.0), repeat=places):
        z = (covers @ np.array(seeds) == 0).astype(float)
        chance = gamma ** sum(seeds) * (1 - gamma) ** (places - sum(seeds))
        alive, second = alive + chance * z, second + chance * np.outer(z, z)
    i, j = (int(k) for k in rng.integers(0, d, 2))
    first, last = max(i, j) - r + 1, min(i, j)  # positions of windows that cover both
    shared = max(0, min(last, places - 1) - max(first, 0) + 1) + shift
    return Pair((1 - gamma) ** -shared - 1, second[i, j] / (alive[i] * alive[j]) - 1, {"γ": gamma, "r": r})


def _one_more(rng: "np.random.Generator") -> Pair:
    return _slid(rng, shift=1)


SLIDING: Final = Claim(
    id="structured/sliding-windows",
    title="The covariance of sliding blocks",
    statement=r"Seeds of rate $\gamma$ that switch off whole windows give $\bar C_{ij}=(1-\gamma)^{-n_{ij}}-1$, "
    r"$n_{ij}$ the number of windows that cover both units, and means $(1-\gamma)^{n_{ii}}$.",
    source="the layer of Ghiasi, Lin, Le 2018; the covariance derived for this project",
    relation="equal",
    parameters={"γ": "0 < γ < 1"},
    derive=proof(_windows, "0 < γ < 1, any numbers of windows"),
    solve=numbers(_slid, draws=40, control=_one_more, what="The formula against the mean over all seeds on a line of 7 "
                  "units; the control counts one window more."),
    observe=EXACT,
    tolerance=CLASS,
)  # fmt: skip


def _incoming(charged: bool = False) -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    u, v, w, x, z, lam, y = sp.symbols("u v w x z lambda y", positive=True)  # one example (x, z), weights v, w
    mean = sum(p * q * (y - u * (i * v * x + j * w * z)) ** 2 for i, p in rescaled(lam) for j, q in rescaled(lam))
    one = (v**2 * x**2 + w**2 * z**2, "(v^2x^2+w^2z^2)", "a charge per weight")
    charge, shown, words = one if charged else ((v * x + w * z) ** 2, "(vx+wz)^2", "the charge of dropout")
    return [equal(mean, (y - u * (v * x + w * z)) ** 2 + lam * u**2 * charge, "masks on the incoming weights v, w of a "
                  f"unit, inputs x, z, output weight u: {words}",
                  rf"\mathbb E(y-u(\bar z_1vx+\bar z_2wz))^2 = (y-u(vx+wz))^2+\lambda u^2{shown}")]  # fmt: skip


def _outgoing() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    u, s, h, y, t, lam, v, w, a, b, c, d = sp.symbols("u s h y t lambda v w a b c d", positive=True)
    pairs = itertools.product(rescaled(lam), repeat=2)
    mean = sum(p * q * ((y - i * u * h) ** 2 + (t - j * s * h) ** 2) for (i, p), (j, q) in pairs)
    return [
        equal(mean, (y - u * h) ** 2 + (t - s * h) ** 2 + lam * (u**2 + s**2) * h**2, "masks on outgoing weights of a "
              "unit h, two outputs: the charge of dropout, though each output has its own mask",
              r"\mathbb E\lVert y-h\,\bar z\circ u\rVert^2 = \lVert y-hu\rVert^2+\lambda h^2\lVert u\rVert^2"),
        *_incoming(charged=True),
        equal((v * a + w * b) ** 2 + (v * c + w * d) ** 2 - v**2 * (a**2 + c**2) - w**2 * (b**2 + d**2),
              2 * v * w * (a * b + c * d), "two inputs and examples: no difference iff the rows of X are orthogonal",
              r"\lVert X^{\top}v\rVert^2-\textstyle\sum_jv_j^2\lVert x_j\rVert^2 = 2v_1v_2\langle x_1,x_2\rangle"),
    ]  # fmt: skip


def _connected(rng: "np.random.Generator", layer: str = "incoming") -> Pair:
    """Compare dropout's objective with the mean over all masks of the weights of one layer."""
    import numpy as np

    _, U, V = factors(rng, 2, a=2, n=3)
    X, theta, target = rng.standard_normal((3, 4)), float(rng.uniform(0.3, 0.9)), rng.standard_normal((2, 4))
    mean, shape = 0.0, U.shape if layer == "outgoing" else V.shape
    for kept in itertools.product((0.0, 1.0), repeat=U.size if layer == "outgoing" else V.size):
        Z = np.array(kept).reshape(shape) / theta
        A = (U * Z) @ V.T @ X if layer == "outgoing" else U @ (V * Z).T @ X
        mean += theta ** sum(kept) * (1 - theta) ** (len(kept) - sum(kept)) * float(((target - A) ** 2).sum())
    charge = float(((U**2).sum(0) * ((V.T @ X) ** 2).sum(1)).sum())
    return Pair(float(((target - U @ V.T @ X) ** 2).sum()) + (1 - theta) / theta * charge, mean, {"θ": theta})


def _connected_outgoing(rng: "np.random.Generator") -> Pair:
    return _connected(rng, "outgoing")


DROPCONNECT: Final = Claim(
    id="structured/dropconnect",
    title="DropConnect is Dropout on outgoing weights only",
    statement=r"In a linear network with one hidden layer, masks on the weights have the same expected squared loss as "
    r"masks on the hidden units.",
    source=f"{HIDDEN}, read for both layers",
    relation="corrected",
    parameters={"θ": "0 < θ < 1", "X": "inputs, one column per example; x_j its rows"},
    corrected=r"So it is for the weights that leave the masked units. For those that enter, $\lVert X^{\top}v_i\rVert^2"
    r"$ becomes $\sum_jV_{ji}^2\lVert x_j\rVert^2$: the same for all weights iff $XX^{\top}$ is diagonal.",
    derive=refutation(_incoming, _outgoing, "λ and all weights and inputs > 0"),
    solve=mismatch(_connected, _connected_outgoing, draws=20, what="Dropout's objective against the mean over all "
                   "masks of incoming weights, and of outgoing ones."),
    observe=Absent("trained networks are compared in the experiment on DropConnect"),
    tolerance=CLASS,
)  # fmt: skip

CLAIMS: Final = (ANY_LAW, BLOCKS, SLIDING, DROPCONNECT)
