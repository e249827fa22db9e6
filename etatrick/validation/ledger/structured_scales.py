"""Claims on scales in other sets than the k-support norm's: box norms, learned retain probabilities, index search."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.structured_norms import CLASS, MCDONALD, clipped, weights
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.routes import Absent, Fact, Pair, mismatch, numbers, proof

if TYPE_CHECKING:
    import numpy as np


def _boxed() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    w, x, a, b, c, d, k, h, e = sp.symbols("w x a b c d k h eta", positive=True)  # h = b − a
    inner = (w - x) ** 2 / a + x**2 / (h * e)
    scale = a + h * e
    return [
        equal(inner, w**2 / scale + scale / (a * h * e) * (x - w * h * e / scale) ** 2, "splitting w = (w − x) + x "
              "adds the scales a and hη, h = b − a; the best x leaves w²/(a + hη)"),
        equal(sp.Subs(a + (b - a) * e, e, 1), b, "at η = 0 the scale is a and at η = 1 it is b"),
        equal(sp.Subs(d * a + (b - a) * k, k, (c - d * a) / (b - a)), c, "and d scales of sum k give a sum of c"),
    ]  # fmt: skip


def _box(rng: "np.random.Generator", more: float = 0.0) -> Pair:
    from etatrick.numerics.k_support import box_norm

    w, _ = weights(rng)
    a, span = float(rng.uniform(0.05, 0.5)), float(rng.uniform(0.5, 2))
    c = len(w) * a + span * float(rng.uniform(0.5, len(w) - 0.5))
    eta = clipped(abs(w), a, a + span, c)
    return Pair(float(box_norm(w, a, a + span + more, c)) ** 2, float((w**2 / eta).sum()), {"a": a, "c": c})


def _taller_box(rng: "np.random.Generator") -> Pair:
    return _box(rng, more=0.5)


BOX: Final = Claim(
    id="structured/box-norm",
    title="The box norm is a k-support norm smoothed by ridge",
    statement=r"$\min\{\sum w_j^2/\eta_j:a\le\eta_j\le b,\sum\eta_j\le c\}$ $=\min_x\lVert w-x\rVert^2/a+"
    r"\lVert x\rVert_{(k)}^2/(b-a)$, $k=(c-da)/(b-a)$.",
    source=MCDONALD,
    relation="equal",
    parameters={"a": "0 < a < b", "c": "da ≤ c ≤ db", "k": "the budget of η; any real number from 0 to d"},
    derive=proof(_boxed, "w, a, b, h, η > 0"),
    solve=numbers(_box, draws=60, control=_taller_box, what="The norm by the k-support form against scales clipped to "
                  "the box, by root finding; the control has another b."),
    observe=FORMAL,
    tolerance=CLASS,
)  # fmt: skip


def _retained() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    w, theta = sp.symbols("w theta", positive=True)
    return [
        equal(w**2 * (1 - theta) / theta, w**2 / theta - w**2, "dropout's penalty is the η-trick with η = θ, less w²: "
              "the least sum of w²/θ is the norm by structured/k-support-eta-trick"),
        equal(sp.Subs(w**2 * (1 - theta) / theta, theta, 1), 0, "a budget of k retains k weights always, at no cost"),
    ]  # fmt: skip


def _learned(rng: "np.random.Generator", uniform: bool = False) -> Pair:
    """Compare ‖w‖_(k)² − ‖w‖² with Σw²(1 − θ)/θ at retain probabilities found by root finding."""
    from etatrick.numerics.k_support import k_support_norm

    w, k = weights(rng)
    theta = k / len(w) if uniform else clipped(abs(w), 0.0, 1.0, k)
    stated = float(k_support_norm(w, k)) ** 2 - float((w**2).sum())
    return Pair(stated, float((w**2 * (1 - theta) / theta).sum()), {"k": k})


def _uniform_rates(rng: "np.random.Generator") -> Pair:
    return _learned(rng, uniform=True)


LEARNED: Final = Claim(
    id="structured/learned-retain-probabilities",
    title="Learned retain probabilities with a budget give the k-support norm less ridge",
    statement=r"$\min\{\sum_jw_j^2(1-\theta_j)/\theta_j:0\le\theta_j\le1,\sum\theta_j\le k\}$ $=\lVert w\rVert_{(k)}^2-"
    r"\lVert w\rVert_2^2$: $\eta$ is the retain probability, and $k$-sparse weights cost nothing.",
    source=OURS,
    relation="equal",
    parameters={"k": "1 ≤ k ≤ d"},
    derive=proof(_retained, "w, θ > 0"),
    solve=numbers(_learned, draws=60, control=_uniform_rates, what="The difference of norms against rates by root "
                  "finding; the control shares the budget equally."),
    observe=FORMAL,
    tolerance=CLASS,
)  # fmt: skip


def _textbook(w: Any, k: int) -> float:
    """Return the norm by the two-sided search, or 0, with the tail sums as the total less the sums from the top."""
    import numpy as np

    size = np.sort(abs(w))[::-1]
    below = size.sum() - np.cumsum(size)
    for q in range(k):
        top = k - q - 1  # entries before the mean
        rest = below[top - 1] if top else size.sum()
        before = size[top - 1] if top else np.inf
        if before > rest / (q + 1) >= size[top]:
            return float(np.sqrt((size[:top] ** 2).sum() + rest**2 / (q + 1)))
    return 0.0


def _one_sided(w: Any, k: int) -> float:
    """Return the norm at the largest t with (k − t)|w|_(t) ≥ the tail, the same tail sums."""
    import numpy as np

    size = np.sort(abs(w))[::-1]
    below = size.sum() - np.cumsum(size)
    t = max((t for t in range(1, k) if (k - t) * size[t - 1] >= below[t - 1]), default=0)
    rest = below[t - 1] if t else size.sum()
    return float(np.sqrt((size[:t] ** 2).sum() + rest**2 / (k - t)))


def _sparse_vector(rng: "np.random.Generator") -> tuple[Any, int, float]:
    import numpy as np

    k = int(rng.integers(2, 6))
    w = np.zeros(10)
    w[:k] = rng.standard_normal(k)
    return w, k, float(np.sqrt((w**2).sum()))


def _two_sided_index(rng: "np.random.Generator") -> Pair:
    w, k, exact = _sparse_vector(rng)
    return Pair(exact, _textbook(w, k), {"k": k})


def _one_sided_index(rng: "np.random.Generator") -> Pair:
    w, k, exact = _sparse_vector(rng)
    return Pair(exact, _one_sided(w, k), {"k": k})


INDEX: Final = Claim(
    id="structured/two-sided-index-search",
    title="The two-sided index search of the k-support norm fails in floating point",
    statement=r"The index $q$ with $|w|_{(k-q-1)}>\frac1{q+1}\sum_{i\ge k-q}|w|_{(i)}\ge|w|_{(k-q)}$ is found by "
    r"testing both inequalities.",
    source="Argyriou, Foygel, Srebro 2012, Proposition 2.1, as an algorithm in double precision",
    relation="refuted",
    parameters={"w": "with exactly k nonzero entries, where the second inequality is an equality"},
    corrected=r"Take the largest $t<k$ with $(k-t)|w|_{(t)}\ge\sum_{i>t}|w|_{(i)}$: the test is monotone in $t$, and "
    r"$t=0$ needs none.",
    derive=Absent("true of real numbers; what fails is rounding"),
    solve=mismatch(_two_sided_index, _one_sided_index, draws=200, what="The length of k-sparse vectors against both "
                   "searches, on the same tail sums; 0 where no index is found."),
    observe=FORMAL,
    tolerance=CLASS,
)  # fmt: skip

CLAIMS: Final = (BOX, LEARNED, INDEX)
