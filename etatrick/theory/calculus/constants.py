"""Constants in formulas: numbers made exact, or expressions in positive parameters kept symbolic."""

from typing import Any

import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.parameters import Parameter
from etatrick.theory.symbols import eta, lam, w


def constant(domain: Parameter, value: Any) -> Any:
    """Return a number as an exact rational and a positive expression as it is.

    Parameters
    ----------
    domain : Parameter
        Name and domain; a number must lie in it, of an expression only positivity is checked.
    value : number or sympy.Expr

    Returns
    -------
    sympy.Expr

    Raises
    ------
    InputError
        If a number is outside the domain, or an expression is not positive or mentions w, η or λ.

    Examples
    --------
    >>> constant(Parameter("c"), 0.1), constant(Parameter("c"), 2 * sp.Symbol("a", positive=True))
    (1/10, 2*a)
    """
    if not isinstance(value, sp.Expr) or value.is_Float or value.is_Rational:
        return domain.exact(value)
    if not value.is_positive or value.has(w, eta, lam, sp.Float, sp.oo):
        raise InputError(f"{domain.name} = {value}", f"the rule is {domain.domain}", "use a number or positive symbols")
    return value
