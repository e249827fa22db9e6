"""Files of a user's own: run only when named, collected, checked, and refused with the line of the error."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etatrick.errors import InputError
from etatrick.testing import check_claim
from etatrick.validation import cli
from etatrick.validation.claim import Absent
from etatrick.validation.user_claims import claims_in

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "verify_your_own_claim.md"
HEAD = """
from etatrick.validation.claim import Absent, Claim, Part, Route
from etatrick.validation.evidence import Finding

def work(setting):
    return {"x": 1}

def conclude(results):
    return Finding("checked", "by hand", summary="done", data=results)

def claim(id, source="me", title="t", statement="$1$", solve=Route((Part("a", "a", work),), conclude)):
    return Claim(id, title, statement, source, "equal", Absent("no"), solve, Absent("no"))

"""
LINE = HEAD.count("\n") + 1


def write(folder: Path, text: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["verify", *arguments])


def test_claims_are_collected_in_order_and_once(tmp_path: Path) -> None:
    text = HEAD + "B = claim('m/b')\nMORE = [claim('m/a'), B, 3]\nBY = {'x': claim('m/c')}\n_HIDDEN = claim('m/d')\n"
    assert [found.id for found in claims_in(write(tmp_path, text))] == ["m/b", "m/a", "m/c"]


def test_what_lies_beside_the_file_can_be_imported(tmp_path: Path) -> None:
    write(tmp_path, HEAD, "beside_mine.py")
    assert claims_in(write(tmp_path, "from beside_mine import claim\nC = claim('m/c')"))[0].id == "m/c"


PENALTIES = """
import numpy as np
from etatrick.theory import derive, penalties, w

formula = derive(penalty="log(1+w)")
entry = penalties["mcp"](A=2)

class Root:
    def value(self, w):
        return np.sqrt(1 + w**2) - 1
    def slope(self, w):
        return np.abs(w) / np.sqrt(1 + w**2)

class Wrong(Root):
    def slope(self, w):
        return 1 / np.sqrt(1 + w**2)

own, wrong, kind = Root(), Wrong(), Root
"""


def test_penalties_get_the_laws_as_claims(tmp_path: Path) -> None:
    found = {claim.id: claim for claim in claims_in(write(tmp_path, PENALTIES))}
    assert list(found) == ["mine/formula", "mine/entry", "mine/own", "mine/wrong"]
    assert isinstance(found["mine/own"].derive, Absent)
    for name in ("mine/formula", "mine/own"):
        evidence = check_claim(found[name])
        assert evidence.holds
    assert evidence.solved.tables[0].rows
    wrong = check_claim(found["mine/wrong"])
    assert wrong.solved.status == "refuted"
    assert "Broken" in wrong.solved.summary


BAD = {
    "syntax": ("x = 1\ny = = 2\n", 2, "no Python"),
    "exception": (f"{HEAD}1/0\n", LINE, "ZeroDivisionError"),
    "exception below": (f"{HEAD}def f():\n    return {{}}['a']\nf()\n", LINE + 1, "KeyError"),
    "leaves": ("import sys\nsys.exit(4)\n", 2, "SystemExit"),
    "import": ("import no_such_module_here\n", 1, "ModuleNotFoundError"),
    "nothing": ("x = 1\n", None, "holds no claim"),
    "source": (f"{HEAD}C = claim('m/c', source=' ')\n", LINE, "m/c has no source"),
    "title": (f"{HEAD}C = claim('m/c', title='')\n", LINE, "m/c has no title"),
    "statement": (f"{HEAD}C = claim('m/c', statement='')\n", LINE, "m/c has no statement"),
    "id": (f"{HEAD}C = claim('mc')\n", LINE, "source/short-name"),
    "duplicate": (f"{HEAD}C = claim('m/c')\n\nD = claim('m/c')\n", LINE + 2, "two claims"),
    "unsettled": (f"{HEAD}C = claim('m/c', solve=Absent('no'))\n", LINE, "nothing settles"),
    "not text": ("\x00", None, ""),
}


@pytest.mark.parametrize("case", BAD)
def test_an_error_is_one_sentence_with_its_line(tmp_path: Path, case: str) -> None:
    text, line, words = BAD[case]
    result = run(str(write(tmp_path, text)), "--out", str(tmp_path / "out"))
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert words in result.stderr
    if line is not None:
        assert f"mine.py, line {line}:" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_runs_only_when_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "open('ran', 'w').close()\n")
    write(tmp_path, "open('ran', 'w').close()\n", "sitecustomize.py")
    assert run("mine", "--out", "out").exit_code == 2
    assert not (tmp_path / "ran").exists()
    with pytest.raises(InputError, match="no file"):
        claims_in(tmp_path / "other.py")


def test_two_files_with_one_id_are_refused(tmp_path: Path) -> None:
    one, two = (write(tmp_path, f"{HEAD}C = claim('m/c')\n", name) for name in ("one.py", "two.py"))
    result = run(str(one), str(two), "--out", str(tmp_path / "out"))
    assert result.exit_code == 2
    assert f"two.py, line {LINE}" in result.stderr


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_the_report_is_that_of_any_claim(tmp_path: Path, jobs: str) -> None:
    file = write(tmp_path, f"{HEAD}C, D = claim('m/c'), claim('m/d', statement='$2$')\n")
    result = run(str(file), "--out", str(tmp_path / "out"), "--jobs", jobs, "--device", "cpu", "--json")
    assert result.exit_code == 0, result.output
    assert set(json.loads(result.stdout)["claims"]) == {"m/c", "m/d"}
    assert "m/c" in (tmp_path / "out" / "report.json").read_text()


def test_an_edited_file_is_run_again(tmp_path: Path) -> None:
    arguments = (str(tmp_path / "mine.py"), "--out", str(tmp_path / "out"), "--jobs", "2", "--device", "cpu")
    for number in (1, 7):
        write(tmp_path, (HEAD + "C = claim('m/c')\n").replace('"x": 1', f'"x": {number}'))
        from etatrick.validation import code_version, subjects

        for cached in (code_version._sha, code_version.closure, subjects.subjects_of):
            cached.cache_clear()  # as in a new process
        assert run(*arguments).exit_code == 0
        report = json.loads((tmp_path / "out" / "report.json").read_text())
        assert report["claims"][0]["solved"]["data"]["a"]["x"] == number


def test_an_edit_of_equal_length_in_the_same_moment_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    for title in ("one", "two"):
        file = write(tmp_path, HEAD + f"C = claim('m/{title}')\n")
        os.utime(file, ns=(10**18, 10**18))
        assert [each.id for each in claims_in(file)] == [f"m/{title}"]
    assert not (tmp_path / "__pycache__").exists()


def test_the_template_of_the_guide_runs_and_conforms(tmp_path: Path) -> None:
    templates = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (template,) = [text for text in templates if "Claim(" in text]
    (claim,) = claims_in(write(tmp_path, template, "template.py"))
    assert check_claim(claim).holds
