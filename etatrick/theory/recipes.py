"""Noise on weights, and the two penalties it imposes: differentiated through, or detached."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, final

import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.budget import attempt
from etatrick.theory.calculus.constants import constant
from etatrick.theory.derivation import derive
from etatrick.theory.duality import Duality, Step
from etatrick.theory.factoring import factored
from etatrick.theory.grammar import parse
from etatrick.theory.parameters import Parameter
from etatrick.theory.symbols import eta, lam, parameter, w

SECONDS: Final = 2.0  # for one limit or one simplification
DERIVATION: Final = 3.0  # for one duality; dual_at goes without a closed form of f


@final
@dataclass(frozen=True)
class Noise:
    r"""Unbiased noise on a weight: :math:`\tilde w = w + \sqrt{V(w)}\,\epsilon`, E ε = 0, Var ε = 1.

    With independent noise on the coordinates and unit-norm columns the expected squared loss is exactly
    :math:`\tfrac12\|y-Xw\|^2 + \tfrac12\sum_j V(w_j)`. Which penalty is minimised depends on the gradient:

    * differentiated through the noise scale, :math:`\Omega = V/2`;
    * with the relative noise :math:`\tilde w/w` held fixed (detached), :math:`\Omega' = V/w`.

    The two agree only for a quadratic V. Here λ = 1; columns of norm s multiply V by s².

    Parameters
    ----------
    variance : str or sympy.Expr
        V(w) = Var(w̃) for w > 0; strings follow the grammar of :func:`etatrick.theory.grammar.parse`.
    parameters : iterable of str or sympy.Symbol
        Free positive parameters of a string; those of an expression are found without being named.

    Raises
    ------
    InputError
        If the variance is no expression in w and positive parameters, or is zero or negative somewhere.

    Examples
    --------
    >>> noise = Noise("w**(3/2)")
    >>> noise.differentiated.penalty, noise.detached.penalty, noise.ratio
    (w**(3/2)/2, 2*w**(3/2)/3, 4/3)
    """

    variance: Any
    parameters: Sequence[Any] = ()

    def __post_init__(self) -> None:
        declared = [parameter(p) if isinstance(p, str) else p for p in _listed(self.parameters)]
        expr = (
            parse(self.variance, variable=w, parameters=declared) if isinstance(self.variance, str) else self.variance
        )
        if isinstance(expr, int | float) and not isinstance(expr, bool):
            expr = sp.Rational(repr(expr))
        if not isinstance(expr, sp.Expr):
            raise InputError(repr(expr), "a variance is a string or a sympy expression", 'write e.g. "w**(3/2)"')
        if expr.has(lam, eta):
            raise InputError(str(expr), "a variance is a function of w and parameters, at λ = 1", "put λ = 1")
        expr = expr.xreplace({number: sp.Rational(str(number)) for number in expr.atoms(sp.Float)})
        _screen(expr)
        object.__setattr__(self, "variance", expr)
        object.__setattr__(self, "parameters", tuple(sorted(expr.free_symbols - {w}, key=str)))

    @cached_property
    def differentiated(self) -> Duality:
        """The duality of Ω = V/2, with its jump at 0: what gradients through the noise scale minimise.

        Raises
        ------
        InputError
            If V decreases somewhere: no dropout rule imposes such a penalty.
        """
        jump = self.jump if self.jump is not None and self.jump.is_finite else 0
        try:
            d = derive(penalty=self.variance / 2, jump=jump, time_limit=DERIVATION)
        except InputError as refusal:
            rule = f"differentiated noise charges V/2, which is no penalty: {self._fall() or refusal.rule}"
            raise InputError(f"V = {self.variance}", rule, "detach the noise") from refusal
        how = "differentiated noise: the expected loss charges V/2"
        if jump != 0:
            how += f"; V/2 tends to {jump} at 0+ and is 0 at 0, a jump that no gradient sees"
        return _noted(d, rf"\Omega(w) = \tfrac12 \left({sp.latex(self.variance)}\right)", how)

    @cached_property
    def detached(self) -> Duality:
        """The duality of Ω′ = V/w: what gradients minimise that take w̃/w as a constant.

        Where V/w is not integrable at 0 (Shakeout), Ω is a logarithmic barrier: −∞ at 0, and given from a base ≠ 0.
        """
        d = derive(eta_hat=w**2 / self.variance, time_limit=DERIVATION)
        how = "detached noise: the expected gradient charges V/w"
        if d.base != 0:
            how += (
                f"; V/w is not integrable at 0, so Ω(0+) = −∞ attracts every weight, and Ω is given from w = {d.base}"
            )
        return _noted(d, rf"\Omega'(w) = {sp.latex(self.variance / w)}", how)

    @property
    def degree(self) -> Any | None:
        """The q for which V(w) = w^q·V(1), or None."""
        rate = attempt(SECONDS, lambda: sp.simplify(w * sp.diff(self.variance, w) / self.variance))[0]
        return None if rate is None or rate.has(w, sp.Piecewise) else rate

    @property
    def ratio(self) -> Any | None:
        """Ω detached over Ω differentiated where that is constant: 2/q for degree q > 0, otherwise None."""
        degree = self.degree
        return 2 / degree if degree is not None and degree.is_positive else None

    @property
    def jump(self) -> Any:
        """The limit of V/2 at 0+, where the differentiated penalty jumps from 0; None if it was not found."""
        return attempt(SECONDS, lambda: sp.limit(self.variance / 2, w, 0, "+"))[0]

    @property
    def retain(self) -> Any:
        """The scaled Bernoulli mask of the same variance: it keeps w with probability w²/(w²+V)."""
        return factored(w**2 / (w**2 + self.variance))

    def _fall(self) -> str:
        """Say between which weights V falls steeply, if it does on a grid (parameters at 1)."""
        import numpy as np

        grid = np.geomspace(1e-2, 20, 101)
        variance = self.variance.subs(dict.fromkeys(self.parameters, 1))
        with np.errstate(all="ignore"):
            values = sp.lambdify(w, variance, ["scipy", "numpy"])(grid) * np.ones_like(grid)
        steps = np.nan_to_num(np.diff(values), nan=0.0)
        at = int(np.argmin(steps))
        ends = f"from {values[at]:.4g} at w = {grid[at]:.4g} to {values[at + 1]:.4g} at w = {grid[at + 1]:.4g}"
        return f"it decreases, {ends}" if steps[at] < 0 else ""

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle \operatorname{{Var}}\tilde w = {sp.latex(self.variance)}$"


def bridgeout(q: Any, retain: Any) -> Noise:
    r"""Return w̃ = w + |w|^{q/2}(r/p − 1), r ~ Bern(p): variance :math:`\frac{1-p}{p} w^q` (Khan, Shah, Stavness 2018).

    Parameters
    ----------
    q : number or sympy.Expr
        Positive.
    retain : number or sympy.Expr
        p in (0, 1); as an expression it must lie there, such as ``1/(1+c)``.

    Returns
    -------
    Noise

    Raises
    ------
    InputError
        If a value is outside its domain.

    Examples
    --------
    >>> bridgeout(q=1, retain=0.5).detached.penalty
    w
    """
    return Noise(_odds("retain", retain) * w ** constant(Parameter("q"), q))


def sparseout(q: Any, retain: Any) -> Noise:
    r"""Return ã = a + |a|^{q/2}(r/p − 1) on activations a, written w here (Khan, Stavness 2019).

    The variance is :math:`\frac{1-p}{p} w^q`, as for :func:`bridgeout`, with the same parameters; it is multiplied by
    the squared norm of the weights that leave the unit. The paper differentiates the noise, its released code
    detached it: a penalty 2/q times as large.

    Examples
    --------
    >>> sparseout(q=4, retain=0.5).ratio
    1/2
    """
    return bridgeout(q, retain)


def shakeout(c: Any, drop: Any) -> Noise:
    r"""Return w̃ = −c·sgn w with probability τ, otherwise (w + cτ·sgn w)/(1−τ) (Kang, Li, Tao 2016).

    The variance is :math:`\frac{\tau}{1-\tau}(w+c)^2` for w > 0 and 0 at w = 0: the differentiated penalty is
    ℓ2 + ℓ1 + ℓ0, and the ℓ0 part, :attr:`Noise.jump`, has no gradient. Detached it is a logarithmic barrier, −∞ at 0.

    Parameters
    ----------
    c : number or sympy.Expr
        Strength, positive.
    drop : number or sympy.Expr
        τ in (0, 1).

    Returns
    -------
    Noise

    Raises
    ------
    InputError
        If a value is outside its domain.

    Examples
    --------
    >>> noise = shakeout(c=2, drop=0.5)
    >>> noise.jump, noise.differentiated.eta_hat
    (2, w/(w + 2))
    """
    return Noise(1 / _odds("drop", drop) * (w + constant(Parameter("c", meaning="strength"), c)) ** 2)


def mask(alpha: Any, parameters: Iterable[Any] = ()) -> Noise:
    r"""Return the scaled Bernoulli mask that keeps w with probability α(w): variance :math:`w^2(1-\alpha)/\alpha`.

    Parameters
    ----------
    alpha : str, number or sympy.Expr
        The retain probability, in (0, 1), as a function of w.
    parameters : iterable of str or sympy.Symbol
        Free positive parameters of a string.

    Returns
    -------
    Noise

    Raises
    ------
    InputError
        If α leaves (0, 1) or mentions λ.

    Examples
    --------
    >>> mask("w/(1+w)").detached.penalty, mask("w/(1+w)").ratio
    (w, 2)
    """
    if isinstance(alpha, str):
        symbols = [parameter(p) if isinstance(p, str) else p for p in _listed(parameters)]
        alpha = parse(alpha, variable=w, parameters=symbols)
    expr = alpha if isinstance(alpha, sp.Expr) and alpha.free_symbols else Parameter("alpha", 0, 1).exact(alpha)
    if expr.has(lam, eta):
        raise InputError(str(expr), "α is a function of w and parameters, at λ = 1", "put λ = 1")
    try:
        return Noise(factored(w**2 * (1 - expr) / expr))
    except InputError as refusal:
        raise InputError(f"alpha = {alpha}", "α must lie in (0, 1)", refusal.remedy) from refusal


def _odds(name: str, value: Any) -> Any:
    """Return (1 − p)/p for a probability p in (0, 1)."""
    p = constant(Parameter(name, 0, 1), value)
    odds = sp.cancel((1 - p) / p)
    if not odds.is_positive:
        remedy = f"write {name}=1/(1+c) with a positive symbol c"
        raise InputError(f"{name} = {p}", f"0 < {name} < 1 must be visible", remedy)
    return odds


def _screen(variance: Any) -> None:
    """Refuse what is not positive: symbols, pieces that are 0, and values on a grid for some parameter values."""
    import numpy as np

    for symbol in sorted(variance.free_symbols, key=str):
        if not symbol.is_positive:
            raise InputError(str(symbol), "every symbol must be declared positive", "use etatrick.theory.parameter")
    remedy = "correct the formula"
    if 0 in (variance, *(piece for node in variance.atoms(sp.Piecewise) for piece, _ in node.args)):
        raise InputError(f"V = {variance}", "a variance must be positive for w > 0", remedy)
    grid = np.geomspace(1e-4, 20, 401)
    for k in range(4):
        table = {s: sp.Rational(2 + 3 * k + j, 5) for j, s in enumerate(sorted(variance.free_symbols - {w}, key=str))}
        with np.errstate(all="ignore"):
            found = sp.lambdify(w, variance.subs(table), ["scipy", "numpy"])(grid) * np.ones_like(grid)
        bad = np.iscomplex(found) | ~(np.real(found) >= 0)
        if bad.any():
            where = float(grid[int(bad.argmax())])
            raise InputError(
                f"V = {variance}", f"a variance must be positive, yet at w = {where:.4g} it is not", remedy
            )


def _listed(names: Any) -> Iterable[Any]:
    if isinstance(names, str):
        raise InputError(f"parameters={names!r}", "parameters must be a list of names", f"write [{names!r}]")
    return tuple(names)


def _noted(d: Duality, latex: str, how: str) -> Duality:
    return replace(d, steps=(Step(latex, how), *d.steps))
