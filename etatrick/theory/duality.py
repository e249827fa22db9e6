"""The four forms of a duality: the penalty Ω, the weight rule η̂, the dual f and the retain probability α."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, final

from etatrick.theory.parameters import Parameter, find
from etatrick.theory.symbols import w
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from etatrick.theory.curves import Parametric
    from etatrick.theory.enclosures import Enclosure

Form = Literal["penalty", "eta_hat", "dual", "alpha"]
FORMS: Final[tuple[Form, ...]] = ("penalty", "eta_hat", "dual", "alpha")


@final
@dataclass(frozen=True)
class Step:
    """One step of a derivation: what was obtained (LaTeX), from what, and how it was verified (None if open)."""

    latex: str
    reason: str
    verdict: Verdict | None = None


@final
@dataclass(frozen=True)
class Duality:
    r"""A penalty and its adaptive dropout rule, tied by the η-trick.

    .. math:: \Omega(w) = \tfrac12 \min_{\eta \ge 0} \big[ w^2/\eta + f(\eta) \big], \qquad
              \hat\eta(w) = w/\Omega'(w), \qquad \alpha(w) = \hat\eta(w)/(\hat\eta(w)+\lambda)

    (LeJeune, Javadi, Baraniuk 2021). Formulas are for w > 0; every penalty is even. Make one with
    :func:`etatrick.theory.derive`.

    Parameters
    ----------
    given : {"penalty", "eta_hat", "dual", "alpha"}
        The form from which the others were derived.
    penalty, eta_hat, dual, alpha : sympy.Expr or None
        Ω(w), η̂(w), f(η) and α(w) for λ = ``lam``; None where no closed form was found.
    parameters : tuple of sympy.Symbol
        Free positive parameters.
    base : sympy.Expr
        The point at which Ω is 0: 0 wherever that limit is finite.
    domains : tuple of Parameter
        The domains of those parameters that do not range over all positive numbers.
    jump : sympy.Expr
        Ω(0+) − Ω(0); the formula of Ω for w > 0 includes it.
    steps : tuple of Step
        The derivation.

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> d = derive(eta_hat="w*(w+2)")
    >>> d.penalty
    log(w/2 + 1)
    >>> float(d.penalty_at(2.0).round(6))
    0.693147
    """

    given: Form
    penalty: Any
    eta_hat: Any
    dual: Any
    alpha: Any
    parameters: tuple[Any, ...] = ()
    base: Any = 0
    steps: tuple[Step, ...] = ()
    domains: tuple[Parameter, ...] = ()
    jump: Any = 0

    @property
    def opened(self) -> "Duality":
        """The same duality in symbols that range over all positive numbers, in which the proofs are made."""
        return _opened(self) if self.domains else self

    @property
    def slope(self) -> Any:
        """Ω′(w) = w/η̂(w) as a sympy expression, or None."""
        import sympy as sp

        if self.eta_hat is not None:
            return _slope(self.eta_hat)
        return None if self.penalty is None else sp.simplify(sp.diff(self.penalty, w))

    @property
    def parametric(self) -> "Parametric | None":
        """w, η̂, Ω and f along a curve: closed even where inverting η̂ (transformed ℓ1) or f′ (VarDrop) is not.

        Examples
        --------
        >>> from etatrick.theory import derive
        >>> derive(penalty="atan(w)").parametric.dual
        -w/(w**2 + 1) + 2*atan(w)
        """
        from etatrick.theory.curves import parametric_of

        return parametric_of(self)

    @property
    def conditions(self) -> Mapping[str, Verdict]:
        """Verdicts by name: "subquadratic", "monotone", "canonical", "convex", "exact_zeros", … ."""
        from etatrick.theory.conditions import Conditions

        return Conditions(self)

    @property
    def identities(self) -> Mapping[str, Verdict]:
        """Verdicts on the identities that tie the four forms: "slope", "envelope", "stationarity", "gauge"."""
        from etatrick.theory.identities import identities

        return identities(self)

    def at(self, **values: float) -> "Duality":
        """Return the duality with parameters replaced by numbers.

        Parameters
        ----------
        **values : float
            One value per parameter, by name.

        Returns
        -------
        Duality

        Raises
        ------
        InputError
            If a name is no parameter of this duality or a value is outside its domain.

        Examples
        --------
        >>> from etatrick.theory import derive
        >>> derive(eta_hat="w*(w+epsilon)", parameters=["epsilon"]).at(epsilon=2).alpha
        w*(w + 2)/(lambda + w**2 + 2*w)
        """
        known = {p.name: p for p in self.domains}
        table = {
            find(name, self.parameters): known.get(name, Parameter(name)).exact(value) for name, value in values.items()
        }
        changed = {name: _substitute(getattr(self, name), table) for name in (*FORMS, "base", "jump")}
        left = tuple(p for p in self.parameters if p not in table)
        domains = tuple(p for p in self.domains if p.symbol not in table)
        found = replace(self, **changed, parameters=left, domains=domains)
        return _derived_again(found) if any(_is_lost(changed[form]) for form in FORMS) else found

    def penalty_at(self, x: "ArrayLike") -> "NDArray[np.float64]":
        """Return Ω(|x|), elementwise: from the closed form, or by quadrature of w/η̂(w)."""
        from etatrick.theory import numbers

        return numbers.penalty_at(self, x)

    def eta_hat_at(self, x: "ArrayLike") -> "NDArray[np.float64]":
        """Return η̂(|x|), elementwise: from the closed form, or by inverting w² = η²f′(η)."""
        from etatrick.theory import numbers

        return numbers.eta_hat_at(self, x)

    def dual_at(self, e: "ArrayLike") -> "NDArray[np.float64]":
        """Return f(e) for η = e > 0, elementwise: from the closed form, or from f(η̂(w)) = 2Ω(w) − wΩ′(w)."""
        from etatrick.theory import numbers

        return numbers.dual_at(self, e)

    def alpha_at(self, x: "ArrayLike", lam: float) -> "NDArray[np.float64]":
        """Return the retain probability α(|x|) = η̂/(η̂+λ), elementwise, for λ = `lam`."""
        from etatrick.theory import numbers

        return numbers.alpha_at(self, x, lam)

    def enclose(self, form: Form, x: float) -> "Enclosure":
        """Return floats that rigorously enclose Ω(x), η̂(x) or f(x); see :func:`etatrick.theory.enclosures.enclose`."""
        from etatrick.theory.enclosures import enclose

        return enclose(self, form, x)

    def plot(self, *, reach: float = 4.0, lam: float = 1.0, step: float = 1.0) -> "Figure":
        """Draw Ω, Ω′, η̂, α, f and the proximal map; see :func:`etatrick.theory.display.plot`."""
        from etatrick.theory.display import plot

        return plot(self, reach=reach, lam=lam, step=step)

    def certificates(self) -> Mapping[str, Any]:
        """Return all forms, verdicts and their arguments as data; see :mod:`etatrick.theory.certificates`."""
        from etatrick.theory.certificates import certificates

        return certificates(self)

    def latex(self) -> str:
        """Return the four forms as one LaTeX ``aligned`` environment."""
        import sympy as sp

        heads = {
            "penalty": r"\Omega(w)",
            "eta_hat": r"\hat\eta(w)",
            "dual": r"f(\eta)",
            "alpha": r"\alpha(w)",
        }
        bodies = {
            form: r"\text{no closed form}" if (expr := getattr(self, form)) is None else sp.latex(expr)
            for form in heads
        }
        rows = [f"{head} &= {bodies[form]}" for form, head in heads.items()]
        return r"\begin{aligned}" + r" \\ ".join(rows) + r"\end{aligned}"

    def _repr_latex_(self) -> str | None:
        try:
            return f"$\\displaystyle {self.latex()}$"
        except Exception:  # a display hook must never raise
            return None


@lru_cache(maxsize=512)
def _slope(eta_hat: Any) -> Any:
    from etatrick.theory.integrals import slope_of

    return slope_of(eta_hat)


@lru_cache(maxsize=512)
def _opened(duality: Duality) -> Duality:
    table = {p.symbol: p.opened[1] for p in duality.domains}
    changed = {name: _tidied(getattr(duality, name), table) for name in (*FORMS, "base", "jump")}
    symbols = (*(s for s in duality.parameters if s not in table), *(p.opened[0] for p in duality.domains))
    return replace(duality, **changed, parameters=symbols, domains=())


def _is_lost(expr: Any) -> bool:
    import sympy as sp

    return isinstance(expr, sp.Basic) and expr.has(sp.nan, sp.zoo)


def _derived_again(duality: Duality) -> Duality:
    """Derive afresh at the closed end of a domain, where the formulas of the interior divide by 0."""
    from etatrick.theory.derivation import derive

    form: dict[str, Any] = {duality.given: getattr(duality, duality.given)}
    return derive(**form, jump=duality.jump, parameters=duality.domains)


def _tidied(expr: Any, table: Mapping[Any, Any]) -> Any:
    from etatrick.theory.tidying import opened_up

    found = _substitute(expr, table)
    return found if found is expr or expr is None else opened_up(found)


def _substitute(expr: Any, table: Mapping[Any, Any]) -> Any:
    return expr.subs(table) if hasattr(expr, "subs") else expr


__all__ = ["FORMS", "Duality", "Form", "Step"]
