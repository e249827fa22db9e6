"""Certifying that the price of a hard concrete gate is concave in η, by ball arithmetic over all a in (0, ∞)."""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from etatrick.theory.gates.hard_concrete import HardConcrete

TOLERANCE: Final = 2.0**-24  # asked of an integral; its ball is rigorous whatever it reaches
MOST: Final = 300  # boxes tried on each half before giving up
Value = Callable[[Any, list[Any], list[Any]], Any]


def certified_boxes(law: "HardConcrete") -> int | None:
    """Return on how many boxes df/dη was shown to fall, which together cover all a; None where it was not.

    An f that is concave in η makes Ω concave in w: with η = wz, Ω(w) = ½ inf over z of [w/z + f(wz)], an
    infimum of functions that are concave in w. On a in [0, 1] the sign of d(log f′)/da is enclosed, and for
    b = 1/a in [0, 1] that of d(log f′)/d(log b), whose limit at b = 0 is 2. All moments are monotone in a and
    b, so that on a box they lie between their enclosed values at its ends.

    Parameters
    ----------
    law : HardConcrete

    Returns
    -------
    int or None

    Examples
    --------
    >>> from etatrick.theory.gates.laws import HardConcrete
    >>> certified_boxes(HardConcrete()) is not None
    True
    """
    import flint

    start = (-flint.arb(law.gamma) / law.zeta).log()
    first = (flint.arb(law.beta) * start).exp()  # r(0)^β

    @lru_cache(maxsize=4096)
    def closed(a: float) -> tuple[list[Any], list[Any]]:
        return _moments(law, lambda r: 1 / (r + a), lambda x: 2 * x)

    @lru_cache(maxsize=4096)
    def opened(b: float) -> tuple[list[Any], list[Any]]:
        return _moments(law, lambda r: r / (1 + b * r), lambda x: 2 * (1 - x))

    small = _cover(lambda a, n, p: -_fall_small(first, a, n, p), closed)
    large = None if small is None else _cover(lambda b, d, f: _fall_large(first, b, d, f), opened)
    return None if small is None or large is None else small + large


def _fall_small(first: Any, a: Any, n: list[Any], p: list[Any]) -> Any:
    """Return d(log f′)/da from n_j = ∫kʲ, p_j = ∫2xkʲ, k = 1/(r^β + a); η = a/q with q = p₁/n₁² − a."""
    n1, n2, n3 = n
    p1, p2, p3 = p
    q = p1 / n1**2 - a
    slope = 2 * p1 * n2 / n1**3 - p2 / n1**2 - 1
    bend = 2 * p3 / n1**2 - 4 * (p2 * n2 + p1 * n3) / n1**3 + 6 * p1 * n2**2 / n1**4
    return 2 * slope / q - 2 / (a + first) + a * bend / (q - a * slope)


def _fall_large(first: Any, b: Any, d: list[Any], f: list[Any]) -> Any:
    """Return d(log f′)/d(log b) from d_j = ∫qʲ, f_j = ∫2(1−x)qʲ, q = r^β/(1 + b r^β); 1/η = bX/n²."""
    d1, d2, d3 = d
    f1, f2, f3 = f
    n, n_b, n_bb = 1 - b * d1, b * d2 - d1, 2 * (d2 - b * d3)
    x, x_b = f1 - b * d1**2, 2 * b * d1 * d2 - f2 - d1**2
    x_bb = 2 * f3 + 4 * d1 * d2 - 2 * b * (d2**2 + 2 * d1 * d3)
    rho = x / n**2
    slope = x_b / n**2 - 2 * x * n_b / n**3
    bend = x_bb / n**2 - (4 * x_b * n_b + 2 * x * n_bb) / n**3 + 6 * x * n_b**2 / n**4
    return 2 / (1 + b * first) + b * (2 * slope / rho - (2 * slope + b * bend) / (rho + b * slope))


def _cover(value: Value, moments: Callable[[float], tuple[list[Any], list[Any]]]) -> int | None:
    """Return the number of boxes that cover [0, 1], on each of which `value` is enclosed above 0."""
    import flint

    boxes, todo = 0, [(k / 8, (k + 1) / 8) for k in range(8)]
    for _ in range(MOST):
        if not todo:
            return boxes
        low, high = todo.pop()
        ends = zip(moments(low), moments(high), strict=True)
        plain, weighted = ([x.union(y) for x, y in zip(*pair, strict=True)] for pair in ends)
        if value(flint.arb(low).union(flint.arb(high)), plain, weighted) > 0:
            boxes += 1
        else:
            middle = (low + high) / 2
            todo += [(low, middle), (middle, high)]
    return None


def _moments(law: "HardConcrete", kernel: Callable[[Any], Any], factor: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Enclose ∫kʲ dx and ∫factor(x)·kʲ dx over [0, 1] for j = 1, 2, 3, with x and dx in terms of y = log r."""
    import flint

    acb, (beta, gamma, zeta) = flint.acb, (flint.arb(p) for p in (law.beta, law.gamma, law.zeta))
    start, stop = acb((-gamma / zeta).log()), acb(((1 - gamma) / (zeta - 1)).log())
    width = acb(zeta - gamma)

    def integral(power: int, weighted: bool) -> Any:
        def integrand(y: Any, _: bool) -> Any:
            s = 1 / (1 + (-y).exp())
            weight = factor(acb(gamma) + width * s) if weighted else 1
            return kernel((acb(beta) * y).exp()) ** power * weight * width * s * (1 - s)

        return acb.integral(integrand, start, stop, rel_tol=TOLERANCE).real

    return [integral(j, False) for j in (1, 2, 3)], [integral(j, True) for j in (1, 2, 3)]
