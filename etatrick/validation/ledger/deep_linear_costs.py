"""Claims on what dropout charges for a deep linear network: the explicit regulariser, its envelope, the path term."""

import itertools
from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.structured_masks import EXACT, rescaled
from etatrick.validation.ledger.structured_minima import block_covariance, descended, targets
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.routes import Absent, Fact, Pair, numbers, proof

if TYPE_CHECKING:
    import numpy as np

MIANJY: Final = "Mianjy, Arora 2019"
TRAINED: Final = Absent("training with masks on every layer is compared in the experiment on deep linear networks")


def chain(rng: "np.random.Generator", sizes: tuple[int, ...]) -> list[Any]:
    """Return random weights W_1, …, W_{k+1} for layers of these sizes, inputs first."""
    return [rng.standard_normal((up, low)) for low, up in itertools.pairwise(sizes)]


def second_moment(weights: list[Any], odds: Any) -> float:
    """Return E‖f̄‖² for white inputs: S ← H + λ diag(H), H = W S Wᵀ, layer by layer."""
    import numpy as np

    S = np.eye(weights[0].shape[1])
    for W, rate in zip(weights[:-1], odds, strict=True):
        H = W @ S @ W.T
        S = H + rate * np.diag(np.diag(H))
    return float(np.trace(weights[-1] @ S @ weights[-1].T))


def product(weights: list[Any]) -> Any:
    """Return W_{k+1}…W_1."""
    found = weights[0]
    for W in weights[1:]:
        found = W @ found
    return found


def _two_layers() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    a, b, c, d, f, lam, mu = sp.symbols("a b c d f lambda mu", positive=True)
    # one input, a and b to two units, c and d from these to one, f to one output
    low, high = rescaled(lam), rescaled(mu)
    mean = sum(p * q * s * (f * z * (c * x * a + d * y * b)) ** 2 for x, p in low for y, q in low for z, s in high)
    plain = f**2 * (c * a + d * b) ** 2
    first, second = lam * f**2 * ((c * a) ** 2 + (d * b) ** 2), mu * plain
    paths = lam * mu * f**2 * ((c * a) ** 2 + (d * b) ** 2)
    recursion = f**2 * (1 + mu) * ((c * a + d * b) ** 2 + lam * ((c * a) ** 2 + (d * b) ** 2))
    sets = (r"\mathbb E\bar f^2-f^2 = \lambda w^2(a^2c^2+b^2d^2)+\mu w^2(ac+bd)^2+\lambda\mu w^2(a^2c^2+b^2d^2),"
            r"\ f = w(ac+bd)")  # fmt: skip
    layers = r"\mathbb E\bar f^2 = w^2(1+\mu)\big((ac+bd)^2+\lambda(a^2c^2+b^2d^2)\big)"
    return [
        equal(mean - plain, first + second + paths, "weights a, b into two units, c, d from these to one, w from "
              "it, the mean over all masks of odds λ, μ: terms for the first layer, the second, and both", sets),
        equal(mean, recursion, "and layer by layer: S_i = H_i + λ_i diag(H_i), H_i = W_iS_{i−1}W_iᵀ", layers),
    ]  # fmt: skip


def _enumerated(rng: "np.random.Generator", paths: bool = True) -> Pair:
    """Compare the sum over sets of hidden layers with the mean over the masks of 5 hidden units, less ‖M‖²."""
    import numpy as np

    W = chain(rng, (2, 3, 2, 2))
    odds = rng.uniform(0.2, 2, 2)
    into, out = (W[0] ** 2).sum(1), (W[2] ** 2).sum(0)
    one = odds[0] * float((into * ((W[2] @ W[1]) ** 2).sum(0)).sum())
    two = odds[1] * float((out * ((W[1] @ W[0]) ** 2).sum(1)).sum())
    both = odds[0] * odds[1] * float(out @ W[1] ** 2 @ into)
    mean = 0.0
    for kept in itertools.product((0.0, 1.0), repeat=5):
        z = np.array(kept) * (1 + np.repeat(odds, (3, 2)))
        rate = np.repeat(1 / (1 + odds), (3, 2))
        chance = float(np.prod(np.where(np.array(kept) > 0, rate, 1 - rate)))
        mean += chance * float(((W[2] * z[3:]) @ (W[1] * z[:3]) @ W[0]).__pow__(2).sum())
    stated = one + two + (both if paths else 0.0)
    return Pair(stated, mean - float((product(W) ** 2).sum()), {"λ1": odds[0], "λ2": odds[1]})


def _without_paths(rng: "np.random.Generator") -> Pair:
    return _enumerated(rng, paths=False)


EXPLICIT: Final = Claim(
    id="deep-linear/explicit-regulariser",
    title="Dropout in a deep linear network charges every set of hidden layers",
    statement=r"With independent masks on $k$ hidden layers and white inputs $\mathbb E\lVert\bar f\rVert^2-\mathbb E"
    r"\lVert f\rVert^2$ $=\sum_{S\ne\emptyset}\prod_{i\in S}\lambda_i\sum_{j}\lVert W_{i_1\to1}[j_1]\rVert^2\cdots$ "
    r"$\lVert W_{k+1\to i_l+1}[j_l]\rVert^2$, $S=\{i_1<\dots<i_l\}$, $W_{b\to a}=W_b\cdots W_a$ at the rows "
    r"and columns of the units $j$; $S=[k]$ is the $\ell_2$-path regulariser.",
    source=f"{MIANJY}, in our notation",
    relation="equal",
    parameters={"λ": "odds of dropping, per hidden layer", "f, f̄": "the network without and with masks"},
    derive=proof(_two_layers, "two hidden layers of widths 2 and 1; a polynomial identity", seconds=2),
    solve=numbers(_enumerated, draws=20, control=_without_paths, what="The sum over sets against the mean over 32 "
                  "masks, hidden widths 3 and 2; the control leaves out the paths."),
    observe=EXACT,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _uniform() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    a, b, c, d, lam, width, h, p, s, t = sp.symbols("a b c d lambda d_i h p s t", positive=True)
    squares = (a - b) ** 2 + (a - c) ** 2 + (a - d) ** 2 + (b - c) ** 2 + (b - d) ** 2 + (c - d) ** 2
    row = h * (width**2 + lam * width) / (width * width)  # from H = h·11ᵀ to the next, weights 1/√(d_i d_{i+1})
    return [
        equal(4 * (a**2 + b**2 + c**2 + d**2), (a + b + c + d) ** 2 + squares, "Cauchy–Schwarz over the tuples of "
              "units, here four: with the triangle inequality each term is at least "
              "‖M‖_*²/Πd_i"),
        equal(row, h * (1 + lam / width), "in the uniform rank-one net each layer multiplies the second moment by "
              "1 + λ/d", r"\mathbb E\lVert\bar f\rVert^2 = \sigma^2\textstyle\prod_i(1+\lambda_i/d_i)"),
        equal(sp.Subs(p * (s / p) ** 2 + (1 - p) * (t / (1 - p)) ** 2, p, s / (s + t)), (s + t) ** 2, "M is the mean "
              "of its singular directions, drawn with probability p = σ_i/‖M‖_* and scaled by 1/p: a convex function "
              "below R does not exceed their mean cost, here of values s, t"),
    ]  # fmt: skip


def _near_uniform(rng: "np.random.Generator", factor: float = 1.0) -> Pair:
    """Compare ν‖M‖_*² with the regulariser of the uniform rank-one net, disturbed by up to a half."""
    import numpy as np

    widths, odds, size = rng.integers(2, 5, 2), rng.uniform(0.2, 2, 2), float(rng.choice([0.0, 1e-2, 0.5]))
    u, v = rng.standard_normal(3), rng.standard_normal(2)
    one, two = (np.ones(int(n)) for n in widths)
    W = [np.outer(one, v) / len(one) ** 0.5, np.outer(two, one) / (len(one) * len(two)) ** 0.5,
         np.outer(u, two) / len(two) ** 0.5]  # fmt: skip
    W = [w + size * rng.standard_normal(w.shape) for w in W]
    M = product(W)
    nu = float(np.prod(1 + odds / widths) - 1)
    found = second_moment(W, odds) - float((M**2).sum())
    return Pair(factor * nu * float(np.linalg.norm(M, "nuc")) ** 2, found, {"disturbed by": size})


def _twice_the_envelope(rng: "np.random.Generator") -> Pair:
    return _near_uniform(rng, factor=2.0)


ENVELOPE: Final = Claim(
    id="deep-linear/envelope",
    title="The envelope of dropout in a deep linear network is the squared nuclear norm",
    statement=r"$R(W)\ge\nu\lVert M\rVert_*^2$, $\nu=\prod_i(1+\lambda_i/d_i)-1$, for every network with product $M$, "
    r"with equality for the uniform network of rank one, so that $\nu\lVert M\rVert_*^2$ is the convex envelope.",
    source=f"{MIANJY}",
    relation="lower",
    parameters={"λ": "λ > 0", "d": "hidden widths", "R": "what dropout adds, as in deep-linear/explicit-regulariser"},
    derive=proof(_uniform, "four tuples; one layer of any width, two singular values; all > 0"),
    solve=numbers(_near_uniform, draws=60, relation="lower", control=_twice_the_envelope,
                  what="The envelope against the regulariser of networks at and near the uniform one; the control "
                  "doubles it."),
    observe=EXACT,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _paths_only() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    s, t, x, y = sp.symbols("s t x y", positive=True)  # s = σ^(2/3): σ² = s³; one direction has s, the other t
    share = s / (s + t)
    return [
        equal(s**3 / share**2 + t**3 / (1 - share) ** 2, (s + t) ** 3, "h_ij the share of layer i that carries "
              "direction j: shares in proportion to σ^{2/3} in both layers give (Σσ^{2/3})³",
              r"\sum_j\sigma_j^2/(h_{1j}h_{2j}) = \lVert M\rVert_{2/3}^2"),
        at_least((s**3 / x**2 + t**3 / y**2) * (x + y) ** 2, (s + t) ** 3, "and no other shares give less (Hölder)"),
    ]  # fmt: skip


def _least_paths(rng: "np.random.Generator", power: float = 2 / 3) -> Pair:
    """Compare ‖σ‖²_{2/3}/4 with the least sum of squared paths over networks of widths 2, by descent."""
    import numpy as np
    from scipy.optimize import minimize

    sigma = rng.uniform(0.5, 3, 2)

    def paths(flat: Any) -> float:
        first, second = flat.reshape(2, 2, 2)
        last = np.diag(sigma) @ np.linalg.inv(second @ first)
        return float((last**2).sum(0) @ second**2 @ (first**2).sum(1))

    found = min(
        float(minimize(paths, rng.standard_normal(8), method="BFGS", options={"gtol": 1e-7}).fun) for _ in range(3)
    )
    return Pair(float((sigma**power).sum() ** (2 / power)) / 4, found, {"σ1": sigma[0], "σ2": sigma[1]})


def _nuclear_paths(rng: "np.random.Generator") -> Pair:
    return _least_paths(rng, power=1.0)


PATHS: Final = Claim(
    id="deep-linear/path-term",
    title="The path regulariser alone is a Schatten quasi-norm",
    statement=r"The least sum of squared paths over networks with product $M$ is $\lVert "
    r"M\rVert_{S_{2/(k+1)}}^2/\prod_id_i$: for two hidden layers the Schatten-$\frac23$ quasi-norm.",
    source=OURS,
    relation="equal",
    parameters={"k": "hidden layers; 2 in the proof and the numbers", "d": "hidden widths, at least the rank"},
    derive=proof(_paths_only, "two directions of an aligned network; σ^{2/3} and budgets > 0"),
    solve=numbers(_least_paths, draws=4, tolerance="SOLVER", control=_nuclear_paths, seconds=2,
                  what="The formula against descent over networks with widths 2 and product diag(σ); the control is "
                  "the nuclear norm."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _last_value() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    m, d, lam, r, total = sp.symbols("m d lambda r M", positive=True)  # m the r-th value, M the sum of all r
    tau = lam * total / (d + lam * r)
    shown = r"(m_r-\tau)(d+\lambda r) = d\,m_r-\lambda\textstyle\sum_i(m_i-m_r)"
    return [equal((m - tau) * (d + lam * r), d * m - lam * (total - r * m), "of full rank the last value is m_r − τ, "
                  "τ = λΣm_i/(d + λr): positive iff the right side is", shown)]  # fmt: skip


def _kept_rank(rng: "np.random.Generator", book: bool = False) -> Pair:
    """Compare the condition with whether descent keeps rank 3, at odds well below or above the threshold."""
    import numpy as np

    Y, d = targets(rng, 3, 4), 6
    m = np.linalg.svd(Y, compute_uv=False)
    threshold = d * m[2] / float((m - m[2]).sum())
    odds = threshold * float(rng.choice([0.6, 1.5]))
    _, U, V = descended(Y, block_covariance(d, 1, odds), rng)
    kept = float(np.linalg.svd(U @ V.T, compute_uv=False)[2]) > 1e-4
    return Pair(float(odds < threshold * (3 / d if book else 1)), float(kept), {"λ": odds, "threshold": threshold})


def _book_threshold(rng: "np.random.Generator") -> Pair:
    return _kept_rank(rng, book=True)


FULL_RANK: Final = Claim(
    id="deep-linear/full-rank-threshold",
    title="When one hidden layer with dropout keeps full rank",
    statement=r"The global minimum keeps $\mathrm{rank}\,r=\mathrm{rank}\,Y$ iff $\lambda<d\,m_r/\sum_{i\le "
    r"r}(m_i-m_r)$; the published condition has $r$ in place of $d$ and is only sufficient for $d>r$.",
    source=f"Mianjy, Arora, Vidal 2018, landscape theorem; the threshold {OURS}",
    relation="iff",
    parameters={"λ": "odds of dropping", "d": "the hidden width, d ≥ r", "m": "singular values of Y"},
    derive=proof(_last_value, "m, d, λ, r, M > 0"),
    solve=numbers(_kept_rank, draws=12, tolerance="SOLVER", control=_book_threshold, seconds=1,
                  what="The condition against the rank where descent ends, d = 6, r = 3; the control has r for d."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, of truth values",
)  # fmt: skip

CLAIMS: Final = (EXPLICIT, ENVELOPE, PATHS, FULL_RANK)
