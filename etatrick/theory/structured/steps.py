"""Single steps of a proof: identities settled by expansion, spectra tried in exact arithmetic, theorems on premises."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, TypeAlias, final

import sympy as sp

from etatrick.theory.structured.scales import ScaleSet
from etatrick.theory.vector.arguments import theorem
from etatrick.theory.verdict import Verdict

Spectrum: TypeAlias = tuple[Fraction, ...]
PRIMES: Final = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71)

SPECTRA: Final[tuple[Spectrum, ...]] = tuple(
    tuple(Fraction(v, 4) for v in row)
    for row in (
        (4, 0, 0, 0, 0, 0),
        (4, 4, 4, 4, 4, 4),
        (20, 8, 4, 2, 0, 0),
        (9, 8, 7, 6, 5, 4),
        (40, 20, 4, 3, 2, 1),
        (12, 6, 6, 3, 3, 0),
        (5, 5, 1, 1, 1, 1),
        (101, 99, 50, 50, 1, 1),
    )
)


@final
@dataclass(frozen=True)
class Step:
    """One step of a proof: what is claimed, and the verdict of the check that was made."""

    claim: str
    verdict: Verdict

    def __str__(self) -> str:
        return f"{self.claim}  [{self.verdict}]"


def identity(residual: Any, method: str, domain: str = "", detail: str = "") -> Verdict:
    """Decide whether an expression vanishes, by expansion; the witness of a refutation is a point with integers.

    Examples
    --------
    >>> x, y = sp.symbols("x y")
    >>> identity((x + y) ** 2 - x**2 - 2 * x * y - y**2, "expansion").status
    'proved'
    >>> identity(x - y, "expansion").witness
    {'x': 2.0, 'y': 3.0, 'residual': -1.0}
    """
    rest = sp.sympify(residual) if not isinstance(residual, sp.Basic) else residual
    if sp.expand(sp.numer(sp.together(rest))) == 0:
        return Verdict("proved", method, domain, detail=detail)
    point = dict(zip(sorted(rest.free_symbols, key=str), PRIMES, strict=False))
    value = rest.subs(point)
    if len(point) < len(rest.free_symbols) or not value.is_number or value == 0:
        return Verdict("unknown", f"{method} leaves a remainder", domain)
    witness = {str(k): float(v) for k, v in point.items()} | {"residual": float(value)}
    return Verdict("refuted", f"{method} leaves a remainder", domain, witness)


def at_spectra(holds: Callable[[Spectrum], bool], method: str, spectra: Iterable[Spectrum] = SPECTRA) -> Verdict:
    """Decide a statement about singular values at a fixed list of rational spectra, in exact arithmetic.

    Examples
    --------
    >>> at_spectra(lambda s: sum(s) > 5, "the sum exceeds 5").witness["σ[0]"]
    1.0
    """
    count = 0
    for spectrum in spectra:
        if not holds(spectrum):
            return Verdict("refuted", method, witness={f"σ[{i}]": float(v) for i, v in enumerate(spectrum)})
        count += 1
    return Verdict("checked", method, f"{count} rational spectra, exact arithmetic")


def homogeneous_conjugate() -> Step:
    """Return the step from Ω to the dual norm: Ω is homogeneous of degree 2, so its conjugate is a ratio."""
    t, x, y = sp.symbols("t x y", positive=True)
    checked = identity(x**2 / y - (2 * t * x - t**2 * y) - (x - t * y) ** 2 / y, "completing the square")
    claim = r"\Theta^{**}(A)=\max_Z 2\langle A,Z\rangle-N_*^2(Z),\ N_*^2(Z)=\sup\langle UV^T,Z\rangle^2/\Omega(U,V)"
    return Step(claim, theorem("Fenchel–Moreau", "sup over the scale t of tA", checked, domain="all matrices"))


def cauchy_over_blocks() -> Step:
    """Return the Cauchy–Schwarz step for any number of blocks: its gap is a sum over pairs of blocks of squares."""
    a, b, x, y, c, e = sp.symbols("lambda_1 lambda_2 y_1 y_2 c_1 c_2", positive=True)
    pair = identity(
        a * x**2 * e**2 / b + b * y**2 * c**2 / a - 2 * c * x * e * y - (a * x * e - b * y * c) ** 2 / (a * b), "pair"
    )
    own = identity(a * x**2 * c**2 / a - (c * x) ** 2, "diagonal term")
    claim = r"\Bigl(\sum_b c_b y_b\Bigr)^2\le\sum_b\lambda_b y_b^2\;\sum_b c_b^2/\lambda_b"
    return Step(
        claim, theorem("Lagrange's identity", "the gap is a sum of squares over pairs", pair, own, domain="λ_b > 0")
    )


def trace_inequality() -> Step:
    """Return von Neumann's step: among orders of two nonnegative lists the sorted one has the largest product sum."""
    s, t, p, q = sp.symbols("s t p q")
    swap = identity((s * p + t * q) - (s * q + t * p) - (s - t) * (p - q), "exchange of two neighbours")
    claim = r"\operatorname{rank}A\le r\Rightarrow\langle A,Z\rangle\le\lVert A\rVert_F\,(\sum_{i\le r}\zeta_i^2)^{1/2}"
    argument = "⟨A,Z⟩ is linear in doubly substochastic weights; sorting only gains; then Cauchy–Schwarz over r terms"
    return Step(claim, theorem("von Neumann's trace inequality", argument, swap, domain="all matrices"))


def dual_weights(blocks: Sequence[tuple[int, Any]], weights: Sequence[Any]) -> Step:
    r"""Return the step Σ_b λ_b⁻¹ Σ_{i≤r_b} ζ_i² = Σ_i ω_i ζ_i², attained by A_b = λ_b⁻¹ (Z cut to rank r_b).

    Parameters
    ----------
    blocks : sequence of (int, number or expression)
        Size and odds of each block.
    weights : sequence of numbers or expressions
        The claimed ω.

    Examples
    --------
    >>> dual_weights([(2, 1), (1, 1)], (2, 1)).verdict.status, dual_weights([(2, 1), (1, 1)], (1, 1)).verdict.status
    ('proved', 'refuted')
    """
    top = max([len(weights), *(size for size, _ in blocks)])
    squares = [sp.Symbol(f"zeta_{i + 1}") ** 2 for i in range(top)]
    counts: dict[tuple[int, Any], int] = {}
    for block in blocks:
        counts[block] = counts.get(block, 0) + 1
    best = sp.Add(*(n / symbolic(odds) * sp.Add(*squares[:size]) for (size, odds), n in counts.items()))
    claimed = sp.Add(*(symbolic(o) * z for o, z in zip(weights, squares, strict=False)))
    found = identity(best - claimed, "the bound of the two inequalities, attained by multiples of Z cut to rank r_b")
    return Step(r"N_*^2(Z)=\sum_b\lambda_b^{-1}\sum_{i\le r_b}\zeta_i^2=\sum_i\omega_i\zeta_i^2", found)


def eta_trick(scales: ScaleSet) -> tuple[Step, Step]:
    """Return the step from the dual norm to min Σσ²/η, and the check of the closed form by pairs without a gap."""
    s, e, z = sp.symbols("sigma eta zeta", positive=True)
    square = identity(s**2 / e - 2 * s * z + e * z**2 - (s - e * z) ** 2 / e, "completing the square")
    o, h, q = (sp.symbols(f"{name}_1:6") for name in ("omega", "eta", "z"))
    steps = sp.Add(*((q[j] - (q[j + 1] if j < 4 else 0)) * (sum(o[: j + 1]) - sum(h[: j + 1])) for j in range(5)))
    abel = identity(sum((a - b) * c for a, b, c in zip(o, h, q, strict=True)) - steps, "Abel's summation")
    argument = "σ²/η + ηζ² ≥ 2σζ gives one side for every η in H; compactness and convexity of H give the other"

    def tight(spectrum: Spectrum) -> bool:
        pair = scales.subgradient(spectrum)
        product = sum((a * b for a, b in zip(spectrum, pair, strict=True)), start=Fraction(0))
        return bool(product == scales.square(spectrum) and scales.dual_square(pair) == product)

    duality = theorem("minimax (Sion)", argument, square, abel, domain="all matrices")
    gap = at_spectra(tight, "σ and ζ = σ/η̂ attain ⟨σ,ζ⟩ = N² = N_*²(ζ)")
    claim = (
        r"N_*^2=\max_{\eta\in H}\sum_i\eta_i\zeta_i^2\Rightarrow N^2(\sigma)=\min_{\eta\in H}\sum_i\sigma_i^2/\eta_i"
    )
    return Step(claim, duality), Step(r"N^2(\sigma)=\sum_i\sigma_i^2/\hat\eta_i(\sigma)", gap)


def symbolic(value: Any) -> Any:
    """Return a Fraction as a sympy number; an expression is left alone.

    Examples
    --------
    >>> symbolic(Fraction(1, 3))
    1/3
    """
    return sp.Rational(value.numerator, value.denominator) if isinstance(value, Fraction) else sp.sympify(value)
