"""`derive`: give one of Ω, η̂, α, f and get the other three, with every step tested and open steps shown."""

import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from etatrick.errors import InputError, shortened
from etatrick.theory.budget import attempt
from etatrick.theory.duality import FORMS, Duality, Form, Step
from etatrick.theory.symbols import eta, lam, parameter, w
from etatrick.theory.verdict import Verdict

LATEX: Final[dict[Form, str]] = {
    "penalty": r"\Omega(w)",
    "eta_hat": r"\hat\eta(w)",
    "dual": r"f(\eta)",
    "alpha": r"\alpha(w)",
}


def derive(
    *positional: Any,
    penalty: Any = None,
    eta_hat: Any = None,
    alpha: Any = None,
    dual: Any = None,
    parameters: Iterable[Any] = (),
    time_limit: float = 10.0,
) -> Duality:
    """Derive the whole duality from one of its four forms.

    Parameters
    ----------
    penalty, eta_hat, alpha, dual : str or sympy.Expr
        Exactly one: Ω(w), η̂(w), α(w) or f(η), for w > 0 and η > 0. Strings follow the grammar of
        :func:`etatrick.theory.grammar.parse`. An α that does not mention λ is read at λ = 1.
    parameters : iterable of str or sympy.Symbol
        Names of free parameters in a string, all positive. Positive symbols of a sympy expression are
        found without being named.
    time_limit : float
        Seconds for the whole derivation; past it the forms still missing are None and a step says so.

    Returns
    -------
    Duality
        Ω = ∫₀ʷ t/η̂(t) dt, η̂ = w/Ω′, f(η) = 2Ω(ŵ) − ŵ²/η with ŵ = η̂⁻¹, α = η̂/(η̂+λ)
        (LeJeune, Javadi, Baraniuk 2021).

    Raises
    ------
    InputError
        If not exactly one form is given, the expression is not mathematics in the declared symbols, the
        rule is not positive, the penalty decreases, or α leaves [0, 1].

    Examples
    --------
    >>> derive(eta_hat="w*(w+2)").penalty
    log(w/2 + 1)
    >>> derive(alpha="w/(w+1)").penalty
    w
    >>> derive(penalty="log(1+w/epsilon)", parameters=["epsilon"]).eta_hat
    w*(epsilon + w)
    """
    if positional:
        shown = shortened(repr(positional[0]))
        raise InputError(shown, "which form it is must be named", f"write e.g. derive(penalty={shown})")
    forms: dict[Form, Any] = {"penalty": penalty, "eta_hat": eta_hat, "dual": dual, "alpha": alpha}
    given = [form for form in FORMS if forms[form] is not None]
    if len(given) != 1:
        named = ", ".join(given) or "nothing"
        raise InputError(named, "exactly one of penalty, eta_hat, alpha, dual is needed", "pass one of them")
    if not time_limit > 0:
        raise InputError(f"time_limit = {time_limit}", "the limit must be > 0 seconds", "leave it at 10")
    form = given[0]
    expr = _read(form, forms[form], parameters)
    _screen(form, expr)
    return _Derivation(form, expr, time.monotonic() + time_limit).run()


def _read(form: Form, source: Any, parameters: Iterable[Any]) -> Any:
    """Turn a string or sympy expression into an expression in the allowed symbols."""
    import sympy as sp

    from etatrick.theory.grammar import parse

    if isinstance(parameters, str):
        shown = repr(shortened(parameters))
        raise InputError(f"parameters={shown}", "parameters must be a list of names", f"write [{shown}]")
    variable = eta if form == "dual" else w
    declared = [parameter(p) if isinstance(p, str) else p for p in parameters]
    if isinstance(source, str):
        expr = parse(source, variable=variable, parameters=declared)
    elif isinstance(source, sp.Expr | int | float) and not isinstance(source, bool):
        expr = source if isinstance(source, sp.Expr) else sp.Rational(repr(source))
    else:
        raise InputError(repr(source), f"{form} must be a string or a sympy expression", 'write e.g. "w*(w+2)"')
    for symbol in sorted(expr.free_symbols, key=str):
        if symbol == (w if form == "dual" else eta):
            raise InputError(str(symbol), f"{form} is a function of {variable}", f"write it in {variable}")
        if not symbol.is_positive:
            remedy = f'use sympy.Symbol("{symbol}", positive=True) or the symbols of etatrick.theory'
            raise InputError(str(symbol), "every symbol must be declared positive", remedy)
    expr = expr.xreplace({number: sp.Rational(str(number)) for number in expr.atoms(sp.Float)})
    return _in_pieces(expr) if form == "penalty" and expr.has(sp.Min, sp.Max) else expr


def _in_pieces(expr: Any) -> Any:
    """Write Min and Max as pieces where the break points are explicit."""
    import sympy as sp

    from etatrick.theory.pieces import pieces

    found, _ = attempt(2.0, lambda: pieces(expr))
    if found is None or len(found) < 2:
        return expr
    return sp.Piecewise(*((part.formula, True if part.upper == sp.oo else w <= part.upper) for part in found))


def _screen(form: Form, expr: Any) -> None:
    """Reject rules that are no rule: negative or complex values, decreasing penalties, α outside [0, 1]."""
    import sympy as sp

    from etatrick.theory.balls import value_at
    from etatrick.theory.signs import is_exact_zero, points

    tested, rule = {
        "penalty": (sp.diff(expr, w), "a penalty must not decrease in w"),
        "eta_hat": (expr, "η̂ must be positive"),
        "alpha": (expr, "a retain probability lies in [0, 1]"),
        "dual": (sp.diff(expr, eta), "f must not decrease in η"),
    }[form]
    if expr.has(sp.I):
        raise InputError(shortened(str(expr)), f"{form} must be real for positive symbols", "check its domain")
    if expr.has(sp.oo, sp.zoo, sp.nan) and form != "dual":
        raise InputError(shortened(str(expr)), f"{form} must be finite", "check its domain")
    if tested == 0 or (form == "alpha" and tested == 1):
        remedy = {"penalty": "Ω must grow", "dual": "f must grow", "alpha": "α must lie in (0, 1)"}
        raise InputError(f"{form} = {shortened(str(expr))}", remedy.get(form, "η̂ must be positive"),
                         "correct the expression")  # fmt: skip
    strict = form in ("eta_hat", "alpha")
    for point in points(tested):
        value = value_at(tested, point)
        if value is None:
            continue
        if value < 0 or (form == "alpha" and value > 1) or (strict and is_exact_zero(tested, point, value)):
            where = ", ".join(f"{s}={float(v):g}" for s, v in point.items())
            raise InputError(f"{form} = {shortened(str(expr))}", f"{rule}, yet at {where} it gives {float(value):.4g}",
                             "correct the expression")  # fmt: skip


class _Derivation:
    """The derivation under way: which forms are known, which steps were taken, and the time left."""

    def __init__(self, given: Form, expr: Any, deadline: float) -> None:
        self.given: Form = given
        self.deadline = deadline
        self.known: dict[Form, Any] = dict.fromkeys(FORMS)
        self.known[given] = expr
        self.base: Any = 0
        self.steps = [self._step(given, "given")]

    def run(self) -> Duality:
        from etatrick.theory import forms

        known = self.known
        if self.given == "penalty":
            self._obtain("penalty", lambda: forms.normalised(known["penalty"]), "shifted so that Ω(0) = 0")
            self._obtain("eta_hat", lambda: forms.eta_hat_from_penalty(known["penalty"]), "η̂ = w/Ω′(w)")
        elif self.given == "alpha":
            self._obtain("eta_hat", lambda: forms.eta_hat_from_alpha(known["alpha"]), "η̂ = λα/(1−α)")
        elif self.given == "dual":
            self._obtain("eta_hat", lambda: forms.eta_hat_from_dual(known["dual"]), "w² = η²f′(η) solved for η")
            if known["eta_hat"] is not None:
                how = "Ω = ½(w²/η̂ + f(η̂))"
                self._obtain("penalty", lambda: forms.penalty_from_dual(known["dual"], known["eta_hat"]), how)
                self._normalise()
        if known["eta_hat"] is not None:
            if known["penalty"] is None:
                self._obtain("penalty", self._integrated, "Ω(w) = ∫ t/η̂(t) dt")
            how = "α = η̂/(η̂+λ)"
            if self.given == "alpha":  # given at λ = 1: should time run out, no α for another λ may stay
                known["alpha"] = known["eta_hat"] / (known["eta_hat"] + lam)
            self._obtain("alpha", lambda: forms.alpha_from_eta_hat(known["eta_hat"]), how)
            if known["dual"] is None and known["penalty"] is not None:
                self._obtain_dual()
        free = {s for expr in known.values() if expr is not None for s in expr.free_symbols} - {w, eta, lam}
        return Duality(self.given, known["penalty"], known["eta_hat"], known["dual"], known["alpha"],
                       tuple(sorted(free, key=str)), self.base, tuple(self.steps))  # fmt: skip

    def _normalise(self) -> None:
        """Shift Ω so that Ω(0) = 0; an offset c of Ω is the offset 2c of f."""
        from etatrick.theory import forms

        penalty, dual = self.known["penalty"], self.known["dual"]
        if penalty is None:
            return

        def shift() -> tuple[Any, Any]:
            by = forms.offset(penalty)
            return (forms.shifted(penalty, by), forms.shifted(dual, 2 * by)) if by != 0 else (penalty, dual)

        found, reason = attempt(self.deadline - time.monotonic(), shift)
        if found is None:
            verdict = Verdict("unknown", reason or "Ω(0+) is not known")
            self.steps.append(Step(LATEX["penalty"], "shift so that Ω(0) = 0: open", verdict))
            return
        shown: tuple[Form, Form] = ("penalty", "dual")
        for form, value in zip(shown, found, strict=True):
            if value != self.known[form]:
                self.known[form] = value
                self.steps.append(self._step(form, "shifted so that Ω(0) = 0, f by twice as much"))

    def _obtain_dual(self) -> None:
        """Obtain f, unless η̂ decreases somewhere: then no dual reproduces Ω, and the step shows the place."""
        from etatrick.theory import forms
        from etatrick.theory.pieces import prove_growth

        eta_hat, penalty = self.known["eta_hat"], self.known["penalty"]
        monotone, _ = attempt(self.deadline - time.monotonic(), lambda: prove_growth(eta_hat))
        if monotone is not None and monotone.status == "refuted":
            self.steps.append(Step(LATEX["dual"], "η̂ decreases, so no dual f reproduces Ω", monotone))
            return
        how = "f(η) = 2Ω(ŵ) − ŵ²/η with η̂(ŵ) = η"
        self._obtain("dual", lambda: forms.dual_from_penalty(penalty, eta_hat), how)

    def _integrated(self) -> Any:
        from etatrick.theory import forms

        penalty, self.base = forms.penalty_from_eta_hat(self.known["eta_hat"])
        return penalty

    def _obtain(self, form: Form, compute: Callable[[], Any], how: str) -> None:
        """Compute one form within the time left and record the step, open or done."""
        import sympy as sp

        found, reason = attempt(self.deadline - time.monotonic(), compute)
        if found is None or found.has(sp.zoo, sp.nan):
            verdict = Verdict("unknown", reason or "no closed form found", detail=how)
            self.steps.append(Step(LATEX[form], f"{how}: open ({verdict.method}); numbers stay available", verdict))
        elif found != self.known[form]:
            self.known[form] = found
            self.steps.append(self._step(form, how))

    def _step(self, form: Form, how: str) -> Step:
        import sympy as sp

        return Step(f"{LATEX[form]} = {sp.latex(self.known[form])}", how)
