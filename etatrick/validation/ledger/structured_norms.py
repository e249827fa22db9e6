"""Claims on the k-support norm: its η-trick, dual, ends, proximal map, box norm, retain probabilities, index search."""

import itertools
from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.theorems import FORMAL
from etatrick.validation.routes import Fact, Pair, numbers, proof

if TYPE_CHECKING:
    import numpy as np

ARGYRIOU: Final = "Argyriou, Foygel, Srebro 2012"
MCDONALD: Final = "McDonald, Pontil, Stamos 2014"
CLASS: Final = "FLOAT64: 1e-10, scaled by 1 + |v|"


def clipped(size: Any, low: float, high: float, total: float) -> Any:
    """Return η = clip(|w|/τ, low, high) of the given sum, τ by a search for a root."""
    import numpy as np
    from scipy.optimize import brentq

    def excess(log_tau: float) -> float:
        return float(np.clip(size / np.exp(log_tau), low, high).sum()) - total

    ends = np.log(size.min() / high) - 1, np.log(size.max() / max(low, 1e-9)) + 25
    return np.clip(size / np.exp(brentq(excess, *ends, xtol=1e-15, rtol=1e-15)), low, high)


def weights(rng: "np.random.Generator", d: int = 7) -> tuple[Any, int]:
    """Return random weights of several orders of magnitude, and k < d."""
    return rng.standard_normal(d) * 10 ** rng.uniform(-1, 1, d), int(rng.integers(1, d))


def _support() -> list[Fact]:
    import sympy as sp

    from etatrick.theory.structured import OrderedScales
    from etatrick.theory.structured.steps import eta_trick
    from etatrick.validation.routes.facts import equal

    w, z, eta, a, total, m, c = sp.symbols("w zeta eta a T m c", positive=True)  # a = Σ over the top t of w²
    w1, w2, e1, e2 = sp.symbols("w_1 w_2 eta_1 eta_2", positive=True)
    best = tuple(x * m / (w1 + w2) for x in (w1, w2))
    return [
        equal(w**2 / eta, 2 * w * z - eta * z**2 + (w - eta * z) ** 2 / eta, "each term is at least 2wζ − ηζ², for any "
              "ζ, and Σηζ² ≤ Σ over the k largest of ζ²"),
        equal(sp.Subs(w1**2 / e1 + w2**2 / e2, (e1, e2), best), (w1 + w2) ** 2 / m, "η = 1 on the top t, here for two "
              "entries below η = w(k − t)/T, m = k − t, T their sum: they add T²/(k − t)"),
        equal(sp.Subs(e1 + e2, (e1, e2), best), m, "which takes what is left of the budget k"),
        equal(sp.Subs(2 * (a + total * c) - (a + m * c**2), c, total / m), a + total**2 / m, "and the bound with ζ = w "
              "on the top t, of squares a, and ζ = c = T/(k − t) below is the same number"),
        *(Fact(step.claim, f"{words}: {step.verdict.method}", step.verdict) for words, step in zip(
            ("for any such set H of scales η, N_* the dual norm", "at rational vectors, k = 2"),
            eta_trick(OrderedScales((sp.Integer(1),) * 2)), strict=True)),
    ]  # fmt: skip


def _least_over_scales(rng: "np.random.Generator", more: int = 0) -> Pair:
    from etatrick.numerics.k_support import k_support_norm

    w, k = weights(rng)
    eta = clipped(abs(w), 0.0, 1.0, k)
    return Pair(float(k_support_norm(w, k + more)) ** 2, float((w**2 / eta).sum()), {"k": k})


def _next_k(rng: "np.random.Generator") -> Pair:
    return _least_over_scales(rng, more=1)


ETA_TRICK: Final = Claim(
    id="structured/k-support-eta-trick",
    title="The k-support norm is an η-trick",
    statement=r"$\lVert w\rVert_{(k)}^2$ $=\min\{\sum_jw_j^2/\eta_j:0\le\eta_j\le1,\sum_j\eta_j\le k\}$ "
    r"$=\sum_{i\le t}|w|_{(i)}^2+\frac1{k-t}\big(\sum_{i>t}|w|_{(i)}\big)^2$, $t$ the largest index below $k$ with "
    r"$(k-t)|w|_{(t)}\ge\sum_{i>t}|w|_{(i)}$.",
    source=f"{ARGYRIOU}, Proposition 2.1; {MCDONALD}",
    relation="equal",
    parameters={"k": "1 ≤ k ≤ d"},
    derive=proof(_support, "w, ζ, η > 0; both sides also at rational vectors", seconds=2),
    solve=numbers(_least_over_scales, draws=60, control=_next_k, what="The closed form against η = clip(|w|/τ, 0, 1) "
                  "with τ by root finding; the control takes k + 1."),
    observe=FORMAL,
    tolerance=CLASS,
)  # fmt: skip


def _conjugate() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    w, z, eta, s, t, a, b, x = sp.symbols("w zeta eta s t eta_1 eta_2 x", positive=True)
    w1, w2, z1, z2 = sp.symbols("w_1 w_2 zeta_1 zeta_2", positive=True)
    return [
        equal(2 * w * z - w**2 / eta, eta * z**2 - (w - eta * z) ** 2 / eta, "for fixed scales the conjugate of w²/η "
              "is ηζ², so the squared dual norm is the largest Σηζ²"),
        equal((a * (s + t) + b * s) - ((a - x) * (s + t) + (b + x) * s), x * t, "moving x from the scale of the larger "
              "ζ² = s + t to that of the smaller s loses: the best η is 1 on the k largest"),
        equal((w1**2 + w2**2) * (z1**2 + z2**2), (w1 * z1 + w2 * z2) ** 2 + (w1 * z2 - w2 * z1) ** 2, "Cauchy–Schwarz "
              "on the support of an atom, here two entries: the hull of the atoms has the same support function"),
    ]  # fmt: skip


def _dual_by_subsets(rng: "np.random.Generator", more: int = 0) -> Pair:
    """Compare the length of the k largest entries with the most that atoms w, k-sparse and of length 1, give."""
    import numpy as np

    from etatrick.numerics.k_support import k_support_dual_norm

    z, k = weights(rng)
    best = 0.0
    for chosen in itertools.combinations(range(len(z)), k):
        atom = np.zeros_like(z)
        atom[list(chosen)] = z[list(chosen)]
        best = max(best, float(atom @ z) / float(np.linalg.norm(atom)))
    return Pair(float(k_support_dual_norm(z, k + more)), best, {"k": k})


def _dual_next_k(rng: "np.random.Generator") -> Pair:
    return _dual_by_subsets(rng, more=1)


DUAL: Final = Claim(
    id="structured/k-support-dual",
    title="The dual of the k-support norm",
    statement=r"$\max_{\lVert w\rVert_{(k)}\le1}\langle w,\zeta\rangle=\big(\sum_{i\le k}|\zeta|_{(i)}^2\big)^{1/2}$; "
    r"the unit ball is the convex hull of the $k$-sparse vectors of length 1.",
    source=ARGYRIOU,
    relation="equal",
    parameters={"k": "1 ≤ k ≤ d"},
    derive=proof(_conjugate, "w, ζ, η, s, t, x > 0"),
    solve=numbers(_dual_by_subsets, draws=30, control=_dual_next_k, what="The closed form against the best atom over "
                  "all k-subsets; the control takes k + 1."),
    observe=FORMAL,
    tolerance=CLASS,
)  # fmt: skip


def _ends() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    x, y, z, share, other, more = sp.symbols("w_1 w_2 w_3 eta_1 eta_2 x", positive=True)
    cost = x**2 / share + y**2 / other
    return [
        equal(sp.Subs(cost, (share, other), (x / (x + y), y / (x + y))), (x + y) ** 2, "k = 1: scales in proportion to "
              "the weights, of sum 1, cost the squared ℓ1 norm, here of two weights"),
        at_least(cost * (share + other), (x + y) ** 2, "and no others of sum up to 1 cost less"),
        equal(sp.Subs(cost + z**2, (share, other), (1, 1)), x**2 + y**2 + z**2, "k = d: all scales may be 1, which "
              "costs the squared ℓ2 norm"),
        at_least(x**2 * (1 + more), x**2, "and no scale η = 1/(1 + x) below 1 costs less", r"w^2/\eta \ge w^2"),
    ]  # fmt: skip


def _spectral_ends(rng: "np.random.Generator") -> Pair:
    """Compare the spectral norm at k = 1, k = min(a, n) with the nuclear and the Frobenius norm, by traces."""
    import numpy as np

    from etatrick.numerics.k_support import spectral_k_support_norm

    A, last = rng.standard_normal((3, 5)), bool(rng.integers(2))
    values = np.linalg.eigvalsh(A @ A.T)
    stated = float(spectral_k_support_norm(A, 3 if last else 1))
    return Pair(stated, float(np.trace(A @ A.T) ** 0.5 if last else np.sqrt(values).sum()), {"k": 3 if last else 1})


def _middle(rng: "np.random.Generator") -> Pair:
    from etatrick.numerics.k_support import spectral_k_support_norm

    A = rng.standard_normal((3, 5))
    return Pair(float(spectral_k_support_norm(A, 2)), float((A**2).sum()) ** 0.5, {"k": 2})


ENDS: Final = Claim(
    id="structured/k-support-ends",
    title="The k-support norm runs from ℓ1 to ℓ2",
    statement=r"$\lVert w\rVert_{(1)}=\lVert w\rVert_1$ and $\lVert w\rVert_{(d)}=\lVert w\rVert_2$; of singular "
    r"values, the nuclear norm for $k=1$ and the Frobenius norm for $k=\min(a,n)$.",
    source=f"{ARGYRIOU}; {MCDONALD}",
    relation="equal",
    parameters={"k": "1 or d"},
    derive=proof(_ends, "two and three weights, not 0, by the η-trick of structured/k-support-eta-trick"),
    solve=numbers(_spectral_ends, draws=40, control=_middle, what="The spectral norm against eigenvalues of AAᵀ and "
                  "its trace; the control is k = 2 against the Frobenius norm."),
    observe=FORMAL,
    tolerance=CLASS,
)  # fmt: skip


def _shrinking() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    w, x, eta, beta, tau, k = sp.symbols("w x eta beta tau k", positive=True)
    s, n, total = sp.symbols("n_sat n_mid M", positive=True)  # counts of η = 1 and of 0 < η < 1, the sum of the latter
    least, scale, kept = beta * w**2 / (eta + beta), beta * (w / tau - 1), w * eta / (eta + beta)
    return [
        equal((w - x) ** 2 + beta * x**2 / eta, least + (eta + beta) / eta * (x - kept) ** 2,
              "for fixed scales x = wη/(η + β)"),
        equal(-sp.Subs(sp.Derivative(least, eta), eta, scale), tau**2 / beta, "the cost of η is convex; η = β(w/τ − 1) "
              "makes the gain of every scale the same: the budget is shared best"),
        equal(-sp.Subs(sp.Derivative(least, eta), eta, 0), w**2 / beta, "at η = 0 it is less than τ²/β where "
              "w < τ: there x = 0"),
        equal(-sp.Subs(sp.Derivative(least, eta), eta, 1), beta * w**2 / (1 + beta) ** 2, "at η = 1 it is more where "
              "w > τ(1 + β)/β: the largest entries"),
        equal(sp.Subs(kept, eta, scale), w - tau, "between the two x = w − τ, a soft threshold"),
        equal(sp.Subs(kept, eta, 1), w / (1 + beta), "and ridge where η = 1"),
        equal(sp.Subs(s + beta * (total / tau - n), tau, beta * total / (k - s + beta * n)), k, "the sum of η is the "
              "budget k at this τ, M the sum of |w| in between"),
    ]  # fmt: skip


def _prox_by_ranges(rng: "np.random.Generator", control: bool = False) -> Pair:
    """Compare the objective at the map with the least over all guesses of the three ranges."""
    from etatrick.numerics.k_support import k_support_norm, prox_k_support

    w, k = weights(rng)
    beta, size, best = float(10 ** rng.uniform(-1, 1)), sorted(abs(w), reverse=True), float("inf")
    for s, end in itertools.combinations_with_replacement(range(len(w) + 1), 2):
        total, n = sum(size[s:end]), end - s
        if s > k or (n == 0 and s != k) or (n and k - s + beta * n <= 0):
            continue
        tau = beta * total / (k - s + beta * n) if n else 1.0
        eta = [1.0] * s + [beta * (v / tau - 1) for v in size[s:end]] + [0.0] * (len(w) - end)
        if all(-1e-12 <= e <= 1 + 1e-12 for e in eta):
            best = min(best, sum(v * v * beta / (e + beta) for v, e in zip(size, eta, strict=True)))
    x = w / (1 + beta) if control else prox_k_support(w, k, beta)
    return Pair(float(((w - x) ** 2).sum()) + beta * float(k_support_norm(x, k)) ** 2, best, {"k": k, "β": beta})


def _prox_of_ridge(rng: "np.random.Generator") -> Pair:
    return _prox_by_ranges(rng, control=True)


PROX: Final = Claim(
    id="structured/k-support-prox",
    title="The proximal map of the squared k-support norm",
    statement=r"$\arg\min_x\lVert w-x\rVert^2+\beta\lVert x\rVert_{(k)}^2$ is $w/(1+\beta)$ on the largest entries, "
    r"$|w|-\tau$ on those in between and 0 below, $\tau=\beta\sum_{mid}|w|/(k-n_{sat}+\beta n_{mid})$.",
    source=f"{MCDONALD}; Pal et al. 2020; derived for this project",
    relation="equal",
    parameters={"β": "β > 0", "k": "1 ≤ k < d", "n_sat, n_mid": "entries with η = 1, and with 0 < η < 1"},
    derive=proof(_shrinking, "w, η, β, τ > 0", seconds=2),
    solve=numbers(_prox_by_ranges, draws=30, control=_prox_of_ridge, what="The objective at the map against the least "
                  "over every guess of the three ranges; the control is ridge's map."),
    observe=FORMAL,
    tolerance=CLASS,
)  # fmt: skip

CLAIMS: Final = (ETA_TRICK, DUAL, ENDS, PROX)
