"""`derive`: give one of Ω, η̂, α, f and get the other three, with every step tested and open steps shown."""

import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

from etatrick.errors import InputError, shortened
from etatrick.theory.budget import attempt
from etatrick.theory.duality import FORMS, Duality, Form, Step
from etatrick.theory.parameters import Parameter
from etatrick.theory.reading import Given, read, screen
from etatrick.theory.symbols import eta, lam, w
from etatrick.theory.tidying import closed_up, length, opened_up, rebuilt
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
    jump: Any = 0,
    gradient: Literal["detached", "differentiated"] = "detached",
    parameters: Iterable[Any] = (),
    time_limit: float = 10.0,
) -> Duality:
    """Derive the whole duality from one of its four forms.

    Parameters
    ----------
    penalty, eta_hat, alpha, dual : str or sympy.Expr
        Exactly one: Ω(w), η̂(w), α(w) or f(η), for w > 0 and η > 0. Strings follow the grammar of
        :func:`etatrick.theory.grammar.parse`. An α that does not mention λ is read at λ = 1.
    jump : str, sympy.Expr or number
        Ω(0+) − Ω(0) ≥ 0, for penalties such as κ·1{w ≠ 0}.
    gradient : {"detached", "differentiated"}
        What α means for training: with the noise scale detached, as in adaptive dropout, the expected gradient is
        Ω′ = w(1−α)/α; with gradients through α the expected loss gains Ω = ½w²(1−α)/α instead.
    parameters : iterable of str, Parameter or sympy.Symbol
        Free parameters in a string: names of positive ones, or :class:`Parameter` objects with other domains.
        Positive symbols of a sympy expression are found without being named.
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
    source = Given(given[0], forms[given[0]], jump, gradient)
    return _Derivation(*read(source, parameters), time.monotonic() + time_limit).run()


class _Derivation:
    """The derivation under way: which forms are known, which steps were taken, and the time left.

    It works in symbols that are all positive, and closes every result: a parameter p of a smaller domain is a
    function of such a symbol until the result is stated.
    """

    def __init__(self, given: Given, domains: tuple[Parameter, ...], notes: tuple[Step, ...], deadline: float) -> None:
        import sympy as sp

        self.given = given
        self.deadline = deadline
        self.domains = domains
        self.jump: Any = given.jump
        self.known: dict[Form, Any] = dict.fromkeys(FORMS)
        self.closed: dict[Form, Any] = dict.fromkeys(FORMS)
        self.base: Any = sp.Integer(0)
        self.steps = list(notes)
        opening = {p.symbol: p.opened[1] for p in domains}
        self.closing = {p.opened[0]: p.opened[2] for p in domains}
        self.opening = opening
        opened = opened_up(given.expression.subs(opening)) if opening else given.expression
        screen(given.form, opened, given.jump, self.closing)
        self._record(given.form, opened, "given", given.expression)

    def run(self) -> Duality:
        from etatrick.theory import forms

        known, given = self.known, self.given.form
        jump = self.jump.subs(self.opening)
        if given == "penalty":
            self._obtain("penalty", lambda: forms.normalised(known["penalty"], jump), "shifted so that Ω(0+) = jump"
                         if jump != 0 else "shifted so that Ω(0) = 0")  # fmt: skip
            self._obtain("eta_hat", lambda: forms.eta_hat_from_penalty(known["penalty"]), "η̂ = w/Ω′(w)")
            if known["eta_hat"] is None:  # out of time: the formula as it comes
                self._obtain("eta_hat", lambda: forms.over_slope(known["penalty"]), "η̂ = w/Ω′(w)", spare=1.0)
            self._find_base()
        elif given == "alpha":
            self._obtain("eta_hat", lambda: forms.eta_hat_from_alpha(known["alpha"]), "η̂ = λα/(1−α)")
            if known["eta_hat"] is None:
                self._obtain("eta_hat", lambda: forms.odds(known["alpha"]), "η̂ = λα/(1−α)", spare=1.0)
        elif given == "dual":
            self._obtain("eta_hat", lambda: forms.eta_hat_from_dual(known["dual"]), "w² = η²f′(η) solved for η")
            tabulated, _ = attempt(self.deadline - time.monotonic(), lambda: forms.is_tabulated(known["eta_hat"]))
            if known["eta_hat"] is not None and not tabulated:
                how = "Ω = ½(w²/η̂ + f(η̂))"
                self._obtain("penalty", lambda: forms.penalty_from_dual(known["dual"], known["eta_hat"]), how)
            self._normalise(jump)
            if known["penalty"] is not None:
                self._shorten(jump)
            self._find_base()
        if known["eta_hat"] is not None:
            if known["penalty"] is None:
                self._obtain("penalty", lambda: self._integrated(jump), "Ω(w) = ∫ t/η̂(t) dt")
                if known["penalty"] is None:
                    self.base = self._base_of_numbers()
            how = "α = η̂/(η̂+λ)"
            if given == "alpha":  # given at λ = 1: should time run out, no α for another λ may stay
                known["alpha"] = known["eta_hat"] / (known["eta_hat"] + lam)
                self.closed["alpha"] = self.closed["eta_hat"] / (self.closed["eta_hat"] + lam)
            self._obtain("alpha", lambda: forms.alpha_from_eta_hat(known["eta_hat"]), how)
            if known["dual"] is None and known["penalty"] is not None:
                self._obtain_dual()
        closed = self.closed
        free = {s for expr in closed.values() if expr is not None for s in expr.free_symbols} | self.jump.free_symbols
        free -= {w, eta, lam}
        return Duality(given, closed["penalty"], closed["eta_hat"], closed["dual"], closed["alpha"],
                       tuple(sorted(free, key=str)), self.base, tuple(self.steps),
                       tuple(p for p in self.domains if p.symbol in free), self.jump)  # fmt: skip

    def _normalise(self, jump: Any) -> None:
        """Shift f so that f(0+) = 2·jump, and Ω with it: an offset c of Ω is the offset 2c of f."""
        from etatrick.theory import forms

        penalty, dual = self.known["penalty"], self.known["dual"]

        def shift() -> tuple[Any, Any]:
            by = forms.offset(dual, eta) - 2 * jump if penalty is None else 2 * (forms.offset(penalty) - jump)
            return (None if penalty is None else forms.shifted(penalty, by / 2)), forms.shifted(dual, by)

        found, reason = attempt(self.deadline - time.monotonic(), shift)
        if found is None:
            verdict = Verdict("unknown", reason or "Ω(0+) is not known")
            self.steps.append(Step(LATEX["penalty"], "shift so that Ω(0) = 0: open", verdict))
            return
        shown: tuple[Form, Form] = ("penalty", "dual")
        for form, value in zip(shown, found, strict=True):
            if value is not None and value != self.known[form]:
                self._record(form, value, "shifted so that Ω(0) = 0, f by twice as much")

    def _obtain_dual(self) -> None:
        """Obtain f, unless η̂ decreases somewhere: then no dual reproduces Ω, and the step shows the place."""
        from etatrick.theory import forms
        from etatrick.theory.growth import prove_growth

        eta_hat, penalty = self.known["eta_hat"], self.known["penalty"]
        descends, _ = attempt((self.deadline - time.monotonic()) / 2, lambda: prove_growth(eta_hat))
        if descends is not None and descends.status == "refuted":
            self.steps.append(Step(LATEX["dual"], "η̂ decreases, so no dual f reproduces Ω", descends))
            return
        how = "f(η) = 2Ω(ŵ) − ŵ²/η with ŵ(η) = sup{w: η̂(w) ≤ η}"
        self._obtain("dual", lambda: forms.dual_from_penalty(penalty, eta_hat), how)

    def _shorten(self, jump: Any) -> None:
        """Prefer ∫ t/η̂(t) dt where it is written more shortly; both are the same up to the offset at 0."""
        from etatrick.theory import forms

        known = self.known["penalty"]
        found, _ = attempt(min(1.5, self.deadline - time.monotonic()),
                           lambda: forms.penalty_from_eta_hat(self.known["eta_hat"]))  # fmt: skip
        if found is not None and found[0] is not None and found[1] == 0 and known is not None:
            shorter = min(forms.shifted(found[0], -jump), known, key=length)
            if shorter != known:
                self.known["penalty"] = None
                self._record("penalty", shorter, "Ω(w) = ∫ t/η̂(t) dt")

    def _integrated(self, jump: Any) -> Any:
        from etatrick.theory import forms

        penalty, self.base = forms.penalty_from_eta_hat(self.known["eta_hat"])
        return None if penalty is None else forms.shifted(penalty, -jump)

    def _base_of_numbers(self) -> Any:
        """Return the point from which Ω is integrated numerically: 0, or 1 where ∫ t/η̂ diverges at 0."""
        import sympy as sp

        from etatrick.theory.quadrature import diverges

        found, _ = attempt(1.0, lambda: diverges(self.known["eta_hat"]))
        return sp.Integer(1) if found else sp.Integer(0)

    def _find_base(self) -> None:
        """Where Ω(0+) = −∞, find the point at which Ω is 0."""
        import sympy as sp

        from etatrick.theory.limits import limit_at
        from etatrick.theory.pieces import formula_near, pieces

        penalty = self.known["penalty"]
        if penalty is None or not penalty.has(sp.log) or self.jump != 0:
            return

        def zero() -> Any:
            near = formula_near(penalty, 0)
            if limit_at(near, w, 0) != -sp.oo:
                return None
            edges = [part.upper for part in (pieces(penalty) or ())[:-1]]
            found = [edge for edge in edges if sp.expand_log(near.subs(w, edge)).expand() == 0]
            roots = found or [root for root in sp.solve(near, w) if root.is_positive]
            return roots[0] if len(roots) == 1 else None

        found, _ = attempt(min(3.0, self.deadline - time.monotonic()), zero)
        if found is not None:
            self.base = found.subs(self.closing)

    def _obtain(self, form: Form, compute: Callable[[], Any], how: str, spare: float = 0.0) -> None:
        """Compute one form within the time left (at least `spare`) and record the step, open or done."""
        import sympy as sp

        found, reason = attempt(max(self.deadline - time.monotonic(), spare), compute)
        if found is None or found.has(sp.zoo, sp.nan):
            verdict = Verdict("unknown", reason or "no closed form found", detail=how)
            self.steps.append(Step(LATEX[form], f"{how}: open ({verdict.method}); numbers stay available", verdict))
        elif found != self.known[form]:
            self._record(form, found, how)

    def _record(self, form: Form, opened: Any, how: str, closed: Any | None = None) -> None:
        """Keep a form, in the symbols of the proofs and in those of the user, and the step that led to it."""
        import sympy as sp

        if closed is None:
            closed = closed_up(opened.subs(self.closing)) if self.closing.keys() & opened.free_symbols else opened
        self.known[form], self.closed[form] = opened, rebuilt(closed)
        self.steps.append(Step(f"{LATEX[form]} = {sp.latex(closed)}", how))
