"""What holds for every gate law: theorems on infima of functions affine in w², the kink at a jump, and the sandwich."""

from typing import TYPE_CHECKING, Final

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    from etatrick.theory.gates.base import CountingLaw, GateLaw
    from etatrick.theory.gates.envelope import Jump

DOMAIN: Final = "w > 0"
FAR: Final = 1e100
SLACK: Final = 1e-12  # numbers of a law are good to about 1e-14 of their size
POINTS: Final = 400


def universal(law: "GateLaw") -> dict[str, Verdict]:
    """Return the conditions that follow from Ω(√u) = ½ inf [u/η + f] alone, or from its supremum.

    Parameters
    ----------
    law : GateLaw

    Returns
    -------
    dict of str to Verdict
        "subquadratic", "monotone", "integrable" and "bounded"; for a bounded law also "unbiased" and "convex".

    Examples
    --------
    >>> from etatrick.theory.gates.laws import HardConcrete
    >>> print(universal(HardConcrete())["subquadratic"])
    proved: an infimum of affine functions; w > 0; Ω(√u) = ½ inf [u/η + f], so it is concave and does not decrease
    """
    found = {
        "subquadratic": Verdict(
            "proved", "an infimum of affine functions", DOMAIN,
            detail="Ω(√u) = ½ inf [u/η + f], so it is concave and does not decrease"),
        "monotone": Verdict(
            "proved", "exchange of minimisers", DOMAIN,
            detail="minimisers η₁ at u₁ and η₂ at u₂ > u₁: adding the two inequalities gives (u₂−u₁)(1/η₁−1/η₂) ≥ 0"),
        "integrable": Verdict(
            "proved", "squeeze", DOMAIN, detail="½ inf f ≤ Ω(w) ≤ ½[w²/η + f] for every θ, so Ω(0+) = ½ inf f = 0"),
    }  # fmt: skip
    if not np.isfinite(law.limit):
        value = float(law.penalty_at(FAR))
        detail = "f → ∞: for every E, Ω ≥ ½ min(w²/E, inf of f beyond E), so Ω(∞) = ½ f(∞) = ∞"
        return found | {"bounded": Verdict("refuted", "growth of f", DOMAIN, {"w": FAR, "value": value}, detail)}
    bound = Verdict("proved", "the open gate", DOMAIN, detail=f"Ω ≤ ½ f(∞) = {law.limit / 2:.12g}")
    return found | {"bounded": bound} | sublinear(law, "Ω is bounded")


def sublinear(law: "GateLaw", reason: str) -> dict[str, Verdict]:
    """Return "unbiased" (proved) and "convex" (refuted) for a law with Ω(w)/w → 0, which `reason` explains.

    With h(u) = Ω(√u) concave, uh′(u) ≤ 2[h(u) − h(u/2)], hence Ω′(w) = 2wh′(w²) ≤ 4Ω(w)/w. A convex Ω with
    Ω(0) = 0 has Ω(w)/w nondecreasing, so it would vanish.
    """
    weight = 1.0
    while not (near := 2 * float(law.penalty_at(weight))) > (far := float(law.penalty_at(2 * weight))) * 1.01:
        weight *= 2
    witness = {"w": weight, "twice the value": near, "value at 2w": far}
    return {
        "unbiased": Verdict(
            "proved", "concavity in w²", DOMAIN,
            detail=f"Ω(√u) is concave and nonnegative, so Ω′(w) ≤ 4 Ω(w)/w, and that tends to 0: {reason}"),
        "convex": Verdict(
            "refuted", "growth", DOMAIN, witness, "Ω(0) = 0 and Ω(w)/w → 0 although Ω > 0; it shows in 2Ω(w) > Ω(2w)"),
    }  # fmt: skip


def smooth_at_zero(law: "GateLaw", least: float) -> dict[str, Verdict]:
    """Return "exact_zeros" and "concave", both refuted, for a law whose free gate has η = `least` > 0 at f = 0."""
    weight = 1e-3 * min(1.0, float(np.sqrt(least))) * min(1.0, float(np.sqrt(law.penalty_at(1.0))))
    witness = {"w": weight, "slope": float(law.slope_at(weight))}
    bound = f"f = 0 at η = {least:.6g}, so 0 ≤ Ω(w) ≤ w²/(2·{least:.6g}) and Ω′(0+) = 0"
    larger = witness | {"value": float(law.penalty_at(weight))}
    return {
        "exact_zeros": Verdict("refuted", "a parabola above Ω", DOMAIN, witness, bound),
        "concave": Verdict("refuted", "a parabola above Ω", DOMAIN, larger, f"{bound}, yet Ω is not 0"),
    }


def kinked(law: "GateLaw", reason: str) -> Verdict:
    """Return "continuous_prox", refuted because η̂ jumps up, which `reason` explains: there Ω′ falls."""
    at = law.jumps()[0]
    witness = {"w": at.w, "left": at.w + at.slope_left, "right": at.w + at.slope_right}
    return Verdict("refuted", "a jump of η̂", DOMAIN, witness, f"w + Ω′(w) falls where η̂ jumps up: {reason}")


def thresholding(law: "CountingLaw") -> Verdict:
    """Return "continuous_prox", refuted for every law that counts open gates: its prox is hard thresholding.

    With CEL0 ≤ Ω ≤ ½·1{w≠0} the objective ½(x−w)² + Ω(w) lies between two whose minimum is min(½x², ½); that of
    CEL0 is affine in w below 1 with slope 1−x, so the minimiser is 0 for x < 1 and x for x > 1.
    """
    small = 1e-6
    witness = {"w": small, "left": small + float(law.slope_at(small)), "larger w": 1.0, "right": 1.0}
    detail = "CEL0 ≤ Ω ≤ ½·1{w≠0} (Cauchy–Schwarz), so the prox is hard thresholding at 1; Ω = ½ from w = 1 on"
    return Verdict("refuted", "hard thresholding", DOMAIN, witness, detail)


def jump(law: "GateLaw") -> "Jump":
    """Return the first jump of η̂: its place, η̂ and Ω′ on both sides, and the window of hysteresis.

    Inside the window a gate that follows its gradient has two local minima to rest in.

    Raises
    ------
    InputError
        If η̂ of this law does not jump.

    Examples
    --------
    >>> from etatrick.theory.gates.laws import HardConcrete
    >>> round(jump(HardConcrete()).w, 7)
    0.5349891
    """
    jumps = law.jumps()
    if not jumps:
        raise InputError(str(law), "η̂ of this law is continuous", "ask a law that jumps, such as HardConcrete()")
    return jumps[0]


def sandwich(law: "CountingLaw", kappa: float) -> Verdict:
    r"""Settle CEL0(w) ≤ Ω(w) ≤ κ·1{w≠0} for the penalty κP(s≠0) of a gate.

    .. math:: \kappa - \tfrac12\big(\sqrt{2\kappa}-|w|\big)_+^2 \;\le\;
              \inf_\theta\Big[\frac{w^2}{2\eta}+\kappa P(s\ne0)\Big] \;\le\; \kappa\,1\{w\ne0\}

    By Cauchy–Schwarz (E s)² ≤ P(s≠0) E s², so 1/η ≥ (1−π)/π with π = P(s≠0), and the left side is the
    infimum over π for equality, the Bernoulli gate. On the right stands the open gate, or at w = 0 the closed
    one. The numbers of the law must agree at 400 weights before the theorem is cited.

    Parameters
    ----------
    law : CountingLaw
        With f = P(s≠0), so that the penalty is 2κΩ(w/√(2κ)).
    kappa : float
        The price κ > 0 of an open gate.

    Returns
    -------
    Verdict
        *Proved*, or *refuted* with a weight at which the law's numbers contradict the theorem.

    Raises
    ------
    InputError
        If `kappa` is not a finite number > 0.

    Examples
    --------
    >>> from etatrick.theory.gates.laws import HardConcrete
    >>> sandwich(HardConcrete(), 2.0).status
    'proved'
    """
    if not (np.isfinite(kappa) and kappa > 0):
        raise InputError(f"kappa = {kappa}", "κ must be a finite number > 0", "choose e.g. kappa=1")
    knee = np.sqrt(2 * kappa)
    weights = knee * np.concatenate(([0.0], np.geomspace(1e-8, 4.0, POINTS - 1)))
    gate = 2 * kappa * law.penalty_at(weights / knee)
    below = np.where(weights < knee, weights * knee - weights**2 / 2, kappa)
    above = np.where(weights > 0, kappa, 0.0)
    room = np.minimum(gate - below, above - gate) + SLACK * np.minimum(kappa, below)
    worst = int(np.argmin(room))
    if room[worst] < 0:
        witness = dict(zip(("w", "CEL0", "gate", "top"), (float(v[worst]) for v in (weights, below, gate, above)),
                           strict=True))  # fmt: skip
        return Verdict("refuted", "values of the law", f"kappa = {kappa:g}", witness, "f is not P(s≠0) of a gate")
    detail = f"1/η ≥ (1−π)/π by Cauchy–Schwarz below, the open gate above; held at {POINTS} weights up to 4√(2κ)"
    return Verdict("proved", "Cauchy–Schwarz", f"all w, kappa = {kappa:g}", detail=detail)
