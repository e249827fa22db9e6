"""Smooth lifted forms of a penalty: the Hadamard product w = uv, and an additive variance V = w²/η."""

from typing import TYPE_CHECKING, Any, Final

import sympy as sp

from etatrick.errors import InputError, shortened
from etatrick.theory.duality import Duality
from etatrick.theory.symbols import eta, w
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

u: Final[Any] = sp.Symbol("u", positive=True)
v: Final[Any] = sp.Symbol("v", positive=True)
V: Final[Any] = sp.Symbol("V", positive=True)
TOLERANCE: Final = 1e-10  # scaled by 1 + Ω
DECADES: Final = (-13, 13)  # of the lifting variable in the search


def hadamard_form(d: Duality) -> Any:
    r"""Return :math:`u^2+f(v^2)`, of which Ω is half the minimum: :math:`\Omega(w)=\tfrac12\min_{uv=w}[u^2+f(v^2)]`.

    It is (3) of the η-trick with η = v² and u = w/v: a product of two weights, each with its own penalty, trained
    without any adaptive rule.

    Parameters
    ----------
    d : Duality
        With a closed form of f.

    Returns
    -------
    sympy.Expr
        In the positive symbols u and v of this module.

    Raises
    ------
    InputError
        If f has no closed form.

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> hadamard_form(derive(penalty="w"))
    u**2 + v**2
    """
    return u**2 + _dual(d).subs(eta, v**2)


def additive_form(d: Duality) -> Any:
    r"""Return :math:`V+f(w^2/V)`, of which Ω is half the minimum over the variance V: :math:`V = w^2/\eta`.

    Parameters
    ----------
    d : Duality
        With a closed form of f.

    Returns
    -------
    sympy.Expr
        In w and the positive symbol V of this module.

    Raises
    ------
    InputError
        If f has no closed form.

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> additive_form(derive(penalty="w"))
    V + w**2/V
    """
    return V + _dual(d).subs(eta, w**2 / V)


def lifted_minimum(form: Any, x: float) -> float:
    """Return half the least value of a lifted form at w = x > 0, by refining a grid of the lifting variable.

    Parameters
    ----------
    form : sympy.Expr
        What :func:`hadamard_form` or :func:`additive_form` returns, without free parameters.
    x : float
        The weight, x > 0.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If x is not positive and finite, or the form has free parameters.

    Examples
    --------
    >>> round(lifted_minimum(u**2 + v**2, 3.0), 9)
    3.0
    """
    import numpy as np

    if not (np.isfinite(x) and x > 0):
        raise InputError(f"x = {x}", "the weight must be positive and finite", "choose e.g. x=1.0")
    variable = V if form.has(V) else v
    at_weight = form.subs({u: sp.Rational(repr(float(x))) / v, w: sp.Rational(repr(float(x)))})
    if at_weight.free_symbols - {variable}:
        names = ", ".join(sorted(str(s) for s in at_weight.free_symbols - {variable}))
        raise InputError(names, "numbers need every parameter to have a value", "call .at(…) on the duality first")
    compiled = sp.lambdify(variable, at_weight, ["scipy", "numpy"])

    def values(logarithms: "NDArray[np.float64]") -> "NDArray[np.float64]":
        with np.errstate(all="ignore"):
            found = compiled(np.exp(logarithms)) * np.ones_like(logarithms)
        return np.where(np.isnan(found), np.inf, found)

    grid = np.log(10.0) * np.linspace(*DECADES, 6001)
    for _ in range(7):
        level = values(grid)
        at = int(level.argmin())
        grid = np.linspace(grid[max(at - 1, 0)], grid[min(at + 1, grid.size - 1)], 101)
    return float(level.min()) / 2


def check_lifting(d: Duality, x: float = 1.0) -> Verdict:
    """Compare the minima of both lifted forms at w = x with Ω(x).

    Parameters
    ----------
    d : Duality
        With a closed form of f and without free parameters; relative to its base.
    x : float
        The weight, x > 0.

    Returns
    -------
    Verdict
        *Checked* within 1e-10·(1 + |Ω|), or *refuted* with the weight and both values.

    Raises
    ------
    InputError
        As :func:`lifted_minimum`, or if f has no closed form.

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> check_lifting(derive(penalty="log(1+w)"), 2.0).status
    'checked'
    """
    expected = float(d.penalty_at(x))
    for name, form in (("Hadamard", hadamard_form(d)), ("additive", additive_form(d))):
        found = lifted_minimum(form, x)
        if not abs(found - expected) <= TOLERANCE * (1 + abs(expected)):
            witness = {"w": float(x), "value": found, "penalty": expected}
            return Verdict("refuted", f"the minimum of the {name} form differs from Ω", f"w = {x:g}", witness)
    return Verdict("checked", "both minima agree with Ω", f"w = {x:g}", detail=f"within {TOLERANCE:g}·(1 + |Ω|)")


def _dual(d: Duality) -> Any:
    if d.dual is None:
        raise InputError(shortened(str(d.eta_hat)), "the dual f has no closed form", "choose a penalty that has one")
    return d.dual
