"""The laws of a penalty as an assertion, and the penalties of the catalogue to try a law of your own on."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etatrick.numerics import PenaltyReport


def check_penalty(penalty: Any) -> "PenaltyReport":
    """Assert that an object obeys every law of a penalty.

    The laws are those of :func:`etatrick.numerics.check_penalty`: Ω(0) = 0, even, nondecreasing; derivatives, weight
    rule, proximal map, conjugate and cvxpy model belong together.

    Parameters
    ----------
    penalty : catalogue entry, Duality, or object with ``value`` and ``slope``

    Returns
    -------
    PenaltyReport
        What each law said.

    Raises
    ------
    AssertionError
        If a law fails or a method is missing: each with its witness.

    Examples
    --------
    >>> class Steep:  # its slope belongs to another function
    ...     def value(self, w):
    ...         return abs(w)
    ...     def slope(self, w):
    ...         return 2 + 0 * w
    >>> check_penalty(Steep())
    Traceback (most recent call last):
    ...
    AssertionError: Steep is no penalty
    ...
    """
    from etatrick.numerics import check_penalty as laws

    report = laws(penalty)
    if not report.holds:
        broken = [f"  {law}: {report.verdicts[law]}" for law in report.refuted]
        raise AssertionError("\n".join([f"{report.name} is no penalty", *broken,
                                        *(f"  lacks {rule}" for rule in report.lacking.values())]))  # fmt: skip
    return report


def penalty_cases() -> list[Any]:
    """Return one member of each penalty family of the catalogue that is 0 at 0, inside its parameters' domains.

    Returns
    -------
    list of catalogue entries
        For ``pytest.mark.parametrize("penalty", penalty_cases(), ids=lambda p: p.name)``.

    Examples
    --------
    >>> [case.name for case in penalty_cases()][:2]
    ['ridge:c=1', 'l1:k=1']
    """
    from etatrick.theory import penalties

    cases = [family(**{p.name: _inside(p) for p in family.parameters}) for family in penalties.values()]
    return [case for case in cases if case.duality.base == 0]  # others have no finite limit at 0


def _inside(parameter: Any) -> float:
    """Return a default, the middle of a bounded domain, or the number 1 above its lower end."""
    from math import isfinite

    if parameter.default is not None:
        return float(parameter.default)
    if isfinite(parameter.upper):
        return float(parameter.lower + parameter.upper) / 2
    return float(parameter.lower) + 1.0 if isfinite(parameter.lower) else 1.0
