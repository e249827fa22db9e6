"""The report: one self-contained page, a document that obeys its schema, and figures, written atomically."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
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
from etatrick.validation.evidence import Evidence, Finding, Formula, Picture, Table
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
        seconds={NASTY: float("nan"), "fit": 1.25}, **(words | more),
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
def html(files: ReportFiles) -> str:
    return files.page.read_text("utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_page_refers_to_nothing_outside(html: str, page: Page) -> None:
    assert not re.search(r"https?://|@import|url\(", html)
    assert {value.partition(":")[0] for value in page.every("src")} == {"data"}
    assert all(value.startswith(("#", "data:,")) for value in page.every("href"))
    assert page.count("script") == 0


def test_anchors_resolve_and_ids_are_unique(page: Page) -> None:
    ids = page.every("id")
    assert len(set(ids)) == len(ids)
    wanted = {href[1:] for href in page.every("href") if href.startswith("#")}
    wanted |= {name for value in page.every("aria-labelledby") for name in value.split()}
    assert wanted <= set(ids)


def test_the_page_is_structured_for_every_reader(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(attributes.get("alt") for tag, attributes in page.elements if tag == "img")
    assert page.count("img") == 3 * len(LEDGER)
    assert page.count("caption") == page.count("table")
    assert all(attributes.get("scope") for tag, attributes in page.elements if tag == "th")
    assert {page.count(tag) for tag in ("header", "main", "footer")} == {1}
    assert page.elements[0] == ("html", {"lang": "en"})


def test_statuses_are_words_and_text_is_escaped(html: str, page: Page) -> None:
    words = page.text
    assert all(words.count(status) > 1 and meaning in words for status, meaning in MEANING.items())
    assert words.count("<script>alert('x')</script> \"quoted\" & </style> ünïcödé ξ ∞") > 50
    assert "<script" not in html
    assert "{{ 7 * 7 }}" in words
    assert 'claims["flip-side/log-sum"].run()' in words
    assert 'claims["../</script>"].run("full")' in words
    assert "NaN" not in words
    assert "nan" not in words.split()


def test_formulas_are_mathml_or_their_source(page: Page) -> None:
    formulas = [attributes for tag, attributes in page.elements if tag == "math"]
    assert sum(attributes["display"] == "block" for attributes in formulas) == 3 * len(LEDGER)
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
    assert left == {written.page, written.json, *written.figures, *strangers}


def test_a_failing_drawing_leaves_the_old_report(tmp_path: Path) -> None:
    def broken(name: str, data: Mapping[str, Any]) -> Figure:
        raise RuntimeError(name)

    old = write_report([], tmp_path, draw=draw).page.read_bytes()
    with pytest.raises(RuntimeError):
        write_report(LEDGER, tmp_path, draw=broken)
    assert (tmp_path / "index.html").read_bytes() == old
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["figures", "index.html", "report.json"]


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


@pytest.mark.slow
@pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="chromium is not installed")
def test_a_browser_renders_the_page(files: ReportFiles, tmp_path: Path) -> None:
    flags = "--headless --no-sandbox --disable-gpu --disable-background-networking --disable-component-update"
    flags += " --disable-sync --no-first-run --virtual-time-budget=2000 --dump-dom"
    command = [CHROMIUM, *flags.split(), f"--user-data-dir={tmp_path / 'profile'}", files.page.as_uri()]
    shown = subprocess.run(command, capture_output=True, timeout=120, check=True).stdout.decode()
    seen = Page(shown.partition("<html")[1] + shown.partition("<html")[2])
    assert "Ledger of claims" in seen.text
    assert seen.count("article") == len(LEDGER)
    assert seen.count("script") == 0
