"""Covariances compared exactly: positive semidefiniteness by elimination in fractions, and the capacity g(S)."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.theory.noise.arguments import exact
from etatrick.theory.noise.base import MaskLaw
from etatrick.theory.verdict import Verdict

Table: TypeAlias = list[list[Fraction]]
Floats: TypeAlias = NDArray[np.float64]
LARGEST_EXACT: Final = 24
ROUNDING: Final = 1e-12


def capacity(covariance: Any, units: Iterable[int] | None = None) -> Any:
    r"""Return g(S) = 1ᵀ C̄_SS⁺ 1, or infinity if 1 is not in the range of C̄_SS.

    It is the largest (Σx)²/xᵀC̄x over weights x of the units S that share one singular direction; 1/g of all units is
    what the mask charges for a matrix of rank one.

    Parameters
    ----------
    covariance : MaskLaw, or a square matrix
        C̄; fractions and integers are treated exactly, and so are laws of at most 24 units.
    units : iterable of int, optional
        S; all units by default.

    Returns
    -------
    Fraction or float

    Examples
    --------
    >>> from etatrick.theory.noise.blocks import Bernoulli
    >>> from etatrick.theory.structured.semidefinite import capacity
    >>> capacity(Bernoulli(3, 0.75)), capacity([[1, -1], [-1, 1]])
    (Fraction(9, 1), inf)
    """
    table = covariance_of(covariance)
    chosen = range(len(table)) if units is None else sorted(set(units))
    if isinstance(table, list):
        found = eliminated([[*(table[i][j] for j in chosen), Fraction(1)] for i in chosen])
        if found is None:
            raise InputError("covariance", "must be positive semidefinite", "pass the C̄ of a mask law")
        return found
    part = table[np.ix_(list(chosen), list(chosen))]
    ones = np.ones(len(part))
    weights = np.linalg.lstsq(part, ones, rcond=ROUNDING)[0]
    return float(ones @ weights) if np.abs(part @ weights - ones).max() <= 1e-8 else float("inf")


def loewner_at_least(larger: Any, smaller: Any) -> Verdict:
    """Decide C̄ ⪰ C̄′, which implies Θ ≥ Θ′: exactly for fractions of at most 24 rows, otherwise by eigenvalues.

    Examples
    --------
    >>> from etatrick.theory.structured.semidefinite import loewner_at_least
    >>> loewner_at_least([[2, 1], [1, 2]], [[1, 1], [1, 1]]).status
    'proved'
    >>> loewner_at_least([[1, 0], [0, 1]], [[1, 1], [1, 1]]).status
    'refuted'
    """
    first, second = covariance_of(larger), covariance_of(smaller)
    gap = np.array(first, dtype=np.float64) - np.array(second, dtype=np.float64)
    values, vectors = np.linalg.eigh(gap)
    scale = max(1e-300, float(np.abs(values).max()))
    if isinstance(first, list) and isinstance(second, list):
        difference = [[a - b for a, b in zip(r, s, strict=True)] for r, s in zip(first, second, strict=True)]
        if eliminated([[*row, Fraction(0)] for row in difference]) is not None:
            return Verdict("proved", "symmetric elimination in fractions finds no negative pivot")
        x = [Fraction(float(v)) for v in vectors[:, 0]]
        value = sum(x[i] * x[j] * difference[i][j] for i in range(len(x)) for j in range(len(x)))
        low = float(value) if value < 0 else float(values[0])
        return Verdict(
            "refuted", "a negative pivot; the witness is xᵀ(C̄ − C̄′)x at a unit vector", witness={"value": low}
        )
    if values[0] >= -ROUNDING * scale:
        return Verdict("checked", f"smallest eigenvalue {values[0]:.3g} of a matrix of norm {scale:.3g}")
    return Verdict("refuted", "a negative eigenvalue", witness={"value": float(values[0])})


def eliminated(rows: Sequence[Sequence[Fraction]]) -> Any:
    """Return bᵀM⁺b for rows of (M | b) with M symmetric; infinity if b is out of range, None if M is not semidefinite.

    Examples
    --------
    >>> F = Fraction
    >>> eliminated([[F(2), F(0), F(1)], [F(0), F(4), F(1)]])
    Fraction(3, 4)
    >>> eliminated([[F(0), F(1), F(1)], [F(1), F(0), F(1)]]) is None
    True
    """
    table, total, bounded = [list(row) for row in rows], Fraction(0), True
    for i, row in enumerate(table):
        pivot = row[i]
        if pivot < 0 or (pivot == 0 and any(row[i:-1])):
            return None
        if pivot == 0:
            bounded = bounded and row[-1] == 0
            continue
        total += row[-1] ** 2 / pivot
        for other in table[i + 1 :]:
            if factor := other[i] / pivot:
                other[i:] = [a - factor * b for a, b in zip(other[i:], row[i:], strict=True)]
    return total if bounded else float("inf")


def covariance_of(source: Any) -> Table | Floats:
    """Return C̄ of a law or a matrix: fractions where that is exact and affordable, otherwise floats.

    Raises
    ------
    InputError
        If the matrix is not square and symmetric, or not finite.
    """
    if isinstance(source, MaskLaw):
        if source.size > LARGEST_EXACT:
            return source.normalised_covariance
        return [[fraction(v) for v in row] for row in source.exact_normalised_covariance.tolist()]
    rows = source.tolist() if hasattr(source, "tolist") else [list(row) for row in source]
    remedy = "pass C̄ as a symmetric matrix, or the mask law itself"
    if not rows or any(len(row) != len(rows) for row in rows):
        raise InputError("covariance", "must be a square matrix", remedy)
    whole = all(isinstance(v, int | Fraction) or getattr(v, "is_Rational", False) for row in rows for v in row)
    found = np.array(rows, dtype=np.float64)
    if not np.isfinite(found).all() or np.abs(found - found.T).max() > ROUNDING * max(1.0, float(np.abs(found).max())):
        raise InputError("covariance", "must be finite and symmetric", remedy)
    return [[fraction(v) for v in row] for row in rows] if whole and len(rows) <= LARGEST_EXACT else found


def fraction(value: Any) -> Fraction:
    """Return an exact number as a Fraction; a float means the decimal number it prints as."""
    found = exact(value, "value")
    if not found.is_Rational:
        raise InputError(f"value = {value}", "must be a rational number", "give every symbol a value with law.at(…)")
    return Fraction(int(found.p), int(found.q))
