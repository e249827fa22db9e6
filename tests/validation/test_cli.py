"""The command line as users meet it: output, JSON, exit codes, and one clear sentence for bad input."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from etatrick.validation import cli, ledger, verification
from etatrick.validation.claim import Claim, Part, Route, Setting
from etatrick.validation.evidence import Finding

DATA = "a,b,y\n1,0,1\n0,1,2\n1,1,3.5\n2,1,4\n"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, list(arguments))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    path.write_text(DATA)
    return path


def claim(status: Any = "checked", calls: list[str] | None = None) -> Claim:
    """Return a claim that settles at once, noting which parts ran."""
    note: Any = [].append if calls is None else calls.append  # not the list, which is no constant of the part

    def work(setting: Setting) -> dict[str, Any]:
        note("ran")
        return {"x": 1}

    def conclude(results: Any) -> Finding:
        witness = {"x": 1.0} if status == "refuted" else {}
        return Finding(status, "by hand", witness=witness, summary="done", data=dict(results))

    one, two, three = (Route((Part(name, name, work),), conclude) for name in ("one", "two", "three"))
    return Claim("test/fake", "A fake", "$1 = 1$", "nobody", "equal", one, two, three)


def test_derive_prints_the_forms_and_verdicts() -> None:
    result = run("derive", "w*(w+2)")
    assert result.exit_code == 0
    assert "Ω(w) = log(w/2 + 1)" in result.output
    assert "exact_zeros" in result.output


def test_derive_json_holds_every_form_identity_and_condition() -> None:
    data = json.loads(run("derive", "w*(w+epsilon)", "--param", "epsilon", "--json").output)
    assert data["forms"]["penalty"] == "log(1 + w/epsilon)"
    assert data["parameters"] == ["epsilon"]
    assert {v["status"] for v in data["identities"].values()} == {"proved"}
    assert data["conditions"]["convex"]["status"] == "refuted"
    assert data["conditions"]["convex"]["witness"]


def test_derive_of_a_decreasing_rule_is_refuted_and_has_no_dual() -> None:
    data = json.loads(run("derive", "1/(1+w)", "--json").output)
    assert data["forms"]["dual"] is None
    assert data["conditions"]["monotone"]["status"] == "refuted"
    assert data["steps"][-1]["verdict"]["status"] == "refuted"


def test_solve_certifies(table: Path) -> None:
    data = json.loads(run("solve", str(table), "--target", "y", "--penalty", "l1:k=1", "--lam", "0.1", "--json").output)
    assert data["names"] == ["a", "b"]
    assert data["certificate"]["relative_gap"] <= 1e-12
    assert data["status"] == "converged"
    text = run("solve", str(table), "--target", "y", "--penalty", "log_sum:epsilon=0.1", "--lam", "0.01").output
    assert "KKT residual" in text


def test_claims_are_listed() -> None:
    assert "flip-side/log-sum-duality" in run("claims").output
    assert {row["relation"] for row in json.loads(run("claims", "--json").output)["claims"]} >= {"equal"}


HOSTILE = ["__import__('os').system('x')", "w.__class__", "9**9**9**9", "w+", "q*w", "1/0", "w" * 3000]
BAD = [
    *(["derive", text] for text in HOSTILE),
    ["derive", "w", "--time-limit", "0"],
    ["derive", "w*(w+epsilon)"],
    ["derive", "2", "--as", "alpha"],
    ["derive", "1-w", "--as", "penalty"],
    ["derive", "w", "--param", "exp"],
    ["solve", "{data}", "--target", "z", "--penalty", "l1:k=1", "--lam", "1"],
    ["solve", "{data}", "--target", "y", "--penalty", "lasso", "--lam", "1"],
    ["solve", "{data}", "--target", "y", "--penalty", "l1:k=-1", "--lam", "1"],
    ["solve", "{data}", "--target", "y", "--penalty", "log_sum:epsilon=0", "--lam", "1"],
    ["solve", "{data}", "--target", "y", "--penalty", "l1:k", "--lam", "1"],
    ["solve", "{data}", "--target", "y", "--penalty", "l1:k=1", "--lam", "-1"],
    ["solve", "{data}", "--target", "y", "--penalty", "l1:k=1", "--lam", "nan"],
    ["solve", "{missing}", "--target", "y", "--penalty", "l1:k=1", "--lam", "1"],
    ["verify", "no/such-claim"],
    ["verify", "--device", "abacus", "--out", "{out}"],
    ["verify", "--out", "{data}"],
    ["verify", "--out", "{data}/below"],
    ["verify", "--jobs", "0", "--out", "{out}"],
    ["verify", "--budget", "0", "--out", "{out}"],
    ["verify", "--data", "{missing}", "--out", "{out}"],
    ["verify", "missing.py", "--out", "{out}"],
    ["experiment", "no-such-experiment"],
    ["diff", "{data}", "{data}"],
    ["diff", "{missing}", "{data}"],
    ["figure", "digits-training", "--from", "{missing}"],
    ["figure", "digits-training", "--out", "{out}.txt"],
]


@pytest.mark.parametrize("arguments", BAD, ids=lambda a: " ".join(a)[:60])
def test_bad_input_gets_one_sentence_and_code_2(arguments: list[str], table: Path, tmp_path: Path) -> None:
    names = {"data": str(table), "missing": str(tmp_path / "missing.csv"), "out": str(tmp_path / "out")}
    result = run(*(a.format(**names) if a.startswith("{") else a for a in arguments))
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stderr.startswith("etatrick: ")
    assert result.stderr.count(";") >= 1  # value: rule; remedy
    assert table.read_text() == DATA


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a,a,y\n1,2,3\n", "two columns"),
        ("a,y\n1\n", "cells"),
        ("a,y\n1,x\n", "finite"),
        ("a,y\n1,inf\n", "finite"),
        ("a,y\n", "row"),
        ("y\n1\n", "besides"),
        ("", "row"),
    ],
)
def test_bad_tables_name_the_place(text: str, word: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    result = run("solve", str(path), "--target", "y", "--penalty", "l1:k=1", "--lam", "1")
    assert result.exit_code == 2
    assert word in result.stderr


def test_a_table_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(b"\xff\xfe\x00\x01")
    assert run("solve", str(path), "--target", "y", "--penalty", "l1:k=1", "--lam", "1").exit_code == 2


@pytest.mark.parametrize(("status", "code"), [("proved", 0), ("checked", 0), ("refuted", 1), ("unknown", 1)])
def test_verify_exit_code_follows_the_verdicts(
    status: Any, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etatrick.theory.catalogue import Catalogue

    monkeypatch.setattr(ledger, "claims", Catalogue("claim", {"test/fake": claim(status)}))
    result = run("verify", "--out", str(tmp_path / "out"), "--device", "cpu", "--jobs", "1", "--json")
    assert result.exit_code == code, result.output
    assert (tmp_path / "out" / "index.html").exists()
    assert json.loads(result.stdout)["claims"]["test/fake"]["derived"] == status


def test_a_second_run_uses_what_is_finished(tmp_path: Path) -> None:
    calls: list[str] = []
    for _ in range(2):
        entries, _files = verification.verify_claims(
            [claim(calls=calls)], tmp_path, verification.Plan(), command="etatrick verify"
        )
        assert entries[0].holds
    assert calls == ["ran"] * 3


def test_an_interrupt_keeps_finished_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from etatrick.theory.catalogue import Catalogue

    calls: list[str] = []
    whole = claim(calls=calls)

    def interrupted(setting: Setting) -> dict[str, Any]:
        raise KeyboardInterrupt

    assert isinstance(whole.solve, Route)
    stop = replace(whole, solve=Route((Part("two", "two", interrupted),), whole.solve.conclude))
    monkeypatch.setattr(ledger, "claims", Catalogue("claim", {"test/fake": stop}))
    assert run("verify", "--out", str(tmp_path), "--device", "cpu", "--jobs", "1").exit_code == 130
    assert not (tmp_path / "index.html").exists()
    monkeypatch.setattr(ledger, "claims", Catalogue("claim", {"test/fake": whole}))
    assert run("verify", "--out", str(tmp_path), "--device", "cpu", "--jobs", "1").exit_code == 0
    assert calls == ["ran"] * 3


@pytest.mark.parametrize("code", ["import etatrick", "from etatrick.validation import cli; cli.main(['--help'])"])
def test_start_up_loads_nothing_heavy(code: str) -> None:
    heavy = ("torch", "cvxpy", "sympy", "scipy", "matplotlib", "sklearn", "numpy")
    script = (
        f"import sys, contextlib\nwith contextlib.suppress(SystemExit):\n    exec({code!r})\n"
        f"print(sorted(m for m in {heavy!r} if m in sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip().endswith("[]")


@pytest.mark.parametrize("command", ["derive", "solve", "claims", "verify", "diff", "experiment", "figure"])
def test_every_command_teaches(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.output


def test_json_reports_are_drawn_again(tmp_path: Path) -> None:
    result = run("figure", "nothing", "--from", str(tmp_path / "none.json"), "--out", str(tmp_path / "x.svg"))
    assert result.exit_code == 2
    assert "etatrick verify" in result.stderr


def test_the_catalogue_is_listed() -> None:
    text = run("catalogue").output
    data = json.loads(run("catalogue", "--json").output)
    assert "0 < p < 2" in text
    assert len(data["penalties"]) >= 24
    assert len(data["strategies"]) >= 20
    assert data["penalties"]["lp"] == {"parameters": ["0 < p < 2"], "source": data["penalties"]["lp"]["source"]}


def test_an_entry_is_derived_by_name_and_its_proofs_are_checked_again(tmp_path: Path) -> None:
    file = tmp_path / "lp.json"
    result = run("derive", "lp", "--certificates", str(file))
    assert result.exit_code == 0
    assert "w**(2 - p)" in result.output
    again = run("recheck", str(file))
    assert again.exit_code == 0, again.output
    assert "every claim is confirmed" in again.output
    file.write_text(file.read_text().replace('"refuted"', '"proved"', 1))
    tampered = run("recheck", str(file), "--json")
    assert tampered.exit_code == 1
    assert json.loads(tampered.output)["ok"] is False


def test_certificates_that_are_none_are_refused(tmp_path: Path) -> None:
    for text in ("", "{}", '{"format": "other"}'):
        (tmp_path / "x.json").write_text(text)
        assert run("recheck", str(tmp_path / "x.json")).exit_code == 2
    assert run("recheck", str(tmp_path / "missing.json")).exit_code == 2
    assert run("derive", "hard_concrete").exit_code == 2


def test_a_figure_of_the_gallery_needs_no_report(tmp_path: Path) -> None:
    target = tmp_path / "gallery.svg"
    assert run("figure", "flip-side-figure-1", "--out", str(target)).exit_code == 0
    assert target.stat().st_size > 1000


# --- experiments --------------------------------------------------------------------------------------------------


RAN: list[str] = []  # of the module: data that a part holds in its closure belong to its version


@pytest.fixture
def experiments(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Register one small experiment; return the list that notes which of its parts ran."""
    from etatrick.theory.catalogue import Catalogue
    from etatrick.validation.evidence import Picture, Table
    from etatrick.validation.experiment import Experiment
    from etatrick.validation.experiments import registry
    from etatrick.validation.figures import GALLERY

    RAN.clear()

    def work(setting: Setting) -> dict[str, Any]:
        RAN.append(f"{setting.level} {setting.device}")
        return {"ours": 1.04}

    def conclude(results: Any) -> Finding:
        table = Table(
            "Ratios", ("method", "ours", "published"), (("a|b", results["one"]["ours"], 1.02), ("c", None, 2))
        )
        picture = Picture("deep-shrinkage", "A curve.", "A curve of | numbers.")
        return Finding("checked", "measured", summary="as published", tables=(table,), pictures=(picture,),
                       data={**GALLERY["deep-shrinkage"](), "timed": "seconds" in results["one"]})  # fmt: skip

    route = Route((Part("one", "measure", work),), conclude)
    found = Experiment("small-one", "A small one", "Does it work?", "nobody", route)
    monkeypatch.setattr(registry, "reproductions", Catalogue("experiment", {"small-one": found}))
    return RAN


def test_experiments_are_listed_and_near_names_suggested(experiments: list[str]) -> None:
    assert "Does it work?" in run("experiment").output
    assert json.loads(run("experiment", "--json").output)["experiments"][0]["parts"] == ["one"]
    result = run("experiment", "smal-one")
    assert (result.exit_code, experiments) == (2, [])
    assert "did you mean small-one?" in result.stderr


def test_an_experiment_writes_its_files_once_and_is_resumed(experiments: list[str], tmp_path: Path) -> None:
    arguments = ("experiment", "small-one", "--jobs", "1", "--device", "cpu", "--out", str(tmp_path / "out"), "--json")
    first = run(*arguments)
    assert first.exit_code == 0, first.output
    files = {Path(file).name: Path(file) for file in json.loads(first.stdout)["experiments"]["small-one"]["files"]}
    assert set(files) == {"small-one.json", "small-one.md", "small-one-deep-shrinkage.svg",
                          "small-one-deep-shrinkage.png"}  # fmt: skip
    before = {name: path.read_bytes() for name, path in files.items()}
    assert r"| a\|b | 1.04 | 1.02 |" in before["small-one.md"].decode()
    assert b"![A curve of \\| numbers.](small-one-deep-shrinkage.svg)" in before["small-one.md"]
    assert json.loads(before["small-one.json"])["finding"]["data"]["timed"] is True
    assert run(*arguments).exit_code == 0
    assert experiments == ["quick cpu"]
    assert {name: path.read_bytes() for name, path in files.items()} == before
    assert run(*arguments, "--fresh").exit_code == 0
    assert len(experiments) == 2


def test_parts_of_an_experiment_do_not_share_a_gpu_unless_told_to(experiments: list[str], tmp_path: Path) -> None:
    """With one job they run in this process, where alone the small experiment is registered."""
    arguments = ("experiment", "small-one", "--device", "meta", "--out", str(tmp_path / "out"))
    assert run(*arguments).exit_code == 0
    assert experiments == ["quick meta"]
    assert run(*arguments, "--jobs", "2", "--fresh").exit_code == 1


def test_help_is_quick() -> None:
    """Less than 0.3 s of processor time, the best of three."""
    code = (
        "import resource, subprocess, sys\nbest = 9.0\nfor _ in range(3):\n"
        "    before = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "    subprocess.run([sys.executable, '-c', 'from etatrick.validation.cli import main; main([\"--help\"])'],\n"
        "                   check=True, stdout=subprocess.DEVNULL)\n"
        "    after = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "    best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)\nprint(best)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.3
