"""Claims on proximal maps of several weights: ℓ1 − αℓ2, the sparse group lasso and the group ℓ0."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.theorems import FORMAL
from etatrick.validation.ledger.thresholds_scalar import BUI, SEARCH
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np


def lowest_in_plane(energy: Any, reach: float) -> float:
    """Return the least value of a function of two arrays on [−reach, reach]², on grids that close in.

    Parameters
    ----------
    energy : callable
        Takes two arrays that broadcast, returns an array.
    reach : float

    Returns
    -------
    float

    Examples
    --------
    >>> abs(lowest_in_plane(lambda a, b: (a - 1) ** 2 + abs(b + 0.5), 2.0)) < 1e-9
    True
    """
    import numpy as np

    def closing(x: float, y: float, size: float) -> float:
        least = np.inf
        for _ in range(12):
            a, b = x + size * np.linspace(-1, 1, 41)[:, None], y + size * np.linspace(-1, 1, 41)[None, :]
            values = energy(a, b)
            i, j = np.unravel_index(int(np.argmin(values)), values.shape)
            x, y, least, size = float(a[i, 0]), float(b[0, j]), min(least, float(values[i, j])), size / 8
        return float(least)

    line = np.linspace(-reach, reach, 201)
    values = energy(line[:, None], line[None, :])
    best = np.unravel_index(np.argsort(values, axis=None)[:3], values.shape)
    return min(closing(float(line[i]), float(line[j]), reach / 50) for i, j in zip(*best, strict=True))


def _difference_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    z, r, t, a, x, m, d = sp.symbols("z r lambda alpha x m d", positive=True)
    scaled = z * (r + a * t) / r
    single = x**2 / 2 - (m + (1 - a) * t) * x + (1 - a) * t * x
    one = r"\tfrac12x^2-yx+(1-\alpha)\lambda x"
    return [
        equal(scaled - (z + t) + t * (1 - a * scaled / (r + a * t)), 0, "several weights: soft thresholding, "
              "lengthened by αλ, is stationary",
              r"x-y+\lambda(\mathrm{sgn}\,x-\alpha x/\lVert x\rVert)=0,\ x=z(r+\alpha\lambda)/r"),
        equal(r**2 / 2 - a * t * r, ((r - a * t) ** 2 - (a * t) ** 2) / 2, "equality: on the largest entries ⟨x,y⟩ = "
              "λ‖x‖₁, and any x of length αλ is best",
              r"\tfrac12\lVert x\rVert^2-\alpha\lambda\lVert x\rVert = "
              r"\tfrac12(\lVert x\rVert-\alpha\lambda)^2-\tfrac12\alpha^2\lambda^2"),
        equal(single, (x - m) ** 2 / 2 - m**2 / 2, "one weight: best at x = m",
              one + r" = \tfrac12(x-m)^2-\tfrac12m^2,\quad m=y-(1-\alpha)\lambda"),
        at_least(-(m**2) / 2, -((m + d) ** 2) / 2, "and lower for a larger |y|: one weight of the largest |y| remains"),
        at_least(r**2 / 2 + a * t * (r + d) - a * t * r, 0, "else ⟨x,y⟩ ≤ (1 − α)λ‖x‖₁, ‖x‖₁ = ‖x‖ + d: 0 is best",
                 r"\tfrac12\lVert x\rVert^2+\alpha\lambda\lVert x\rVert_1-\alpha\lambda\lVert x\rVert \ge 0"),
    ]  # fmt: skip


def difference_map(y: Any, a: float, t: float, *, signed: bool = False) -> Any:
    """Return a proximal point of λ(ℓ1 − αℓ2); `signed` picks the largest signed entry, as the public code does.

    Examples
    --------
    >>> import numpy as np
    >>> difference_map(np.array([-0.9, 0.5]), 1.0, 1.0).tolist()
    [-0.9, 0.0]
    """
    import numpy as np

    size = np.abs(y)
    if size.max() > t:
        z = np.sign(y) * np.maximum(size - t, 0)
        return z * (1 + a * t / np.linalg.norm(z))
    found = np.zeros_like(y)
    if size.max() > (1 - a) * t:
        k = int(np.argmax(y if signed else size))
        found[k] = np.sign(y[k]) * max(size[k] + (a - 1) * t, 0.0)
    return found


def _difference(rng: "np.random.Generator", shift: float = 0.0, most: float = 3.0, signed: bool = False) -> Pair:
    import numpy as np

    a, t = float(rng.uniform(0.2, 1)), float(rng.uniform(0.3, 1))
    y = rng.uniform(-most, most, 2) * t

    def energy(u: Any, v: Any) -> Any:
        ell = np.abs(u) + np.abs(v) - a * np.hypot(u, v)
        return ((u - y[0]) ** 2 + (v - y[1]) ** 2) / 2 + t * ell

    u, v = difference_map(y, a * (1 - shift), t, signed=signed)
    at = {"α": a, "λ": t, "y1": float(y[0]), "y2": float(y[1])}
    return Pair(float(energy(u, v)), lowest_in_plane(energy, float(np.abs(y).sum()) + t), at)


def _less_difference(rng: "np.random.Generator") -> Pair:
    return _difference(rng, shift=0.5)


DIFFERENCE: Final = Claim(
    id="thresholds/l1-minus-l2",
    title="The proximal map of ℓ1 − αℓ2 has four cases",
    statement=r"For $\lambda(\lVert x\rVert_1-\alpha\lVert x\rVert_2)$: if $\lVert y\rVert_\infty>\lambda$ soft "
    r"thresholding lengthened by $\alpha\lambda$; at equality any vector of length $\alpha\lambda$ on the largest "
    r"entries; if $(1-\alpha)\lambda<\lVert y\rVert_\infty<\lambda$ one entry, $|y_i|-(1-\alpha)\lambda$ at an argmax "
    r"of $|y|$; otherwise 0.",
    source=f"Lou, Yan 2018; used by {BUI}",
    relation="equal",
    parameters={"α": "0 < α ≤ 1", "λ": "λ > 0"},
    derive=proof(_difference_steps, "α, λ, r, x, z, m, d > 0"),
    solve=numbers(_difference, draws=20, tolerance="SOLVER", control=_less_difference, seconds=2, what="The objective "
                  "at the closed form against the least on grids in the plane; the control is the map of ½α."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _signed_said() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    m, d = sp.symbols("m d", positive=True)
    c, x = sp.symbols("c x", positive=True)  # c = (1 − α)λ
    gain = x**2 / 2 - (c + m) * x + c * x
    return [equal(sp.Subs(gain, x, m), sp.Subs(gain.subs(m, m + d), x, m + d), "y = (−(c + m + d), c + m), c = (1 − "
                  "α)λ: the positive entry is as good as the negative one")]  # fmt: skip


def _signed_holds() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least

    m, d = sp.symbols("m d", positive=True)
    return [at_least(-(m**2) / 2, -((m + d) ** 2) / 2, "the larger |y| has the lower objective, −(|y| − c)²/2",
                     strict=True)]  # fmt: skip


def _signed(rng: "np.random.Generator") -> Pair:
    return _difference(rng, most=1.0, signed=True)


def _unsigned(rng: "np.random.Generator") -> Pair:
    return _difference(rng, most=1.0)


SIGNED: Final = Claim(
    id="thresholds/l1-minus-l2-by-the-largest-entry",
    title="The single remaining weight is chosen by magnitude, not by sign",
    statement=r"As coded: for $(1-\alpha)\lambda<\lVert y\rVert_\infty<\lambda$ the entry at the argmax "
    r"of $y$ remains.",
    source=f"the public code of {BUI}",
    relation="corrected",
    parameters={"α": "0 < α ≤ 1", "λ": "λ > 0"},
    corrected=r"The entry at an argmax of $|y|$ remains; with the signed argmax large negative weights are lost.",
    derive=refutation(_signed_said, _signed_holds, "m, d > 0"),
    solve=mismatch(_signed, _unsigned, draws=20, tolerance="SOLVER", seconds=2, what="The objective at either choice "
                   "against the least on grids in the plane."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _soft_group_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    s, r, t, m, x = sp.symbols("s r lambda mu x", positive=True)
    kept = s * r / (m + r)  # s: a softened entry; the softened vector has length m + r
    return [
        equal(kept - (s + t) + t + m * kept / r, 0, "an entry that survives is stationary",
              r"x-y+\lambda+\mu x/\lVert x\rVert=0,\ x=s(1-\mu/\lVert s\rVert),\ \lVert s\rVert=\mu+r"),
        at_least(x**2 / 2 - x * s + (s + r) * x, 0, "and where ‖s‖ = μ − r the objective rises from 0 in every "
                 "direction u, as ⟨y,u⟩ − λ‖u‖₁ ≤ ‖s‖", r"\tfrac12x^2-x\lVert s\rVert+\mu x\ge0"),
    ]  # fmt: skip


def _soft_group(rng: "np.random.Generator", order: tuple[int, int] = (0, 1)) -> Pair:
    import cvxpy as cp
    import numpy as np

    y, t, m = 2 * rng.standard_normal(4), float(rng.uniform(0.1, 1)), float(rng.uniform(0.1, 2))
    x = y
    for step in order:
        x = (
            np.sign(x) * np.maximum(np.abs(x) - t, 0)
            if step == 0
            else x * max(1 - m / max(float(np.linalg.norm(x)), 1e-99), 0)
        )
    v = cp.Variable(4)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(v - y) / 2 + t * cp.norm1(v) + m * cp.norm2(v)))
    problem.solve(solver="CLARABEL")
    stated = ((x - y) ** 2).sum() / 2 + t * np.abs(x).sum() + m * np.linalg.norm(x)
    return Pair(float(stated), float(problem.value), {"λ": t, "μ": m})


def _group_first(rng: "np.random.Generator") -> Pair:
    return _soft_group(rng, order=(1, 0))


SPARSE_GROUP: Final = Claim(
    id="thresholds/sparse-group-lasso",
    title="The sparse group lasso thresholds weights first, then groups",
    statement=r"$\mathrm{prox}_{\lambda\lVert\cdot\rVert_1+\mu\lVert\cdot\rVert_2}(y)=(1-\mu/\lVert s\rVert)_+s$ with "
    r"$s=S(y,\lambda)$, soft thresholding of every entry; the other order is another map.",
    source="Simon, Friedman, Hastie, Tibshirani 2013; Yu 2013",
    relation="equal",
    parameters={"λ": "λ > 0", "μ": "μ > 0"},
    derive=proof(_soft_group_steps, "s, r, λ, μ > 0"),
    solve=numbers(_soft_group, draws=10, tolerance="SOLVER", control=_group_first, seconds=3, what="The objective at "
                  "the composed map against a conic solver; the control has the other order."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _group_l0_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    r, k, x = sp.symbols("r kappa x", positive=True)
    return [
        at_least((x - r) ** 2 / 2 + k, k, "a group of length x > 0 costs at least κ, and κ at y itself",
                 r"\tfrac12\lVert x_g-y_g\rVert^2+\kappa \ge \tfrac12(x-r)^2+\kappa \ge \kappa"),
        equal(r**2 / 2 - k, (r - sp.sqrt(2 * k)) * (r + sp.sqrt(2 * k)) / 2, "0 costs ½‖y‖², which is less than κ iff "
              "‖y‖ < √(2κ)", r"\tfrac12r^2-\kappa = \tfrac12(r-\sqrt{2\kappa})(r+\sqrt{2\kappa})"),
    ]  # fmt: skip


def _group_l0(rng: "np.random.Generator", whole: bool = True) -> Pair:
    import itertools

    import numpy as np

    sizes = (2, 3, 2)
    y, k = rng.standard_normal(sum(sizes)), float(rng.uniform(0.2, 2))
    parts = np.split(y, np.cumsum(sizes)[:-1])
    kept = [
        part * (np.linalg.norm(part) > (2 * k) ** 0.5 if whole else np.abs(part) > (2 * k) ** 0.5) for part in parts
    ]
    stated = sum(((x - part) ** 2).sum() / 2 + k * bool(x.any()) for x, part in zip(kept, parts, strict=True))
    least = min(
        sum(k if on else float(part @ part) / 2 for on, part in zip(choice, parts, strict=True))
        for choice in itertools.product((False, True), repeat=3)
    )
    return Pair(float(stated), least, {"κ": k})


def _each_alone(rng: "np.random.Generator") -> Pair:
    return _group_l0(rng, whole=False)


GROUP_L0: Final = Claim(
    id="thresholds/group-l0",
    title="The group ℓ0 keeps a group whole or drops it",
    statement=r"The proximal map of $\kappa\sum_g\mathbf 1[x_g\ne0]$ is $y_g\,\mathbf 1[\lVert "
    r"y_g\rVert>\sqrt{2\kappa}]$, by the length of the group, not weight by weight.",
    source="Dinh, Xin 2018, group version",
    relation="equal",
    parameters={"κ": "κ > 0"},
    derive=proof(_group_l0_steps, "r = ‖y_g‖, x = ‖x_g‖, κ > 0"),
    solve=numbers(_group_l0, draws=60, control=_each_alone, seconds=0.5, what="The objective at the map against the "
                  "best of all choices of groups; the control thresholds each weight alone."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip

CLAIMS: Final = (DIFFERENCE, SIGNED, SPARSE_GROUP, GROUP_L0)
