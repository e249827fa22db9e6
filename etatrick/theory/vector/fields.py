"""Rules in which scales depend on several weights: whether any penalty belongs to them, and which."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.continuity import is_continuous
from etatrick.theory.factoring import factored
from etatrick.theory.numbers import compiled
from etatrick.theory.signs import prove_sign
from etatrick.theory.vector.base import Floats
from etatrick.theory.vector.base import numbers as as_floats
from etatrick.theory.verdict import Verdict
from etatrick.theory.zeros import prove_zero

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SQUARES: Final = ((0, 1), (1, 2), (sp.Rational(1, 2), 4), (sp.Rational(1, 10), 10))
CLEAR: Final = 1e-6  # a loop integral beyond this, relatively, is no rounding
DEFINITE: Final = 4  # minors of larger matrices grow too fast


def gradient_field(rules: Sequence[Any], symbols: Sequence[Any]) -> Verdict:
    r"""Decide whether u ↦ 1/η(u), with u = w∘w, is the gradient of some 2Ω.

    On the positive orthant, which has no holes, this says that ∂(1/η_i)/∂u_j = ∂(1/η_j)/∂u_i for all i, j. If it is
    not, 2Ω would have two values at one point: the verdict shows the integrals of Σ du_j/η_j along both ways around
    a square.

    Parameters
    ----------
    rules : sequence of sympy.Expr
        The scales η_1, …, η_d as formulas in the symbols, positive and smooth.
    symbols : sequence of sympy.Symbol
        Positive symbols for u_1, …, u_d.

    Returns
    -------
    Verdict
        *Proved* or *refuted* with a witness; *unknown* if a derivative could not be settled.

    Raises
    ------
    InputError
        If the numbers of rules and symbols differ, a symbol is not positive, or another symbol occurs.

    Examples
    --------
    >>> u, v = sp.symbols("u v", positive=True)
    >>> gradient_field([1 + u + v, 1 + u + v], [u, v]).status
    'proved'
    >>> found = gradient_field([1 + u + v, 1 + v], [u, v])
    >>> round(found.witness["first_path"], 6), round(found.witness["second_path"], 6)
    (1.386294, 1.098612)
    """
    field, variables = _field(rules, symbols)
    domain = _domain(variables)
    if not all(_is_tame(e) for e in field):
        return Verdict("unknown", "a pole, a jump or a piece of some 1/η was not excluded", domain)
    open_steps = []
    for i, j in combinations(range(len(field)), 2):
        curl = prove_zero(sp.diff(field[i], variables[j]) - sp.diff(field[j], variables[i]))
        if curl.status == "refuted":
            return _loop(field, variables, (i, j)) or Verdict("unknown", "no loop could be integrated", domain)
        if curl.status != "proved":
            open_steps.append(f"∂(1/η_{i + 1})/∂{variables[j]}: {curl.method}")
    if open_steps:
        return Verdict("unknown", "the symmetry of a derivative is open", domain, detail="; ".join(open_steps))
    return Verdict("proved", "theorem: Poincaré's lemma; the Jacobian of 1/η is symmetric", domain)


def decreasing_field(rules: Sequence[Any], symbols: Sequence[Any]) -> Verdict:
    """Decide whether the symmetric part of the Jacobian of 1/η is ≤ 0 everywhere.

    A gradient field with this property is the supergradient of a concave 2Ω(√u): exactly then the η-trick holds.
    Refutations carry a point and a direction of growth. Parameters and errors: see :func:`gradient_field`.

    Examples
    --------
    >>> u, v = sp.symbols("u v", positive=True)
    >>> decreasing_field([1 + u + v, 1 + u + v], [u, v]).status
    'proved'
    """
    field, variables = _field(rules, symbols)
    jacobian = sp.Matrix(field).jacobian(variables)
    matrix = -(jacobian + jacobian.T) / 2
    rising = _rising(matrix, variables)
    if rising is not None:
        return rising
    if not all(_is_tame(e) for e in field) or len(variables) > DEFINITE:
        return Verdict("unknown", "not decided symbolically; no growth at the points tried", _domain(variables))
    for size in range(1, len(variables) + 1):
        for chosen in combinations(range(len(variables)), size):
            minor = factored(sp.together(matrix.extract(chosen, chosen).det()))
            sign = prove_sign(minor, ">=")
            if sign.status != "proved":
                return Verdict("unknown", f"the minor {chosen} is open: {sign.method}", _domain(variables))
    return Verdict("proved", "all principal minors of minus the Jacobian of 1/η are ≥ 0", _domain(variables))


def coordinatewise_monotone(rules: Sequence[Any], symbols: Sequence[Any]) -> Verdict:
    """Decide whether no scale decreases when any weight grows: ∂η_i/∂u_j ≥ 0 for all i, j.

    For several weights this is neither necessary nor sufficient for a penalty to exist. Parameters and errors: see
    :func:`gradient_field`.

    Examples
    --------
    >>> u, v = sp.symbols("u v", positive=True)
    >>> coordinatewise_monotone([1 + u + v, 1 + v], [u, v]).status
    'proved'
    """
    field, variables = _field(rules, symbols)
    domain, rows = _domain(variables), [1 / e for e in field]
    if not all(_is_tame(e) for e in rows):
        return Verdict("unknown", "a pole, a jump or a piece of some η was not excluded", domain)
    verdicts = [prove_sign(sp.diff(rule, u), ">=", u) for rule in rows for u in variables]
    for status in ("refuted", "unknown"):
        found = next((v for v in verdicts if v.status == status), None)
        if found is not None:
            return Verdict(found.status, f"a derivative ∂η_i/∂u_j: {found.method}", domain, found.witness)
    return Verdict("proved", "all derivatives ∂η_i/∂u_j are ≥ 0", domain)


def potential_at(rules: Sequence[Any], symbols: Sequence[Any], u: "ArrayLike") -> float:
    r"""Return 2Ω(√u) = ∫₀¹ Σ u_j/η_j(su) ds along the straight path from 0.

    The value depends on the path unless :func:`gradient_field` is proved.

    Parameters
    ----------
    rules, symbols
        See :func:`gradient_field`.
    u : array_like, shape (d,)
        Where, u ≥ 0.

    Raises
    ------
    InputError
        If u is no such vector.

    Examples
    --------
    >>> a, b = sp.symbols("a b", positive=True)
    >>> round(potential_at([1 + a + b, 1 + a + b], [a, b], [1.0, 1.0]), 6)  # log(1 + a + b)
    1.098612
    """
    from scipy.integrate import quad

    field, variables = _field(rules, symbols)
    point = as_floats(u, "u")
    if point.shape != (len(field),) or not np.isfinite(point).all() or not (point >= 0).all():
        raise InputError(f"u = {point}", f"u holds {len(field)} finite numbers ≥ 0", "pass squared weights")
    inward = [compiled(e, *variables) for e in field]

    def speed(r: float) -> float:  # s = r² tames 1/√s at the start
        return float(sum(p * f(*(r * r * point)) for p, f in zip(point, inward, strict=True) if p > 0)) * 2 * r

    return float(quad(speed, 0.0, 1.0, epsabs=0.0, epsrel=1e-12, limit=400)[0])


def _field(rules: Sequence[Any], symbols: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Return 1/η and the symbols, checked."""
    variables, formulas = list(symbols), list(rules)
    if len(variables) != len(formulas) or not variables:
        given = f"{len(formulas)} rules and {len(variables)} symbols"
        raise InputError(given, "each rule belongs to one symbol", "pass as many symbols as rules")
    for u in variables:
        if not (isinstance(u, sp.Symbol) and u.is_positive) or variables.count(u) > 1:
            raise InputError(str(u), "is not a positive symbol of its own", 'use sympy.symbols("u v", positive=True)')
    for rule in formulas:
        if not isinstance(rule, sp.Expr):
            raise InputError(str(rule), "is no sympy expression", "pass formulas in the symbols")
        strange = sorted(rule.free_symbols - set(variables), key=str)
        if strange or rule.is_zero or rule.has(sp.oo, sp.zoo, sp.nan):
            rule_text = f"has the symbol {strange[0]}" if strange else "is no positive scale"
            raise InputError(str(rule), rule_text, "use only the symbols that are passed, as in 1 + u")
    return [1 / rule for rule in formulas], variables


def _is_tame(expr: Any) -> bool:
    return is_continuous(expr) or is_continuous(factored(sp.together(expr)))


def _domain(variables: Sequence[Any]) -> str:
    return ", ".join(f"{u} > 0" for u in variables)


def _loop(field: Sequence[Any], variables: Sequence[Any], plane: tuple[int, int]) -> Verdict | None:
    """Integrate both ways around squares in one plane until they differ clearly."""
    first, second = plane
    for low, high in SQUARES:
        corner = dict.fromkeys(variables, sp.Integer(1) if low == 0 else low)
        corner.update({variables[i]: low for i in plane})
        paths = [_integral(field, variables, corner, order, high) for order in ((first, second), (second, first))]
        if np.isfinite(paths).all() and abs(paths[0] - paths[1]) > CLEAR * (1 + abs(paths[0])):
            witness = {f"{u}_from": float(value) for u, value in corner.items()}
            witness |= {f"{variables[i]}_to": float(high) for i in plane}
            witness |= {"first_path": paths[0], "second_path": paths[1], "loop_integral": paths[0] - paths[1]}
            names = f"{variables[first]} first, then {variables[second]}; and the other way round"
            return Verdict("refuted", "two paths give two values of 2Ω", _domain(variables), witness, names)
    return None


def _integral(
    field: Sequence[Any], variables: Sequence[Any], corner: dict[Any, Any], order: tuple[int, int], high: Any
) -> float:
    """Integrate the field along two edges of a square, in the order given; NaN where that fails."""
    import mpmath as mp

    total, place = mp.mpf(0), dict(corner)
    for i in order:
        here = variables[i]
        edge = field[i].subs({u: value for u, value in place.items() if u != here})
        if edge.has(sp.zoo, sp.oo, sp.nan):
            return float("nan")
        try:
            part, error = mp.quad(sp.lambdify(here, edge, "mpmath"), [corner[here], high], error=True)
        except (ZeroDivisionError, ValueError, OverflowError, TypeError):
            return float("nan")
        if not (mp.im(part) == 0 and error < CLEAR / 100):
            return float("nan")
        total, place[here] = total + part, high
    return float(total)


def _rising(matrix: Any, variables: Sequence[Any]) -> Verdict | None:
    """Look for a point and a direction in which 1/η grows along itself."""
    slopes = compiled(sp.ImmutableMatrix(matrix), *variables)
    for point in _points(len(variables)):
        with np.errstate(all="ignore"):
            values = np.asarray(slopes(*point), dtype=np.float64)
        if not np.isfinite(values).all():
            continue
        sizes, directions = np.linalg.eigh(values)
        if sizes[0] < -CLEAR * np.abs(values).max():
            witness = {str(u): float(x) for u, x in zip(variables, point, strict=True)}
            witness |= {f"along_{u}": float(x) for u, x in zip(variables, directions[:, 0], strict=True)}
            witness["growth"] = -float(sizes[0])
            return Verdict("refuted", "1/η grows along a direction", _domain(variables), witness)
    return None


def _points(length: int) -> Iterator[Floats]:
    """Yield seeded points over four decades."""
    rng = np.random.default_rng(1061)
    for _ in range(60):
        yield 10 ** rng.uniform(-2.0, 2.0, length)


__all__ = ["coordinatewise_monotone", "decreasing_field", "gradient_field", "potential_at"]
