"""Claims on the optimum of deep linear networks with dropout: not the envelope's, its rank, its local minima."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.deep_linear_costs import MIANJY, TRAINED
from etatrick.validation.routes import Fact, Pair, mismatch, refutation

if TYPE_CHECKING:
    import numpy as np

CLASS: Final = "SOLVER: 1e-6, scaled by 1 + |v|"


def trained(m: Any, widths: tuple[int, ...], odds: Any, starts: Any) -> tuple[Any, Any]:
    """Return objectives and singular values of the networks that descent reaches from starts of shape (starts, n)."""
    import torch

    from etatrick.validation.experiments.batched_lbfgs import minimise_batch

    n = len(m)
    sizes = list(pairwise((n, *widths, n)))
    target = torch.diag(torch.as_tensor(m, dtype=torch.float64))

    def split(flat: torch.Tensor) -> list[torch.Tensor]:
        parts = torch.split(flat, [low * up for low, up in sizes], 1)
        return [part.reshape(-1, up, low) for part, (low, up) in zip(parts, sizes, strict=True)]

    def objective(flat: torch.Tensor) -> torch.Tensor:
        W = split(flat)
        S = M = torch.eye(n, dtype=torch.float64).expand(len(flat), n, n)
        for layer, rate in zip(W, (*odds, 0.0), strict=True):
            H, M = layer @ S @ layer.mT, layer @ M
            S = H + rate * torch.diag_embed(torch.diagonal(H, dim1=-2, dim2=-1))
        return (target**2).sum() - 2 * (target * M).sum((-2, -1)) + torch.diagonal(S, dim1=-2, dim2=-1).sum(-1)

    points, values = minimise_batch(objective, torch.as_tensor(starts, dtype=torch.float64), steps=160, memory=8)
    M = torch.eye(n, dtype=torch.float64)
    for layer in split(points):
        M = layer @ M
    return values.numpy(), torch.linalg.svdvals(M).numpy()


def numbers_of(widths: tuple[int, ...], n: int) -> int:
    """Return how many weights a network with n inputs and outputs has."""
    return sum(low * up for low, up in pairwise((n, *widths, n)))


def envelope_minimum(m: Any, nu: float) -> float:
    """Return min_A ‖Y − A‖² + ν‖A‖_*²."""
    import numpy as np

    found = []
    for size in range(1, len(m) + 1):
        a = np.maximum(m - nu * m[:size].sum() / (1 + nu * size), 0)
        found.append(float(((m - a) ** 2).sum() + nu * a.sum() ** 2))
    return min(found)


def random_starts(rng: "np.random.Generator", count: int, size: int) -> Any:
    """Return starts, half of them small."""
    import numpy as np

    spread = np.where(np.arange(count) % 2, 1.0, 0.15)
    return rng.standard_normal((count, size)) * spread[:, None]


def uniform_start(rng: "np.random.Generator", value: float, widths: tuple[int, ...], n: int, noise: float) -> Any:
    """Return a start at the uniform network of rank one, product `value` in the first direction, plus noise."""
    import numpy as np

    root = value ** (1 / (len(widths) + 1))
    first = np.eye(n)[0]
    ends = [first, *(np.ones(d) / d**0.5 for d in widths), first]
    flat = np.concatenate([(root * np.outer(up, low)).ravel() for low, up in pairwise(ends)])
    return (flat + noise * rng.standard_normal(flat.shape))[None]


def _said_envelope() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    lam = sp.Symbol("lambda", positive=True)
    alone = 2 * lam / 2 * 4 + (lam / 2) ** 2 * 8  # M = I, widths 2: (λ/2)‖M‖_*² per layer, (λ/2)²‖M‖²_{2/3} for both
    return [equal(alone, ((1 + lam / 2) ** 2 - 1) * 4, "M = I, two hidden layers of width 2: the least that each layer "
                  "and the paths cost, added up, is no more than R, but more than ν‖M‖_*²",
                  r"2\cdot\tfrac\lambda2\lVert M\rVert_*^2+\tfrac{\lambda^2}4\lVert M\rVert_{2/3}^2 = "
                  r"\big((1+\tfrac\lambda2)^2-1\big)\lVert M\rVert_*^2")]  # fmt: skip


def _true_optimum() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    m, a, x, y, s, t, lam, mu, d = sp.symbols("m a h_1 h_2 s t lambda mu d", positive=True)
    inflation = (1 + lam / x) * (1 + mu / y)
    best = m / inflation
    return [
        equal((m - a) ** 2 + (inflation - 1) * a**2, m**2 * (1 - 1 / inflation) + inflation * (a - best) ** 2,
              "a direction with h_i noisy copies in layer i, here two layers: a = m/κ is best",
              r"(m-a)^2+(\kappa-1)a^2 = m^2(1-\tfrac1\kappa)+\kappa(a-\tfrac m\kappa)^2,\ \kappa = \textstyle\prod_i"
              r"(1+\lambda_i/h_i)"),
        equal(sp.Subs(lam * (s**2 / x + t**2 / y), (x, y), (d * s / (s + t), d * t / (s + t))), lam / d * (s + t) ** 2,
              "one hidden layer, values s, t: budgets h in proportion to them give back the nuclear norm"),
        at_least((s**2 + t**2) ** 3, (s**3 + t**3) ** 2, "two hidden layers: ‖M‖_{2/3} exceeds ‖M‖_* from rank 2 on, "
                 "and with it what paths cost", r"\lVert M\rVert_{2/3}^2 > \lVert M\rVert_*^2", strict=True),
    ]  # fmt: skip


def _surrogate(rng: "np.random.Generator", exact: bool = False) -> Pair:
    """Compare with the best of 24 descents, two hidden layers of width 4, where the surrogate has rank 2 or 3."""
    import numpy as np

    from etatrick.numerics.deep import deep_dropout_minimizer

    m, odds = np.array([3.0, rng.uniform(1.8, 2.5), rng.uniform(0.5, 1)]), rng.uniform(0.4, 0.8, 2)
    nu = float(np.prod(1 + odds / 4) - 1)
    stated = deep_dropout_minimizer(np.diag(m), (4, 4), odds).objective if exact else envelope_minimum(m, nu)
    values, _ = trained(m, (4, 4), tuple(odds), random_starts(rng, 24, numbers_of((4, 4), 3)))
    return Pair(stated, float(values.min()), {"m2": m[1], "λ1": odds[0], "λ2": odds[1]})


def _exact_optimum(rng: "np.random.Generator") -> Pair:
    return _surrogate(rng, exact=True)


SURROGATE: Final = Claim(
    id="deep-linear/envelope-is-the-optimum",
    title="For two or more hidden layers the envelope is not what dropout minimises",
    statement=r"Dropout on all hidden layers solves $\min_M\lVert Y-M\rVert^2+\nu\lVert M\rVert_*^2$.",
    source=f"{MIANJY}, read without its assumption of a large rate",
    relation="corrected",
    parameters={"k": "k ≥ 2 hidden layers, all λ > 0", "ν": "ν = ∏(1 + λ_i/d_i) − 1", "m": "singular values of Y"},
    corrected=r"The least charge $\Theta(M)$ is $\nu\lVert M\rVert_*^2$ iff $\mathrm{rank}\,M\le1$. The optimum is "
    r"$\min_h\sum_jm_j^2\big(1-\prod_i\frac{h_{ij}}{h_{ij}+\lambda_i}\big)$ over $\sum_jh_{ij}\le d_i$, with "
    r"$a_j=m_j\prod_i\frac{h_{ij}}{h_{ij}+\lambda_i}$.",
    derive=refutation(_said_envelope, _true_optimum, "λ > 0; the correction for aligned networks"),
    solve=mismatch(_surrogate, _exact_optimum, draws=2, tolerance="SOLVER", seconds=5,
                   what="The surrogate's minimum, and that over budgets h, against the best of 24 descents on the "
                   "weights."),
    observe=TRAINED,
    tolerance=CLASS,
)  # fmt: skip


def gain(ratio_square: Any, x: Any) -> Any:
    """Return what a second direction gains with 4x/(1 + x) of the 4 units in both layers, λ = 1, m_1 = 1."""
    import sympy as sp

    return ratio_square * (4 * x / (5 * x + 1)) ** 2 + (4 / (5 + x)) ** 2 - sp.Rational(16, 25)


def _said_necessary() -> list[Fact]:
    from dataclasses import replace

    import sympy as sp

    from etatrick.validation.routes.facts import at_least

    x = sp.Symbol("x", positive=True)
    never = at_least(0, gain(sp.Rational(1, 4), x), "m_2 = m_1/2 is beyond ν/(1 + ν) = 0.36, and yet no share t "
                     "of a second direction gains", r"G(4-t)+\tfrac14G(t) \le G(4)")  # fmt: skip
    return [replace(never, wanted="fails")]


def _sufficient() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    x, m, n, nu, a, b = sp.symbols("x m_1 m_2 nu a b", positive=True)
    surrogate = (m - a) ** 2 + (n - b) ** 2 + nu * (a + b) ** 2
    close, shown = sp.Rational(547, 1000), r"\big(\tfrac{m_2}{m_1}\big)^2G(t) "
    return [
        equal(sp.Subs(sp.Derivative(surrogate, b), (a, b), (m / (1 + nu), 0)), 2 * nu / (1 + nu) * ((m - n) - n / nu),
              "sufficient: at the best rank one a second direction does not lower the surrogate iff the condition "
              "holds, and on rank one the surrogate is the objective"),
        at_least(0, gain(close**2, x), "far from necessary: for d = 4, λ = 1 no second direction, t of the 4 units, "
                 "gains at m_2/m_1 = 0.547", shown + r"\le G(4)-G(4-t)"),
        at_least(gain(sp.Rational(549, 1000) ** 2, sp.Rational(3, 13)), 0, "but one gains at 0.549, with t = 3/4",
                 shown + "> G(4)-G(4-t)", strict=True),
    ]  # fmt: skip


def _rank_by_condition(rng: "np.random.Generator", exact: bool = False) -> Pair:
    """Compare the predicted rank with that of the best of 16 descents, two directions, widths 4, λ = 1."""
    import numpy as np

    from etatrick.numerics.deep import rank_one_threshold

    ratio = float(rng.choice([rng.uniform(0.4, 0.5), rng.uniform(0.6, 0.9)])) if exact else float(rng.uniform(0.4, 0.5))
    limit = rank_one_threshold((4, 4), 1.0) if exact else 0.36
    values, found = trained(np.array([1.0, ratio]), (4, 4), (1.0, 1.0), random_starts(rng, 16, numbers_of((4, 4), 2)))
    rank = int((found[values.argmin()] > 1e-3).sum())
    return Pair(1.0 if ratio <= limit else 2.0, rank, {"m2/m1": ratio})


def _rank_by_threshold(rng: "np.random.Generator") -> Pair:
    return _rank_by_condition(rng, exact=True)


RANK_ONE: Final = Claim(
    id="deep-linear/rank-one-condition",
    title="The condition for rank one is sufficient, not necessary",
    statement=r"The optimum has rank 1 iff $m_1-m_2\ge m_2/\nu$.",
    source=f"{MIANJY}, read as a characterisation",
    relation="corrected",
    parameters={"ν": "ν = ∏(1 + λ_i/d_i) − 1", "m": "singular values of Y", "k": "2 hidden layers"},
    corrected=r"The condition suffices. For $k\ge2$ rank 1 is optimal up to $(m_2/m_1)^2=\min_t[G(d)-G(d-t)]/G(t)$, "
    r"$G(h)=\prod_ih_i/(h_i+\lambda_i)$: for $d=4$, $\lambda=1$ up to 0.548 instead of 0.36.",
    derive=refutation(_said_necessary, _sufficient, "two layers of width 4, λ = 1, the same share in both; x > 0"),
    solve=mismatch(_rank_by_condition, _rank_by_threshold, draws=2, tolerance="SOLVER", seconds=3,
                   what="Rank 1 or 2 by the condition, and by the threshold, against the best of 16 descents."),
    observe=TRAINED,
    tolerance="SOLVER: 1e-6, of whole numbers",
)  # fmt: skip


def _rates(deep: bool, claimed: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, tends

    t, d, lam, m, n = sp.symbols("t d lambda m n", positive=True)
    layers = 2 if deep else 1

    def carried(h: Any) -> Any:
        return (h / (h + lam)) ** layers

    change = (n**2 * carried(t) - m**2 * (carried(d) - carried(d - t))) / t
    slope = layers * m**2 * d ** (layers - 1) * lam / (d + lam) ** (layers + 1)
    limit = n**2 / lam - slope if claimed else -slope
    words = "a second direction gains in proportion to its share" if claimed else "a small second direction loses"
    shown = r"\lim_{t\to0^+}\tfrac1t\big[m_2^2G(t)-m_1^2(G(d)-G(d-t))\big] = " + (
        r"\tfrac{m_2^2}\lambda-m_1^2G'(d)" if claimed else r"-m_1^2G'(d)")  # fmt: skip
    power = r",\ G(h) = \big(\tfrac h{h+\lambda}\big)" + ("^2" if deep else "")
    found = [tends(change, t, 0, limit, f"{layers} hidden layer{'s' * deep}: {words}", shown + power)]
    return found if claimed else [*found, at_least(slope, 0, "so rank one is a strict local minimum over budgets",
                                                   r"m_1^2G'(d) > 0", strict=True)]  # fmt: skip


def _said_benign() -> list[Fact]:
    return _rates(deep=True, claimed=True)


def _stuck() -> list[Fact]:
    return [*_rates(deep=True, claimed=False), *_rates(deep=False, claimed=True)]


def _from_rank_one(rng: "np.random.Generator", widths: tuple[int, ...] = (4, 4)) -> Pair:
    """Compare the global minimum with where descent ends from the best network of rank one, disturbed by 0.001."""
    import numpy as np

    from etatrick.numerics.deep import deep_dropout_minimizer

    m, odds = np.array([3.0, 2.0, 1.0]), (float(rng.uniform(0.4, 0.6)),) * len(widths)
    value = 3.0 * float(np.prod([d / (d + rate) for d, rate in zip(widths, odds, strict=True)]))
    values, _ = trained(m, widths, odds, uniform_start(rng, value, widths, 3, 1e-3))
    return Pair(deep_dropout_minimizer(np.diag(m), widths, odds).objective, float(values[0]), {"λ": odds[0]})


def _shallow(rng: "np.random.Generator") -> Pair:
    return _from_rank_one(rng, (4,))


MINIMA: Final = Claim(
    id="deep-linear/local-minima-are-global",
    title="Two hidden layers with dropout have bad local minima",
    statement="With dropout on every hidden layer all local minima are global, as with one hidden layer.",
    source="an extension of Mianjy, Arora, Vidal 2018 to depth",
    relation="refuted",
    parameters={"k": "k ≥ 2 hidden layers"},
    corrected=r"For $k=1$ a new direction gains in proportion to its share. For $k\ge2$ it costs first: the best "
    r"network of rank 1 is a local minimum whatever the optimal rank.",
    derive=refutation(_said_benign, _stuck, "d, λ, m, n > 0, over budgets"),
    solve=mismatch(_from_rank_one, _shallow, draws=2, tolerance="SOLVER", seconds=2,
                   what="The global minimum against descent from the best network of rank one, disturbed by 0.001, "
                   "with two hidden layers, and with one."),
    observe=TRAINED,
    tolerance=CLASS,
)  # fmt: skip

CLAIMS: Final = (SURROGATE, RANK_ONE, MINIMA)
