"""What the command line prints: results as text, and dualities as JSON-ready data."""

from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from etatrick.theory.duality import Duality

SHOWN: Final = 20  # changed numbers that `diff` prints


def duality_json(duality: "Duality") -> dict[str, Any]:
    """Return a duality with its verdicts as JSON-ready data."""
    import sympy as sp

    from etatrick.theory.duality import FORMS

    forms = {form: getattr(duality, form) for form in FORMS}
    return {
        "given": duality.given,
        "forms": {name: None if expr is None else str(expr) for name, expr in forms.items()},
        "latex": {name: None if expr is None else sp.latex(expr) for name, expr in forms.items()},
        "parameters": [str(symbol) for symbol in duality.parameters],
        "base": str(duality.base),
        "steps": [
            {"latex": s.latex, "reason": s.reason, "verdict": s.verdict.to_json() if s.verdict else None}
            for s in duality.steps
        ],
        "identities": {name: verdict.to_json() for name, verdict in duality.identities.items()},
        "conditions": {name: verdict.to_json() for name, verdict in duality.conditions.items()},
    }


def duality_text(data: Mapping[str, Any]) -> str:
    """Return what `derive` prints."""
    heads = {"penalty": "Ω(w) =", "eta_hat": "η̂(w) =", "dual": "f(η) =", "alpha": "α(w) ="}
    lines = [f"{heads[name]} {form or '(no closed form; numbers are available in Python)'}"
             for name, form in data["forms"].items()]  # fmt: skip
    if data["base"] != "0":
        lines.append(f"Ω is 0 at w = {data['base']}, because it has no finite limit at 0")
    lines += ["", *(f"  {step['reason']}" for step in data["steps"] if step["verdict"])]
    width = max(len(name) for name in (*data["identities"], *data["conditions"]))
    for name, verdict in {**data["identities"], **data["conditions"]}.items():
        witness = ", ".join(f"{key}={value:.4g}" for key, value in verdict["witness"].items())
        why = "; ".join(filter(None, (verdict["method"], verdict["detail"])))
        lines.append(f"  {name:<{width}}  {verdict['status']:<8} {why}{f' (at {witness})' if witness else ''}")
    return "\n".join(lines)


def catalogue_text(data: Mapping[str, Any]) -> str:
    """Return what `catalogue` prints."""
    lines: list[str] = []
    for kind, entries in data.items():
        lines += ["", kind] if lines else [kind]
        for name, entry in entries.items():
            lines.append(f"  {name:<22} {', '.join(entry['parameters']) or '–':<34} {entry['source']}")
    return "\n".join(lines)


def recheck_text(data: Mapping[str, Any]) -> str:
    """Return what `recheck` prints."""
    width = max(map(len, data["results"]))
    lines = [f"  {name:<{width}}  {row['status']:<9} {row['outcome']:<11}  {row['reason']}".rstrip()
             for name, row in data["results"].items()]  # fmt: skip
    return "\n".join([*lines, "", "every claim is confirmed" if data["ok"] else "not every claim is confirmed"])


def solution_text(data: Mapping[str, Any]) -> str:
    """Return what `solve` prints."""
    width = max(len(name) for name in ("intercept", *data["names"]))
    lines = [f"{name:<{width}}  {value: .10g}" for name, value in zip(data["names"], data["coef"], strict=True)]
    lines.append(f"{'intercept':<{width}}  {data['intercept']: .10g}")
    proof = data["certificate"]
    lines += ["", f"objective {data['objective']:.15g}", f"KKT residual {proof['kkt']:.3g}"]
    if proof["gap"] is not None:
        lines.append(f"duality gap {proof['gap']:.3g} ({proof['relative_gap']:.3g} relative): the global optimum")
    elif proof["locally_minimal"]:
        lines.append("a local minimum (the penalty is not convex)")
    return "\n".join([*lines, data["message"]])


def claims_text(data: Mapping[str, Any]) -> str:
    """Return what `claims` prints."""
    return "\n\n".join(f"{row['id']}\n  {row['title']}\n  {row['source']}" for row in data["claims"])


def verify_text(data: Mapping[str, Any]) -> str:
    """Return what `verify` prints."""
    lines = [
        f"{claim}: " + ", ".join(f"{column} {status}" for column, status in columns.items())
        for claim, columns in data["claims"].items()
    ]
    return "\n".join([*lines, f"report: {data['report']}"])


def diff_text(data: Mapping[str, Any]) -> str:
    """Return what `diff` prints: a section for each kind of change, the largest changes of numbers first."""
    lines = [f"verdict   {v['claim']}, {v['column']}: {v['old']} → {v['new']}" for v in data["verdicts"]]
    lines += [f"missing   {claim}" for claim in data["missing"]]
    lines += [f"new       {claim}" for claim in data["added"]]
    lines += [f"library   {name}: {old} → {new}" for name, (old, new) in data["libraries"].items()]
    numbers = sorted(data["numbers"], key=lambda n: -inf if n["difference"] is None else -n["difference"])
    for n in numbers[:SHOWN]:
        lines.append(f"number    {n['claim']}, {n['column']}, {n['place']}: {_value(n['old'])} → {_value(n['new'])}")
    if len(numbers) > SHOWN:
        lines.append(f"          and {len(numbers) - SHOWN} more numbers (--json lists all)")
    if not lines:
        return f"nothing changed (numbers within {data['tolerance']:g} · (1 + |old|))"
    end = "every claim is settled as before" if data["same"] else "not every claim is settled as before"
    return "\n".join([*lines, end])


def experiments_text(data: Mapping[str, Any]) -> str:
    """Return what `experiment` prints without a name."""
    if not data["experiments"]:
        return "no experiment is registered"
    return "\n\n".join(
        f"{row['name']}\n  {row['title']}\n  {row['question']}\n  {row['source']}" for row in data["experiments"]
    )


def experiment_text(data: Mapping[str, Any]) -> str:
    """Return what `experiment NAME` prints."""
    lines = []
    for name, row in data["experiments"].items():
        lines += [f"{name}: {row['status']}. {row['summary']}", *(f"  {file}" for file in row["files"])]
    return "\n".join(lines)


def _value(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)
