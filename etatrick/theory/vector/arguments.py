"""How the conditions of vector duals are settled: by a named theorem with its premises, or by a pair of points."""

from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.theory.verdict import Status, Verdict

if TYPE_CHECKING:
    from etatrick.theory.duality import Duality
    from etatrick.theory.vector.base import Floats, VectorDuality

ANY = "all weights"
MARGIN = 1e-9


def theorem(name: str, argument: str, *premises: Verdict, domain: str = ANY) -> Verdict:
    """Return the verdict of a theorem: as strong as the weakest of its premises, or *unknown*.

    Examples
    --------
    >>> theorem("minimum of linear functions", "one per subset").status
    'proved'
    >>> theorem("composition", "h of a sum", Verdict("unknown", "no proof found")).status
    'unknown'
    """
    ranks: tuple[Status, ...] = ("proved", "certified", "checked")
    if not all(p.holds for p in premises):
        reasons = "; ".join(f"{p.status}: {p.method}" for p in premises if not p.holds)
        return Verdict("unknown", f"a premise of the theorem ({name}) is open", domain, detail=reasons)
    weakest = max((ranks.index(p.status) for p in premises), default=0)
    detail = "; ".join([argument, *(f"premise {p.status}: {p.method}" for p in premises)])
    return Verdict(ranks[weakest], f"theorem: {name}", domain, detail=detail)


def inherited(premise: Verdict, name: str, argument: str) -> Verdict:
    """Return the verdict of a theorem whose single premise is also necessary, as along one coordinate axis."""
    if premise.status == "refuted":
        detail = f"along one axis Ω is the scalar penalty, for which: {premise.method}"
        return Verdict("refuted", "restriction to an axis", ANY, premise.witness, detail)
    return theorem(name, argument, premise)


def scalar_degree(duality: "Duality") -> Verdict:
    """Decide whether a scalar penalty is homogeneous: wΩ′(w)/Ω(w) is a constant.

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> scalar_degree(derive(penalty="3*w")).detail
    'degree 1'
    """
    import sympy as sp

    from etatrick.theory.symbols import w

    if duality.penalty is None or duality.slope is None:
        return Verdict("unknown", "Ω has no closed form")
    degree = sp.simplify(w * duality.slope / duality.penalty)
    if not degree.free_symbols:
        return Verdict("proved", "w Ω′(w)/Ω(w) is constant", "w > 0", detail=f"degree {degree}")
    first, second = (float(duality.penalty_at(2.0 * t) / duality.penalty_at(t)) for t in (1.5, 3.0))
    return _unequal(first, second, {"w": 1.5}) or Verdict("unknown", "w Ω′(w)/Ω(w) was not simplified to a constant")


def not_homogeneous(duality: "VectorDuality", w: "Floats") -> Verdict:
    """Refute homogeneity by Ω(2w)/Ω(w) ≠ Ω(4w)/Ω(2w), or leave it unknown."""
    first, second, third = (float(duality.penalty_at(t * w)) for t in (1.0, 2.0, 4.0))
    found = _unequal(second / first, third / second, named(w=w)) if min(first, second) > 0 else None
    return found or Verdict("unknown", "the ratios agree at the points tried")


def _unequal(first: float, second: float, point: dict[str, float]) -> Verdict | None:
    if not abs(first - second) > MARGIN * (1 + abs(first)):
        return None
    witness = point | {"first_ratio": first, "second_ratio": second}
    return Verdict("refuted", "Ω(2w)/Ω(w) and Ω(4w)/Ω(2w) differ", ANY, witness)


def chord(duality: "VectorDuality", a: "Floats", b: "Floats") -> Verdict:
    """Refute convexity by Ω((a+b)/2) > (Ω(a)+Ω(b))/2, or leave it unknown."""
    middle, mean = float(duality.penalty_at((a + b) / 2)), float(duality.penalty_at([a, b]).mean())
    if not middle > mean + MARGIN * (1 + abs(mean)):
        return Verdict("unknown", "no chord above the penalty was found")
    detail = f"{middle:.6g} at the middle, {mean:.6g} on average at the ends"
    return Verdict("refuted", "Ω((a+b)/2) > (Ω(a)+Ω(b))/2", ANY, named(a=a, b=b), detail)


def flat_start(duality: "VectorDuality", v: "Floats") -> Verdict:
    """Refute a kink at 0 by a direction along which Ω(tv)/t falls to 0 with t, or leave it unknown."""
    steps = (1e-3, 1e-6)
    wide, narrow = (float(duality.penalty_at(t * v)) / t for t in steps)
    if not (narrow <= 1e-2 * wide or narrow == 0):
        return Verdict("unknown", "the slopes at 0 do not vanish in the direction tried")
    witness = named(v=v) | {"slope_at_1e-3": wide, "slope_at_1e-6": narrow}
    return Verdict("refuted", "Ω(tv)/t vanishes with t", ANY, witness)


def named(**vectors: Any) -> dict[str, float]:
    """Return vectors as a flat mapping such as ``{"a[0]": 1.0, "a[1]": 0.0}``.

    Examples
    --------
    >>> named(a=[1, 0])
    {'a[0]': 1.0, 'a[1]': 0.0}
    """
    pairs = ((name, np.ravel(values)) for name, values in vectors.items())
    return {f"{name}[{i}]": float(x) for name, values in pairs for i, x in enumerate(values)}
