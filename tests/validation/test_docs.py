"""The documentation's sources: links lead somewhere, examples run, notebooks are clean, every page is reachable."""

import ast
import doctest
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from etatrick.validation import claims, reproductions
from etatrick.validation.evidence import Finding, Picture, Table
from etatrick.validation.report.wording import slug

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if not {"_build", "experiments", "generated"} & {*page.parts})
NOTEBOOKS = sorted((DOCS / "tutorials").glob("*.ipynb"))
EXAMPLES = [page for page in PAGES if ">>> " in page.read_text(encoding="utf-8")]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def cells(notebook: Path, kind: str) -> list[str]:
    content = json.loads(notebook.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == kind]


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8") if page.suffix == ".md" else "\n".join(cells(page, "markdown"))


def links() -> Iterator[tuple[Path, str]]:
    for page in [*PAGES, *NOTEBOOKS]:
        for target in LINK.findall(CODE.sub("", text_of(page))):
            if "://" not in target:
                yield page, target


def labels() -> set[str]:
    """Return what pages can link to by label: claims, experiments, catalogue entries, and labels written by hand."""
    written = {label for page in PAGES for label in re.findall(r"^\(([\w-]+)\)=$", text_of(page), re.MULTILINE)}
    return written | {f"claim-{slug(name)}" for name in claims} | {f"experiment-{name}" for name in reproductions}


def test_there_is_something_to_check() -> None:
    assert len(PAGES) > 40
    assert len(NOTEBOOKS) >= 6
    assert len(EXAMPLES) >= 8
    assert sum(target.startswith("#claim-") for _, target in links()) > 20


def test_links_within_the_documentation_lead_somewhere() -> None:
    known = labels()
    lost = []
    for page, target in links():
        path, _, label = target.partition("#")
        found = (page.parent / path).exists() if path else label in known
        if not found:
            lost.append(f"{page.relative_to(DOCS)}: {target}")
    assert not lost


def test_every_page_is_in_a_table_of_contents() -> None:
    listed = {DOCS / "index"}
    for page in PAGES:
        for block in re.findall(r"^```\{toctree\}\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL):
            names = [line for line in block.splitlines() if line and not line.startswith(":")]
            listed |= {page.parent / name for name in names}
    missing = {page.with_suffix("") for page in [*PAGES, *NOTEBOOKS]} - listed
    assert not missing
    absent = {name for name in listed if not any(name.with_suffix(end).exists() for end in (".md", ".ipynb"))}
    assert not absent


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: str(page.relative_to(DOCS)))
def test_the_examples_of_a_page_run(page: Path) -> None:
    found = doctest.testfile(str(page), module_relative=False, optionflags=OPTIONS, encoding="utf-8")
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_a_notebook_is_stored_without_outputs_and_parses(notebook: Path) -> None:
    content = json.loads(notebook.read_text(encoding="utf-8"))
    assert content["metadata"]["kernelspec"]["name"] == "python3"
    assert len({cell["id"] for cell in content["cells"]}) == len(content["cells"])
    assert cells(notebook, "markdown")[0].startswith("# ")
    for cell in content["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    for source in cells(notebook, "code"):
        ast.parse(source)
        assert len(source.splitlines()) <= 25
        assert "http" not in source  # nothing is fetched while the documentation is built


def extension(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("sphinx", reason="the documentation's tools are not installed")
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    for stale in ("ledger", name):
        monkeypatch.delitem(sys.modules, stale, raising=False)
    return __import__(name)


EXPERIMENT = SimpleNamespace(name="tried", title="A title", question="Does $a|b$ hold?", source="A paper, table 1")
FINDING = Finding(
    "checked",
    "trained",
    summary="Ours is *close* to 0.5.",
    tables=(Table("Ours and theirs", ("method", "ours"), (("a|b", 0.25), ("c", None))),),
    pictures=(Picture("curve", "A curve", "a curve\nthat falls"),),
)


def stored(level: str) -> str:
    return json.dumps({"name": "tried", "level": level, "device": "cpu", "seconds": {"one": 120.0},
                       "finding": FINDING.to_json()})  # fmt: skip


def test_an_experiment_without_results_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = extension("experiments", monkeypatch).section(EXPERIMENT, tmp_path)
    assert "(experiment-tried)=" in shown
    assert "Not run in full yet" in shown
    assert "checked" not in shown


def test_results_are_shown_with_tables_and_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = extension("experiments", monkeypatch)
    (tmp_path / "tried.json").write_text(stored("full"), encoding="utf-8")
    shown = page.section(EXPERIMENT, tmp_path)
    assert "● checked" in shown
    assert r"\*close\*" in shown
    assert r"| a\|b | 0.25 |" in shown
    assert "2 minutes" in shown
    assert "Not run in full" not in shown
    assert "{figure}" not in shown  # no file was committed
    (tmp_path / "tried-curve.svg").write_text("<svg/>", encoding="utf-8")
    again = page.section(EXPERIMENT, tmp_path)
    assert "```{figure} experiments/tried-curve.svg" in again
    assert ":alt: a curve that falls" in again


def test_results_of_the_quick_form_are_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = extension("experiments", monkeypatch)
    (tmp_path / "tried.json").write_text(stored("quick"), encoding="utf-8")
    assert "Not run in full yet.* These are the results of the quick form" in page.section(EXPERIMENT, tmp_path)
