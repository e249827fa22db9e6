"""The ledger: every claim is well formed, short, and its derived and solved columns come out as it says."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from etatrick.validation import ledger
from etatrick.validation.claim import Absent, Claim, Route, Setting
from etatrick.validation.evidence import NOT_ATTEMPTED
from etatrick.validation.figures import catalogue as figures
from etatrick.validation.ledger import SOURCES, claims
from etatrick.validation.report.mathml import inline, to_mathml
from etatrick.validation.routes import TOLERANCES

CHEAP = 10.0  # stated seconds of the derived and solved routes
LINES = 60
FOLDER = Path(ledger.__file__).parent


def cost(claim: Claim) -> float:
    return sum(part.seconds for route in (claim.derive, claim.solve) for part in route.parts)


def is_short(claim: Claim) -> bool:
    return cost(claim) <= CHEAP


@pytest.mark.parametrize("claim", [claim for claim in claims.values() if is_short(claim)], ids=lambda claim: claim.id)
def test_the_derived_and_solved_columns_bear_the_claim_out(claim: Claim) -> None:
    """Proved, certified or checked; of a statement that fails, refuted, with a correction that is settled."""
    for column, route in (("derived", claim.derive), ("solved", claim.solve)):
        if isinstance(route, Absent):
            continue
        found = route.conclude({part.name: part.run(Setting()) for part in route.parts})
        if claim.relation in ("refuted", "corrected"):
            assert found.status == "refuted", (column, found.summary)
            assert found.witness
            words = found.detail.partition("The corrected statement is ")[2]
            assert words.startswith(("proved", "certified", "checked")), (column, found.detail)
        else:
            assert found.holds, (column, found.summary, found.method)
        assert found.method != NOT_ATTEMPTED
        assert found.summary
        assert all(picture.name in figures for picture in found.pictures)
        assert all("<code" not in to_mathml(formula.latex, display=True) for formula in found.formulas), [
            f.latex for f in found.formulas if "<code" in to_mathml(f.latex, display=True)
        ]


def test_nearly_every_claim_is_cheap_enough_for_that_test() -> None:
    assert sum(map(is_short, claims.values())) >= 0.9 * len(claims)


@pytest.mark.parametrize("claim", claims.values(), ids=lambda claim: claim.id)
def test_a_claim_is_complete(claim: Claim) -> None:
    source, _, name = claim.id.partition("/")
    assert source
    assert name == name.lower().replace(" ", "-")
    assert all((claim.title, claim.statement, claim.source.strip(), claim.parameters))
    for text in (claim.title, claim.statement, claim.source, claim.corrected):
        assert "<code" not in inline(text)
        assert text.count("$") % 2 == 0
    if isinstance(claim.solve, Route) and len(claim.solve.parts) == 1:
        assert claim.tolerance.partition(":")[0].partition(" ")[0] in TOLERANCES
    assert bool(claim.corrected) == (claim.relation in ("refuted", "corrected"))
    for route in claim.routes.values():
        assert route.parts or (isinstance(route, Absent) and route.reason)
    assert any(route.parts for route in claim.routes.values())


def test_the_ledger_is_large_and_its_ids_are_unique() -> None:
    assert len({claim.id for claim in claims.values()}) == len(claims) >= 50


def trees() -> dict[str, ast.Module]:
    return {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.py"))}


def test_every_module_of_the_ledger_is_a_source() -> None:
    assert set(trees()) - {"__init__"} == set(SOURCES)


def lengths(tree: ast.Module) -> dict[str, int]:
    """Return the lines of each claim together with the functions of its own that it uses, directly or not."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[0] == "_"}
    found = {}
    for node in tree.body:
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Call)):
            continue
        if not (isinstance(node.value.func, ast.Name) and node.value.func.id == "Claim"):
            continue
        used: set[str] = set()
        todo: list[Any] = [node]
        while todo:
            names = {part.id for part in ast.walk(todo.pop()) if isinstance(part, ast.Name)}
            todo += [functions[name] for name in names & functions.keys() - used]
            used |= names & functions.keys()
        parts = [node, *(functions[name] for name in used)]
        found[ast.unparse(node.target)] = sum((part.end_lineno or 0) - part.lineno + 1 for part in parts)
    return found


@pytest.mark.parametrize("source", SOURCES)
def test_a_claim_is_at_most_sixty_lines(source: str) -> None:
    found = lengths(trees()[source])
    assert found
    assert {name: count for name, count in found.items() if count > LINES} == {}


def test_the_line_count_sees_the_functions_of_a_claim() -> None:
    body = "\n".join("    x = 1" for _ in range(70))
    tree = ast.parse(f"def _inner():\n{body}\n\ndef _outer():\n    return _inner()\n\nA: Final = Claim(_outer)\n")
    assert lengths(tree)["A"] > 70


def test_listing_the_claims_imports_neither_torch_nor_cvxpy() -> None:
    code = (
        "import sys, etatrick.validation.ledger as l; len(l.claims);"
        "print([m for m in ('torch', 'cvxpy', 'matplotlib', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
