"""The report: an overview, a page per claim, a document that obeys its schema, a summary, and figures."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from matplotlib.figure import Figure

from etatrick.errors import InputError
from etatrick.theory.verdict import MEANING
from etatrick.validation.evidence import COLUMNS, NOT_ATTEMPTED, Evidence, Finding, Formula, Picture, Table
from etatrick.validation.report import ReportFiles, prepare, schema, write_report
from etatrick.validation.report.mathml import inline, to_mathml
from etatrick.validation.report.wording import number

NASTY = "<script>alert('x')</script> \"quoted\" & </style> ünïcödé ξ ∞ \x1f {{ 7 * 7 }} $a<b$ 5\\$"
VOID = {"meta", "link", "img", "br", "hr", "input"}
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"


def finding(status: str, **more: Any) -> Finding:
    return Finding(
        status,  # type: ignore[arg-type]
        NASTY,
        NASTY,
        {"w<i>": float("nan"), "η": 1e-13},
        NASTY,
        NASTY,
        (Formula(r"\sum_{i=1}^n \frac{w_i^2}{\eta_i}", NASTY), Formula(r"\frac{<b>", NASTY)),
        (Table(NASTY, (NASTY, "λ"), ((NASTY, float("nan")), (None, float("inf")), (True, 3))),),
        (Picture("pa/th", NASTY, NASTY),),
        {"slope": float("-inf"), "curve": (1, float("nan"), None), "label": NASTY},
    )


def entry(claim: str, *statuses: str, **more: Any) -> Evidence:
    derived, solved, observed = (finding(status) for status in statuses)
    words = {"title": NASTY, "statement": NASTY, "source": NASTY, "relation": "equal", "level": "quick"}
    return Evidence(
        claim=claim, parameters={NASTY: NASTY}, derived=derived, solved=solved, observed=observed,
        seconds={NASTY: float("nan"), "fit": 1.25}, tolerance=NASTY, corrected=NASTY, **(words | more),
    )  # fmt: skip


LEDGER = [
    entry("flip-side/log-sum", "proved", "certified", "checked"),
    entry("flip-side-log/sum", "refuted", "unknown", "checked"),
    entry("../</script>", "proved", "unknown", "refuted", level="full", relation="refuted"),
    entry("flip-side/log-sum-derived", "proved", "proved", "proved"),
    entry("flip-side/log-sum-derived-evidence", "proved", "proved", "proved"),
]


def draw(name: str, data: Mapping[str, Any]) -> Figure:
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([0, 1], [0, 1], label=name)
    return figure


class Page(HTMLParser):
    """Collects the elements of a page, and insists that tags are balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"repeated attribute in {tag}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def every(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.elements if (value := attributes.get(attribute)) is not None]

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ReportFiles:
    return write_report(LEDGER, tmp_path_factory.mktemp("ledger") / "new" / "report", draw=draw, command=NASTY)


@pytest.fixture(scope="module")
def pages(files: ReportFiles) -> dict[Path, Page]:
    return {path: Page(path.read_text("utf-8")) for path in (files.page, *files.claims)}


@pytest.fixture(scope="module")
def claims(files: ReportFiles, pages: dict[Path, Page]) -> list[Page]:
    return [pages[path] for path in files.claims]


def test_pages_refer_to_nothing_outside_the_report(pages: dict[Path, Page]) -> None:
    root = next(iter(pages)).parent
    for path, page in pages.items():
        assert not re.search(r"https?://|@import|url\(", path.read_text("utf-8"))
        for reference in (*page.every("src"), *page.every("href")):
            file, _, anchor = reference.partition("#")
            if reference != "data:,":
                there = (path.parent / file).resolve() if file else path
                assert there.is_file()
                assert there.is_relative_to(root)
                assert not anchor or anchor in pages[there].every("id")
        assert page.count("script") == (path.name == "index.html")


def test_ids_are_unique_and_labels_resolve(pages: dict[Path, Page]) -> None:
    for page in pages.values():
        ids = page.every("id")
        assert len(set(ids)) == len(ids)
        assert {name for value in page.every("aria-labelledby") for name in value.split()} <= set(ids)


def test_pages_are_structured_for_every_reader(pages: dict[Path, Page]) -> None:
    for page in pages.values():
        levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
        assert levels.count(1) == 1
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        assert all(attributes.get("alt") for tag, attributes in page.elements if tag == "img")
        assert page.count("caption") == page.count("table")
        assert all(attributes.get("scope") for tag, attributes in page.elements if tag == "th")
        assert {page.count(tag) for tag in ("main", "footer")} == {1}
        assert page.elements[0] == ("html", {"lang": "en"})


def test_every_claim_has_its_page_with_figures_and_neighbours(files: ReportFiles, claims: list[Page]) -> None:
    assert len({path.name.lower() for path in files.claims}) == len(LEDGER)
    assert [page.count("img") for page in claims] == [3] * len(LEDGER)
    assert [sum(rel in ("prev", "next") for rel in page.every("rel")) for page in claims] == [1, 2, 1, 2, 2]


def test_statuses_are_words_and_text_is_escaped(
    files: ReportFiles, pages: dict[Path, Page], claims: list[Page]
) -> None:
    overview = pages[files.page].text
    assert all(overview.count(status) > 1 and meaning in overview for status, meaning in MEANING.items())
    for page in claims:
        assert page.text.count("<script>alert('x')</script> \"quoted\" & </style> ünïcödé ξ ∞") > 15
        assert "{{ 7 * 7 }}" in page.text
        assert "What does hold." in page.text
        assert "nan" not in page.text.split()
    assert all("<script" not in path.read_text("utf-8") for path in files.claims)
    assert files.page.read_text("utf-8").count("<script") == 1
    assert 'claims["flip-side/log-sum"].run()' in claims[0].text
    assert 'claims["../</script>"].run("full")' in claims[2].text


def test_a_route_not_taken_is_no_verdict(tmp_path: Path) -> None:
    partial = entry("a/b", "proved", "unknown", "checked")
    partial = replace(partial, observed=Finding("unknown", NOT_ATTEMPTED, summary="No noise is drawn here."))
    files = write_report([partial], tmp_path, draw=draw)
    assert "does not apply" in Page(files.claims[0].read_text()).text
    assert "| proved | unknown | — |" in files.summary.read_text()
    row = next(attributes for tag, attributes in Page(files.page.read_text()).elements if attributes.get("data-words"))
    assert [row[f"data-{name}"] for name in COLUMNS] == ["proved", "unknown", "absent"]


def test_the_summary_counts_every_verdict(files: ReportFiles) -> None:
    lines = files.summary.read_text("utf-8").splitlines()
    assert "| proved | 4 | 2 | 2 |" in lines
    assert "| refuted | 1 | 0 | 1 |" in lines
    assert sum(line.endswith("| proved | proved | proved |") for line in lines) == 2
    assert not any("<script>" in line for line in lines if line.startswith("|"))


def test_formulas_are_mathml_or_their_source(claims: list[Page]) -> None:
    for page in claims:
        formulas = [attributes for tag, attributes in page.elements if tag == "math"]
        assert sum(attributes["display"] == "block" for attributes in formulas) == 3
        assert all(attributes["alttext"] for attributes in formulas)
        assert r"\frac{<b>" in page.text


def test_the_document_obeys_its_schema(files: ReportFiles) -> None:
    def fail(token: str) -> None:
        raise AssertionError(token)

    document = json.loads(files.json.read_text("utf-8"), parse_constant=fail)
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.Draft202012Validator(schema()).validate(document)
    assert [claim["claim"] for claim in document["claims"]] == [claim.claim for claim in LEDGER]
    assert document["claims"][0]["derived"]["data"]["curve"] == [1, None, None]
    assert Evidence.from_json(document["claims"][2]).observed.detail == NASTY
    document["claims"][0]["solved"]["status"] = "true"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema())


def test_figures_have_distinct_names_and_repeat_byte_for_byte(files: ReportFiles, tmp_path: Path) -> None:
    out = files.page.parent
    assert len({path.name.lower() for path in files.figures}) == 6 * len(LEDGER)
    assert all(path.parent == out / "figures" and path.stat().st_size > 500 for path in files.figures)
    assert out / "figures" / "flip-side-log-sum-pa-th.svg" in files.figures
    again = write_report(LEDGER[:1], tmp_path, draw=draw).figures
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in files.figures[:6]]


def test_writing_again_replaces_only_the_report(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    strangers = [tmp_path / "notes.txt", tmp_path / "figures" / "mine.svg"]
    for path in strangers:
        path.write_text("mine")
    for _ in range(2):
        written = write_report(LEDGER[:1], tmp_path, draw=draw)
    assert all(path.read_text() == "mine" for path in strangers)
    left = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {
        written.page,
        written.style,
        written.json,
        written.summary,
        *written.claims,
        *written.figures,
        *strangers,
    }


def test_pages_of_claims_that_are_gone_go_too(tmp_path: Path) -> None:
    first = write_report(LEDGER[2:4], tmp_path, draw=draw)
    (tmp_path / "claims" / "mine.html").write_text("mine")
    write_report(LEDGER[3:4], tmp_path, draw=draw)
    assert [path.is_file() for path in first.claims] == [False, True]
    assert (tmp_path / "claims" / "mine.html").read_text() == "mine"


def test_a_failing_drawing_leaves_the_old_report(tmp_path: Path) -> None:
    def broken(name: str, data: Mapping[str, Any]) -> Figure:
        raise RuntimeError(name)

    old = write_report([], tmp_path, draw=draw).page.read_bytes()
    with pytest.raises(RuntimeError):
        write_report(LEDGER, tmp_path, draw=broken)
    assert (tmp_path / "index.html").read_bytes() == old
    left = sorted(path.name for path in tmp_path.rglob("*"))
    assert left == ["claims", "figures", "index.html", "report.json", "report.md", "style.css"]


@pytest.mark.parametrize("place", ["file", "file/below", "file/far/below", "taken", "foreign"])
def test_a_folder_that_cannot_take_a_report_is_refused_first(tmp_path: Path, place: str) -> None:
    def never(name: str, data: Mapping[str, Any]) -> Figure:
        raise AssertionError("drawn before the folder was checked")

    (tmp_path / "file").write_text("a file")
    (tmp_path / "taken" / "index.html").mkdir(parents=True)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "index.html").write_text("<h1>Someone else's</h1>")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError) as caught:
        write_report(LEDGER, tmp_path / place, draw=never)
    assert place in caught.value.value
    with pytest.raises(InputError):
        prepare(tmp_path / place)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_ledger_has_a_page(tmp_path: Path) -> None:
    assert "No claims were run." in write_report([], prepare(tmp_path / "a" / "b"), draw=draw).page.read_text()


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"\begin{aligned}a&=b\end{aligned}", "<mtable"),
        (r"\min_{w} f", '<munder><mo movablelimits="true"'),
        (r"\operatorname*{arg\,min}_w f", "arg\u2009min"),
        (r"|w|", 'form="prefix">|</mo><mi>w</mi><mo stretchy="false" form="postfix">|</mo>'),
        (r"\lambda\log x", '<mo lspace="0.167em" rspace="0.167em">log</mo>'),
        (r"a \sim b \implies c", "<mo>∼</mo>"),
        (r"\text{<b>&}", "<mtext>&lt;b&gt;&amp;</mtext>"),
        (r"\nosuchcommand x", '<code class="latex">\\nosuchcommand x</code>'),
        ("", '<code class="latex"></code>'),
    ],
)
def test_mathml(latex: str, expected: str) -> None:
    assert expected in to_mathml(latex, display=True)


def test_mathml_carries_neither_links_nor_styles() -> None:
    assert "<mrow><mrow><mrow><mi>x</mi>" in to_mathml(r"\href{javascript:alert(1)}{x}", display=False)
    assert "style=" not in to_mathml(r"\style{color:red}{x}", display=False)


def test_inline_leaves_lone_dollars_alone() -> None:
    assert inline("costs $5") == "costs $5"
    assert inline("between $5 and $6") == "between $5 and $6"
    assert inline("$$ & $") == "$$ &amp; $"
    assert inline("a $x$ b $y$").count("<math") == 2


def test_numbers() -> None:
    assert [number(value) for value in (0.0, -0.0, 2.0, -1.5e-9, 1e300, False, float("-inf"))] == [
        "0", "0", "2", "-1.5e-9", "1e300", "no", "−∞",
    ]  # fmt: skip


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_text_has_contrast_in_every_theme() -> None:
    style = (resources.files("etatrick.validation.report") / "templates" / "style.css").read_text("utf-8")
    themes = [dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in re.findall(r":root \{(.*?)\}", style, re.S)]
    assert len(themes) == 3
    for theme in themes:
        pairs = [(ink, back) for ink in ("ink", "quiet", "link") for back in ("paper", "card")]
        pairs += [("ink", "code"), ("quiet", "code"), *((status, f"{status}-back") for status in MEANING)]
        for ink, back in pairs:
            dark, light = sorted((luminance(theme[ink]), luminance(theme[back])))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, back)


def dumped(address: str, profile: Path) -> Page:
    """Return a page as a headless browser shows it."""
    flags = "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update"
    flags += " --disable-sync --no-first-run --virtual-time-budget=2000 --dump-dom"
    command = [CHROMIUM, *flags.split(), f"--user-data-dir={profile}", address]
    shown = subprocess.run(command, capture_output=True, timeout=120, check=True).stdout.decode()
    return Page(shown.partition("<html")[1] + shown.partition("<html")[2])


@pytest.mark.slow
@pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="chromium is not installed")
def test_a_browser_shows_filters_and_claims(files: ReportFiles, tmp_path: Path) -> None:
    def rows(page: Page) -> list[bool]:
        return ["hidden" not in attributes for tag, attributes in page.elements if "data-words" in attributes]

    everything = dumped(files.page.as_uri(), tmp_path)
    assert rows(everything) == [True] * len(LEDGER)
    assert f"{len(LEDGER)} of {len(LEDGER)} claims shown" in everything.text
    some = dumped(files.page.as_uri() + "#verdict=refuted&route=observed", tmp_path)
    assert rows(some) == [False] * 4 + [True]  # in the order of the families
    assert rows(dumped(files.page.as_uri() + "#search=derived-evidence", tmp_path)) == [
        False,
        False,
        True,
        False,
        False,
    ]
    page = dumped(files.claims[0].as_uri(), tmp_path)
    assert page.count("article") == 1
    assert page.count("script") == 0
