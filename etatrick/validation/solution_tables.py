"""What `etatrick solve` prints: tables of coefficients, of a path, and of the choice of λ."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from etatrick.validation.printing import solution_text


def solved_text(data: Mapping[str, Any]) -> str:
    """Return what the command prints: tables of the path or of the choice of λ, and of the coefficients."""
    parts = [_path_table(data)] if "path" in data else []
    if "coef" in data:
        several = isinstance(data["intercept"], list)
        parts.append(_classes_table(data) if several else solution_text(data))
    if "plot" in data:
        parts.append(f"wrote {data['plot']}")
    return "\n\n".join(parts)


def _path_table(data: Mapping[str, Any]) -> str:
    scores = data.get("scores")
    lines = [f"{'λ':>12}  {'nonzero':>7}  {'objective':>15}  {'certificate':>11}"
             + (f"  {'score':>12}  {'± s.e.':>9}" if scores else "")]  # fmt: skip
    for index, row in enumerate(data["path"]):
        figure = _figure(row["certificate"])
        line = f"{row['lam']:12.6g}  {np.count_nonzero(row['coef']):7d}  {row['objective']:15.9g}  {figure:11.2e}"
        if scores:
            fold = np.array(scores[index])
            line += f"  {fold.mean():12.6g}  {fold.std(ddof=1) / np.sqrt(len(fold)):9.2g}"
            line += "  ← chosen" if row["lam"] == data["lam"] else ""
        lines.append(line if row["converged"] else f"{line}  not converged")
    return "\n".join(lines)


def _classes_table(data: Mapping[str, Any]) -> str:
    names = [*data["names"], "intercept"]
    rows = np.column_stack([np.array(data["coef"]), np.array(data["intercept"])]).T
    width = max(map(len, names))
    lines = [" " * width + "".join(f"  {str(label)[:14]:>14}" for label in data["classes"])]
    lines += [f"{name:<{width}}" + "".join(f"  {value:14.7g}" for value in row)
              for name, row in zip(names, rows, strict=True)]  # fmt: skip
    proof = data["certificate"]
    certificate = f"{proof['kind']} {_figure(proof):.3g} relative, at worst"
    return "\n".join([*lines, "", f"objective {data['objective']:.15g}", certificate, data["message"]])


def _figure(proof: Mapping[str, Any]) -> float:
    """Return the relative figure that decides: the gap where there is one."""
    figure = proof["relative_kkt"] if proof["relative_gap"] is None else proof["relative_gap"]
    return float(figure)
