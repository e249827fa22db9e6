"""Enclosed values for gate laws (Arb): hard concrete moments, and a chord below the beta–Bernoulli price."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    from etatrick.theory.gates.hard_concrete import HardConcrete

BITS: Final = 192
BOXES: Final = 4000
SHARE: Final = 0.45  # below the mean ½, where a bound by Markov's argument splits
DEEPEST: Final = 20


def hard_concrete(law: "HardConcrete", t: float) -> tuple[Any, Any]:
    """Return balls that contain η and u = −f′/(1/η)′ of a hard concrete gate at log a = t.

    Parameters
    ----------
    law : HardConcrete
    t : float
        Any moderate number, such as -30 to 30.

    Returns
    -------
    tuple of flint.arb

    Examples
    --------
    >>> from etatrick.theory.gates.laws import HardConcrete
    >>> eta, u = hard_concrete(HardConcrete(), 0.0)
    >>> round(float(eta), 6), round(float(u), 6)
    (1.688985, 0.270059)
    """
    import flint

    acb, (beta, gamma, zeta) = flint.acb, (flint.arb(p) for p in (law.beta, law.gamma, law.zeta))
    start, stop = (-gamma / zeta).log(), ((1 - gamma) / (zeta - 1)).log()

    def integral(power: int, twice: bool) -> Any:
        def integrand(y: Any, _: bool) -> Any:
            s = 1 / (1 + (-y).exp())
            gate = 1 / (1 + (acb(beta) * y - t).exp())
            value = gate * (1 - gate) if power == 2 else gate
            x = acb(gamma) + acb(zeta - gamma) * s
            return value * acb(zeta - gamma) * s * (1 - s) * (2 * x if twice else 1)

        return acb.integral(integrand, acb(start), acb(stop)).real

    m1, m2, d1, d2 = integral(1, False), integral(1, True), integral(2, False), integral(2, True)
    f = 1 / (1 + (beta * start - t).exp())
    return 1 / (m2 / m1**2 - 1), f * (1 - f) * m1**3 / (2 * m2 * d1 - d2 * m1)


def _log_mean(log_a: Any, b: Any) -> Any:
    p = (-log_a).exp()
    return (1 + p).lgamma() + (1 + b).lgamma() - (1 + b + p).lgamma()


def _divergence(prior: Any, log_a: Any, b: Any) -> Any:
    """KL of Kumaraswamy(a, b) from Beta(α₀, 1); −γ − ψ(b) − 1/b = −γ − ψ(1+b)."""
    import flint

    drift = -flint.arb.const_euler() - (1 + b).digamma()
    return (1 - prior * (-log_a).exp()) * drift + log_a + b.log() - prior.log() - 1 + 1 / b


def chord_below(prior: float, ends: tuple[tuple[float, float], tuple[float, float]]) -> Verdict:
    """Settle whether K, the least divergence at a given mean, lies above a chord at the mean ½.

    As a function of ρ = (1−m)/m. The ends of the chord bound K from above because they are values at given
    (log a, log b). At the mean ½, K is bounded from below over all b: by boxes in the middle, in which a lies
    between its values for the box's ends (the mean grows with a and falls with b); for b ≤ b₀ by
    P(1−π^a ≤ x) = x^b, which gives log a ≥ log 0.45/b − log log 20; for b ≥ b₁ ≥ 1 by ψ(1+b) ≤ log(1+b).

    Parameters
    ----------
    prior : float
        α₀ in (0, 1].
    ends : pair of (log a, log b)
        With means on both sides of ½.

    Returns
    -------
    Verdict
        On "canonical": *refuted* where the chord lies below K(½), otherwise *unknown*.
    """
    import flint

    saved = flint.ctx.prec
    try:
        flint.ctx.prec = BITS
        return _chord_below(prior, ends)
    finally:
        flint.ctx.prec = saved


def _chord_below(prior: float, ends: tuple[tuple[float, float], tuple[float, float]]) -> Verdict:
    import flint

    arb = flint.arb
    alpha = arb(prior)
    rho, price = [], []
    for log_a, log_b in ends:
        b = arb(log_b).exp()
        rho.append((-_log_mean(arb(log_a), b)).exp() - 1)
        price.append(_divergence(alpha, arb(log_a), b))
    if not (rho[0] > 1 and rho[1] < 1):
        return Verdict("unknown", "the chord does not reach over the mean ½", "η > 0")
    chord = (price[0] * (1 - rho[1]) + price[1] * (rho[0] - 1)) / (rho[0] - rho[1])
    low, high = _tails(alpha, chord)
    if low is None or high is None or not _boxes_above(alpha, chord, low, high):
        return Verdict("unknown", "the enclosures do not put K(½) above the chord", "η > 0")
    ends_of = {"smaller eta": 1 / rho[0], "its f": 2 * price[0], "larger eta": 1 / rho[1], "larger f": 2 * price[1]}
    witness = {"eta": 1.0, "chord of f": float(2 * chord)} | {name: float(ball) for name, ball in ends_of.items()}
    detail = "f(1) lies above the chord between the two η, so f as a function of 1/η is not convex"
    return Verdict("refuted", "ball arithmetic over all (a, b) of mean ½", "η > 0", witness, detail)


def _tails(alpha: Any, target: Any) -> tuple[int | None, int | None]:
    """Return whole numbers for log b below and above which K(½) > target, None where none is found."""
    import flint

    arb = flint.arb
    low = high = None
    for k in range(2, DEEPEST):
        b = arb(-k).exp()
        # h = −γ−ψ(1+b) lies in [−π²b/6, 0], and (1−α₀/a)h ≥ h; the bound falls with b while b < 1 + log 0.45.
        shape = arb(SHARE).log() / b - (1 / (arb("0.5") - arb(SHARE))).log().log()
        if b < 1 + arb(SHARE).log() and shape + b.log() - alpha.log() - 1 + 1 / b - arb.pi() ** 2 * b / 6 > target:
            low = -k
            break
    for k in range(1, DEEPEST):
        start = _log_a_below(arb(k).exp())
        if start is not None and -arb.const_euler() + arb(start) - alpha.log() - 1 > target:
            high = k
            break
    return low, high


def _log_a_below(b: Any, above: bool = False) -> float | None:
    """Return a float just below (or above) log a at the mean ½, verified by the sign of the enclosed mean."""
    import flint
    from scipy.optimize import brentq

    half = -flint.arb(2).log()
    size = float(b)
    start, stop = -3.0 - 0.8 / size, 4.0 + np.log1p(size)
    centre = brentq(lambda x: float(_log_mean(flint.arb(x), b) - half), start, stop, xtol=1e-12)
    found = centre + 1e-6 if above else centre - 1e-6
    gap = _log_mean(flint.arb(found), b) - half
    return float(found) if (gap > 0 if above else gap < 0) else None


def _boxes_above(alpha: Any, target: Any, low: int, high: int) -> bool:
    """Tell whether K > target on all boxes of log b between the tails."""
    import flint

    arb = flint.arb
    edges = [arb(low) + arb(high - low) * k / BOXES for k in range(BOXES + 1)]
    shapes = [(_log_a_below(e.exp()), _log_a_below(e.exp(), True)) for e in edges[::40]]
    for k in range(0, BOXES, 40):
        least, most = shapes[k // 40][0], shapes[k // 40 + 1][1]
        if least is None or most is None:
            return False
        for j in range(k, k + 40):
            box_b = edges[j].union(edges[j + 1]).exp()
            if not _divergence(alpha, arb(least).union(arb(most)), box_b) > target:
                return False
    return True
