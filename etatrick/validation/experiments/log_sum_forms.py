"""Derived: the log-sum duality from three starting points, with its identities and conditions proved."""

from typing import Any, Final

import numpy as np
import sympy as sp

from etatrick.theory import derive, eta, w
from etatrick.theory.conditions import MEANINGS
from etatrick.theory.duality import FORMS, Duality
from etatrick.theory.identities import STATEMENTS
from etatrick.theory.numbers import compiled
from etatrick.theory.verdict import Verdict
from etatrick.theory.zeros import prove_zero
from etatrick.validation.claim import Results, Setting
from etatrick.validation.evidence import Finding, Formula, Picture, Table

REQUIRED: Final = ("subquadratic", "monotone", "canonical", "exact_zeros")
STARTS: Final = {
    "eta_hat": "w*(w + epsilon)",
    "penalty": "log(1 + w/epsilon)",
    "dual": "2*log((sqrt(epsilon**2 + 4*eta) + epsilon)/2) - 2*log(epsilon)"
    " - (sqrt(epsilon**2 + 4*eta) - epsilon)/(sqrt(epsilon**2 + 4*eta) + epsilon)",
}
SYMBOLS: Final = {"penalty": r"\Omega", "eta_hat": r"\hat\eta", "dual": "f", "alpha": r"\alpha"}
DRAWS: Final = 200
TOLERANCE: Final = 1e-10  # relative, for the independent minimisation over η
SHOWN: Final = {"epsilon": 2.0, "lam": 1.0}


def derive_forms(setting: Setting) -> dict[str, Any]:
    """Derive from each start with ε symbolic; compare the results, and minimise over η independently."""
    derived: dict[str, Duality] = {}
    for index, (form, text) in enumerate(STARTS.items()):
        given: dict[str, Any] = {form: text}
        derived[form] = derive(**given, parameters=["epsilon"])
        setting.progress((index + 1) / 4)
    first = derived["eta_hat"]
    same = {
        f"{start}: {form}": prove_zero(getattr(first, form) - getattr(other, form)).to_json()
        for start, other in derived.items()
        if start != "eta_hat"
        for form in FORMS
    }
    return {
        "forms": {form: sp.latex(getattr(first, form)) for form in FORMS},
        "steps": [[step.latex, step.reason] for step in first.steps],
        "identities": {start: _verdicts(d.identities) for start, d in derived.items()},
        "conditions": {start: _verdicts(d.conditions) for start, d in derived.items()},
        "same": same,
        "minimised": _minimise_over_eta(first),
        "curves": _curves(first.at(epsilon=SHOWN["epsilon"])),
    }


def conclude(results: Results) -> Finding:
    """Conclude *proved* if every identity and required condition was, from every start, and the starts agree."""
    part = results["forms"]
    needed = [Verdict.from_json(v) for table in part["identities"].values() for v in table.values()]
    needed += [Verdict.from_json(table[name]) for table in part["conditions"].values() for name in REQUIRED]
    needed += [Verdict.from_json(v) for v in part["same"].values()]
    worst = next((v for v in needed if v.status == "refuted"), None)
    worst = worst or next((v for v in needed if v.status != "proved"), None)
    if worst is not None and worst.holds:
        worst = Verdict("unknown", f"only {worst.status}, not proved: {worst.method}", worst.domain)
    if worst is None and len(needed) != len(STARTS) * (len(STATEMENTS) + len(REQUIRED)) + (len(STARTS) - 1) * len(
        FORMS
    ):
        worst = Verdict("unknown", f"only {len(needed)} of the identities and inequalities were tried")
    error = part["minimised"]["largest_error"]
    if worst is None and not error <= TOLERANCE:
        worst = Verdict("refuted", "independent minimisation over η", witness={"relative error": error})
    proved = f"{len(needed)} identities and inequalities proved symbolically"
    summary = (
        f"From η̂, from Ω and from f the same four forms follow; {proved} for every ε > 0. Minimising over η "
        f"numerically reproduces Ω at {part['minimised']['draws']} random (w, ε) to {error:.1e} relative."
    )
    base = worst or Verdict("proved", proved, "w > 0, ε > 0, λ > 0")
    return Finding(
        base.status, base.method, base.domain, base.witness, base.detail,
        summary=summary if worst is None else f"Not settled: {worst}",
        formulas=(
            *(Formula(f"{SYMBOLS[form]} = {part['forms'][form]}", _caption(form)) for form in FORMS),
            *(Formula(STATEMENTS[name], f"identity, {v['status']}: {v['method']}")
              for name, v in part["identities"]["eta_hat"].items()),
        ),
        tables=(_steps_table(part), _conditions_table(part)),
        pictures=(Picture("duality-forms", "The four forms at ε = 2, λ = 1.",
                          "Four curves: the penalty grows like a logarithm, the weight rule like a square, the dual "
                          "like a logarithm, and the retain probability rises from 0 to 1."),),
        data=part,
    )  # fmt: skip


def _caption(form: str) -> str:
    return {"penalty": "penalty", "eta_hat": "weight rule", "dual": "dual", "alpha": "retain probability"}[form]


def _verdicts(table: Any) -> dict[str, Any]:
    return {name: verdict.to_json() for name, verdict in table.items()}


def _steps_table(part: Results) -> Table:
    rows = tuple((f"${latex}$", reason) for latex, reason in part["steps"])
    return Table("Derivation from the dropout rule alone", ("obtained", "how"), rows)


def _conditions_table(part: Results) -> Table:
    rows = tuple(
        (name, MEANINGS[name], *(part["conditions"][start][name]["status"] for start in STARTS),
         _argument(part["conditions"]["eta_hat"][name]))
        for name in part["conditions"]["eta_hat"]
    )  # fmt: skip
    columns = ("condition", "meaning", "from η̂", "from Ω", "from f", "argument")
    return Table("Conditions, for every ε > 0", columns, rows)


def _argument(verdict: Results) -> str:
    """Say why: the form the sign is read from, or the point that refutes."""
    witness = ", ".join(f"{name} = {value:.4g}" for name, value in verdict["witness"].items())
    return "; ".join(filter(None, (verdict["detail"], f"at {witness}" if witness else ""))) or str(verdict["method"])


def _minimise_over_eta(duality: Duality) -> dict[str, Any]:
    """Compare Ω(w) with ½ min over η of w²/η + f(η), minimised numerically over log η."""
    from scipy.optimize import minimize_scalar

    (epsilon,) = duality.parameters
    penalty, dual = compiled(duality.penalty, w, epsilon), compiled(duality.dual, eta, epsilon)
    rng = np.random.default_rng(106_07769)
    errors = []
    for _ in range(DRAWS):
        size, knee = 10 ** rng.uniform(-2, 2), 10 ** rng.uniform(-1.5, 1)

        def charge(log_eta: float, size: float = size, knee: float = knee) -> float:
            level = np.exp(log_eta)
            return float(size**2 / level + dual(level, knee)) / 2

        start = np.log(size**2)
        found = minimize_scalar(charge, bounds=(start - 30, start + 30), method="bounded", options={"xatol": 1e-9})
        exact = float(penalty(size, knee))
        errors.append(abs(float(found.fun) - exact) / exact)
    return {"draws": DRAWS, "largest_error": float(np.max(errors))}


def _curves(duality: Duality) -> dict[str, list[float]]:
    x = np.linspace(0.0, 5.0, 101)
    e = np.linspace(0.0, 20.0, 101)[1:]
    return {
        "x": x.tolist(),
        "penalty": duality.penalty_at(x).tolist(),
        "eta_hat": duality.eta_hat_at(x).tolist(),
        "alpha": duality.alpha_at(x, SHOWN["lam"]).tolist(),
        "eta": e.tolist(),
        "dual": duality.dual_at(e).tolist(),
    }
