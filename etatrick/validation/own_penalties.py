"""A penalty in a user's file as a claim: its proofs, and the laws that every penalty must obey."""

from dataclasses import dataclass
from typing import Any, Final, final

from etatrick.theory.verdict import Verdict
from etatrick.validation.claim import Absent, Claim, Part, Results, Route, Setting
from etatrick.validation.evidence import Finding, Formula, Table

HEADS: Final = ("statement", "verdict", "how", "where")


def is_penalty(value: Any, module: str) -> bool:
    """Whether an object of a user's module is a penalty: a duality, a catalogue entry, or of a class of its own.

    Parameters
    ----------
    value : object
    module : str
        The name of the user's module: a class of the user's own must come from it.

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> is_penalty(derive(eta_hat="w"), "mine"), is_penalty(3, "mine")
    (True, False)
    """
    from etatrick.theory.catalogue import Entry
    from etatrick.theory.duality import Duality

    if isinstance(value, type):
        return False
    if isinstance(value, Duality | Entry):
        return True
    return type(value).__module__ == module and hasattr(value, "value") and hasattr(value, "slope")


def penalty_claim(penalty: Any, id: str, file: str) -> Claim:
    """Return the claim that an object is a penalty.

    Parameters
    ----------
    penalty : Duality, catalogue entry, or object with ``value`` and ``slope``
    id : str
        The claim's id.
    file : str
        Where it stands.

    Returns
    -------
    Claim
        *derived* holds the proofs about a formula, *solved* the numeric laws.

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> penalty_claim(derive(eta_hat="w"), "mine/lasso", "mine.py").run().solved.status
    'checked'
    """
    duality = penalty if hasattr(penalty, "identities") else getattr(penalty, "duality", None)
    symbolic = hasattr(duality, "identities")
    formula = getattr(duality, "penalty", None) if symbolic else None
    words = "" if formula is None else f" $\\Omega(w) = {_latex(formula)}$"
    return Claim(
        id=id,
        title=f"{id.partition('/')[2]} is a penalty",
        statement=f"The function{words} is even, nondecreasing in $|w|$ and zero at zero, and its derivative, weight "
        r"rule, proximal map and conjugate belong together.",
        source=file,
        relation="equal",
        derive=Route((Part("forms", "prove what the formula allows", _Proofs(duality), 3),), _derived)
        if symbolic
        else Absent("the penalty is numbers without a formula"),
        solve=Route((Part("laws", "check the laws of a penalty", _Laws(penalty), 2),), _solved),
        observe=Absent("a penalty is no statement about trained networks"),
    )


@final
@dataclass(frozen=True)
class _Proofs:
    """The run of a part: identities and conditions of a duality."""

    duality: Any

    def __call__(self, setting: Setting) -> dict[str, Any]:
        from etatrick.theory.duality import FORMS

        forms = {name: getattr(self.duality, name) for name in FORMS}
        return {
            "forms": {name: _latex(form) for name, form in forms.items() if form is not None},
            "identities": {name: verdict.to_json() for name, verdict in self.duality.identities.items()},
            "conditions": {name: verdict.to_json() for name, verdict in self.duality.conditions.items()},
        }


@final
@dataclass(frozen=True)
class _Laws:
    """The run of a part: the numeric laws."""

    penalty: Any

    def __call__(self, setting: Setting) -> dict[str, Any]:
        from etatrick.numerics import check_penalty

        return check_penalty(self.penalty).to_json()


def _derived(results: Results) -> Finding:
    """Conclude what is proved about the identities; a condition that fails is no fault of a penalty."""
    found = results["forms"]
    identities = {name: Verdict.from_json(entry) for name, entry in found["identities"].items()}
    conditions = {name: Verdict.from_json(entry) for name, entry in found["conditions"].items()}
    worst = max(identities.values(), key=lambda verdict: (verdict.status == "refuted", not verdict.holds), default=None)
    status = Verdict.weakest(*identities.values()) if identities else "unknown"
    words = ", ".join(f"{name} {verdict.status}" for name, verdict in conditions.items())
    return Finding(
        status, "symbolic identities between the forms", "w > 0", worst.witness if worst else {},
        summary=f"Identities: {', '.join(f'{n} {v.status}' for n, v in identities.items()) or 'none'}; {words}.",
        formulas=tuple(Formula(latex, name) for name, latex in found["forms"].items()),
        tables=(_table("Identities", identities), _table("Conditions", conditions)),
        data=found,
    )  # fmt: skip


def _solved(results: Results) -> Finding:
    """Conclude *refuted* if a law fails or a method lacks, otherwise *checked*."""
    found = results["laws"]
    verdicts = {name: Verdict.from_json(entry) for name, entry in found["verdicts"].items()}
    broken = {name: verdict for name, verdict in verdicts.items() if verdict.status == "refuted"}
    lacking = "; ".join(found["lacking"].values())
    if lacking:
        return Finding("unknown", "laws of a penalty", summary=f"Lacks {lacking}.", data=found)
    first = next(iter(broken.values()), None)
    held = sum(verdict.holds for verdict in verdicts.values())
    summary = f"{held} laws hold." if first is None else f"Broken: {', '.join(broken)}. {first.detail or first.method}."
    return Finding(
        "refuted" if first else "checked", "laws of a penalty at fixed points", "w real",
        first.witness if first else {}, summary=summary, tables=(_table("Laws", verdicts),), data=found,
    )  # fmt: skip


def _table(caption: str, verdicts: "dict[str, Verdict]") -> Table:
    return Table(caption, HEADS, tuple((n, v.status, v.method, v.domain) for n, v in verdicts.items()))


def _latex(form: Any) -> str:
    import sympy as sp

    return str(sp.latex(form))
