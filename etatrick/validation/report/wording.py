"""How names, numbers and verdicts are worded on the page."""

import math
import re
import shlex
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from etatrick.theory.verdict import Status
from etatrick.validation.evidence import Cell, ColumnName

Claimed = TypeVar("Claimed")
NAMES: Final = {"rvsm": "RVSM", "increg": "IncReg", "glm-dropout": "GLM dropout", "eta-trick": "The η-trick",
                "errata": "Errata of formulas and code", "flip-side": "Flip side of the reweighted coin"}  # fmt: skip
MARK: Final[dict[Status, str]] = {
    "proved": "■",
    "certified": "◆",
    "checked": "●",
    "refuted": "✕",
    "unknown": "○",
}
ROUTE: Final[dict[ColumnName, str]] = {
    "derived": "symbolically, from the scheme itself",
    "solved": "as an optimisation problem, exactly",
    "observed": "in networks trained with the scheme",
}
HOW: Final[dict[ColumnName, str]] = {
    "derived": "How it was derived",
    "solved": "How it was solved",
    "observed": "What was observed",
}
RELATION: Final[dict[str, str]] = {
    "equal": "two quantities are equal",
    "upper": "one quantity bounds another from above",
    "lower": "one quantity bounds another from below",
    "limit": "one quantity tends to another",
    "iff": "two conditions are equivalent",
    "refuted": "a statement that fails",
    "corrected": "a statement that holds in a corrected form",
}


def number(value: Cell) -> str:
    """Return a cell as a reader wants it: whole numbers in full, others to five significant digits.

    Examples
    --------
    >>> [number(value) for value in (3, 0.123456789, 1.234e-13, 2.5e9, None, float("inf"), True, "ridge")]
    ['3', '0.12346', '1.23e-13', '2.5e9', '—', '∞', 'yes', 'ridge']
    """
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int):
        return str(value)
    if not math.isfinite(value):
        return "—" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.5g}" if value else "0"
    return re.sub(r"e([+-])0*(\d)", lambda e: "e" + e[1].strip("+") + e[2], f"{value:.3g}")


def slug(text: str) -> str:
    """Return `text` as a part of a file name or of a page anchor.

    Examples
    --------
    >>> slug("flip-side/log-sum duality")
    'flip-side-log-sum-duality'
    """
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.") or "x"


def unique(name: str, taken: set[str]) -> str:
    """Return `name`, numbered if it is among `taken` (compared without case), and add it there.

    Examples
    --------
    >>> taken = {"path"}
    >>> unique("path", taken), unique("path", taken)
    ('path-2', 'path-3')
    """
    candidate, count = name, 1
    while candidate.lower() in taken:
        count += 1
        candidate = f"{name}-{count}"
    taken.add(candidate.lower())
    return candidate


def quoted(word: str) -> str:
    """Return `word` as a shell reads it back.

    Examples
    --------
    >>> quoted("flip-side/log-sum"), quoted("a b")
    ('flip-side/log-sum', "'a b'")
    """
    return shlex.quote(word)


def markdown(text: str) -> str:
    """Return plain text with formulas between dollars so that a Markdown table shows it as it is.

    Examples
    --------
    >>> markdown("a|b <i>") == "a" + chr(92) + "|b &lt;i&gt;"
    True
    """
    plain = re.sub(r"\s+", " ", text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))
    return re.sub(r"[|]" if "$" in plain else r"[\\`*_\[\]|]", r"\\\g<0>", plain)


def parameter(name: str, domain: str) -> str:
    """Return a parameter with its domain; one that begins with a relation of the name stands alone.

    Examples
    --------
    >>> parameter("τ", "> 0"), parameter("τ", "0 < τ < 1"), parameter("f", "any; f₀ = f(0)")
    ('τ > 0', '0 < τ < 1', 'f: any; f₀ = f(0)')
    """
    if re.match(rf"(?:[^,;]* [<≤] ?)?{re.escape(name)} ?[<>≤≥=≠∈]", domain):
        return domain
    return f"{name} {domain}" if domain[:1] in "<>≤≥∈=≠" else f"{name}: {domain}"


def family(claim: str) -> str:
    """Return the heading of a family of claims: the words before the slash of their ids.

    Examples
    --------
    >>> family("flip-side/log-sum-duality")
    'Flip side of the reweighted coin'
    """
    prefix = claim.partition("/")[0]
    return NAMES.get(prefix, prefix.replace("-", " ").capitalize())


def families(claims: Iterable[Claimed], name: Callable[[Claimed], str]) -> list[tuple[str, list[Claimed]]]:
    """Return claims under the headings of their families, in the order in which each family first appears.

    Examples
    --------
    >>> families(["a-b/x", "c/y", "a-b/z"], str)
    [('A b', ['a-b/x', 'a-b/z']), ('C', ['c/y'])]
    """
    found: dict[str, list[Claimed]] = {}
    for claim in claims:
        found.setdefault(family(name(claim)), []).append(claim)
    return list(found.items())
