"""`etatrick solve` from file to table, JSON and picture: numbers against scikit-learn, errors that name the place."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sklearn.linear_model import Lasso, LassoCV

from etatrick.numerics import certify
from etatrick.theory import penalties
from etatrick.validation import cli
from etatrick.validation.columns import read_data
from tolerances import CERTIFICATE, SOLVER

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 3)) + np.arange(3.0)
Y = 2 * X[:, 0] - X[:, 1] + 0.5 * RNG.standard_normal(40)
L1 = ("--penalty", "l1:k=1")


def run(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["solve", str(path), *arguments])


def solved(path: Path, *arguments: str) -> dict[str, Any]:
    result = run(path, *arguments, "--json")
    assert result.exit_code == 0, result.output
    data: dict[str, Any] = json.loads(result.stdout)
    return data


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["a", "response", "b", "c"])
        writer.writerows([repr(float(v)) for v in (x[0], y, x[1], x[2])] for x, y in zip(X, Y, strict=True))
    return path


def test_one_lam_is_the_lasso(table: Path) -> None:
    data = solved(table, "--target", "response", *L1, "--lam", "4")
    lasso = Lasso(alpha=4 / 40, tol=1e-14, max_iter=10**6).fit(X, Y)
    assert data["names"] == ["a", "b", "c"]
    np.testing.assert_allclose(data["coef"], lasso.coef_, rtol=0, atol=SOLVER)
    assert data["intercept"] == pytest.approx(lasso.intercept_, abs=SOLVER)
    residual = Y - X @ np.array(data["coef"]) - data["intercept"]
    assert data["objective"] == pytest.approx(residual @ residual / 2 + 4 * np.abs(data["coef"]).sum(), rel=1e-13)
    assert data["certificate"]["relative_gap"] <= CERTIFICATE
    assert data["lam"] == 4.0
    assert "path" not in data


def test_the_text_holds_every_name_and_the_proof(table: Path) -> None:
    text = run(table, "--target", "response", *L1, "--lam", "4").output
    assert all(word in text for word in ("a ", "b ", "c ", "intercept", "duality gap", "objective"))


def test_no_intercept_is_another_problem(table: Path) -> None:
    data = solved(table, "--target", "response", *L1, "--lam", "4", "--no-intercept")
    lasso = Lasso(alpha=4 / 40, tol=1e-14, max_iter=10**6, fit_intercept=False).fit(X, Y)
    np.testing.assert_allclose(data["coef"], lasso.coef_, rtol=0, atol=SOLVER)
    assert data["intercept"] == 0


def test_a_path_starts_at_zero_and_is_certified(table: Path) -> None:
    data = solved(table, "--target", "response", *L1, "--lam", "path", "--n-lams", "6")
    assert len(data["path"]) == 6
    centred = X - X.mean(axis=0)
    assert data["path"][0]["lam"] == pytest.approx(np.abs(centred.T @ (Y - Y.mean())).max())
    assert not np.any(data["path"][0]["coef"])
    for row in data["path"]:
        lasso = Lasso(alpha=row["lam"] / 40, tol=1e-14, max_iter=10**6).fit(X, Y)
        np.testing.assert_allclose(row["coef"], lasso.coef_, rtol=0, atol=SOLVER)
        assert row["certificate"]["relative_gap"] <= CERTIFICATE
    text = run(table, "--target", "response", *L1, "--lam", "path", "--n-lams", "6").output
    assert len(text.strip().splitlines()) == 7


def test_cv_chooses_as_lasso_cv(table: Path) -> None:
    data = solved(table, "--target", "response", *L1, "--lam", "cv", "--n-lams", "8", "--folds", "4")
    lams = [row["lam"] for row in data["path"]]
    theirs = LassoCV(alphas=np.array(lams) / 40, cv=4, tol=1e-10, max_iter=10**6).fit(X, Y)
    assert data["lam"] == pytest.approx(40 * theirs.alpha_)
    np.testing.assert_allclose(-2 * np.array(data["scores"]), theirs.mse_path_, rtol=SOLVER)
    np.testing.assert_allclose(data["coef"], theirs.coef_, rtol=0, atol=SOLVER)
    text = run(table, "--target", "response", *L1, "--lam", "cv", "--n-lams", "8", "--folds", "4").output
    assert text.count("chosen") == 1


def test_labels_may_be_text(tmp_path: Path) -> None:
    path = tmp_path / "kinds.csv"
    kinds = np.where(Y > 1, "high", np.where(Y < -2, "low", "middle"))
    lines = [f"{x[0]},{x[1]},{kind}" for x, kind in zip(X, kinds, strict=True)]
    path.write_text("a,b,kind\n" + "\n".join(lines) + "\n")
    data = solved(path, "--target", "kind", *L1, "--lam", "1", "--loss", "logistic")
    assert data["classes"] == ["high", "low", "middle"]
    assert np.shape(data["coef"]) == (3, 2)
    assert data["certificate"]["relative_gap"] <= CERTIFICATE
    text = run(path, "--target", "kind", *L1, "--lam", "1", "--loss", "logistic").output
    assert all(word in text for word in ("high", "low", "middle", "duality gap"))
    two = path.with_name("two.csv")
    two.write_text(path.read_text().replace("low", "middle"))
    binary = solved(two, "--target", "kind", *L1, "--lam", "cv", "--n-lams", "4", "--folds", "2", "--loss", "logistic")
    assert np.shape(binary["coef"]) == (2,)
    assert len(binary["scores"]) == 4
    result = run(path, "--target", "kind", *L1, "--lam", "cv", "--folds", "20", "--loss", "logistic")
    assert (result.exit_code, "folds" in result.stderr) == (2, True)


@pytest.mark.parametrize(("suffix", "head"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_paths_are_drawn_to_a_file(suffix: str, head: bytes, table: Path, tmp_path: Path) -> None:
    target = tmp_path / f"path.{suffix}"
    data = solved(table, "--target", "response", *L1, "--lam", "4", "--n-lams", "5", "--plot", str(target))
    assert target.read_bytes().startswith(head)
    assert data["plot"] == str(target)
    assert data["lam"] == 4.0


@pytest.mark.parametrize("loss", ["squared", "huber", "poisson", "gamma", "logistic"])
def test_a_path_of_every_loss_with_json_and_picture(loss: str, tmp_path: Path) -> None:
    path, picture = tmp_path / "data.csv", tmp_path / "path.svg"
    response = {"poisson": np.floor(np.abs(Y)), "gamma": np.exp(Y / 4), "logistic": (Y > 0).astype(int)}.get(loss, Y)
    lines = [f"{x[0]},{x[1]},{x[2]},{y}" for x, y in zip(X, response, strict=True)]
    path.write_text("a,b,c,y\n" + "\n".join(lines) + "\n")
    order = ("--target", "y", *L1, "--lam", "path", "--loss", loss, "--n-lams", "5")
    data = solved(path, *order, "--plot", str(picture))
    assert [len(row["coef"]) for row in data["path"]] == [3] * 5
    assert not np.any(data["path"][0]["coef"])
    assert np.all(data["path"][-1]["coef"])
    for row in data["path"]:
        again = certify(X, response, row["coef"], penalties["l1"](k=1), row["lam"], loss,
                        intercept=row["intercept"], fit_intercept=True)  # fmt: skip
        assert again.value <= CERTIFICATE
        assert row["converged"]
    assert picture.read_bytes().startswith(b"<?xml")
    assert len(run(path, *order).output.strip().splitlines()) == 6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b,y\n1,2,3\n4,,6\n", ("row 3", "column b", "missing")),
        ("a,b,y\n1,2,3\n4,NA,6\n", ("row 3", "column b", "missing")),
        ("a,b,y\n\n1,2,3\n4,x,6\n", ("row 4", "column b", "finite")),
        ("a,b,y\n1,2,3\n4,1_0,6\n", ("row 3", "column b", "finite")),
        ("a,b,y\n1,2,3\n4,5,inf\n", ("row 3", "column y", "finite")),
        ("a,b,c,y\n1,u,p,3\n4,v,q,6\n", ("column b, c", "finite")),
        ("a,b,c,y\n1,7,2,3\n4,7,2,6\n", ("column b, c", "constant")),
        ("a,b,y\n1,2,3\n4,6\n", ("row 3", "2 cells for 3")),
        ("a;y\n1;2\n", ("one column", "commas")),
        (",a,y\n0,1,2\n1,2,3\n", ("column 1", "name")),
        ("a,Yield,z\n1,2,3\n2,1,4\n", ("did you mean Yield?",)),
    ],
)
def test_bad_files_are_refused_by_place(text: str, words: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    result = run(path, "--target", "yield" if "Yield" in text else "y", *L1, "--lam", "1")
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert all(word in result.stderr for word in words), result.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((*L1, "--lam", "best"), "path or cv"),
        ((*L1, "--lam", "-1"), "≥ 0"),
        ((*L1, "--lam", "__import__('os')"), "finite number"),
        (("--penalty", "l2:k=1", "--lam", "1"), "no penalty"),
        (("--penalty", "log_sum", "--lam", "1"), "epsilon"),
        ((*L1, "--lam", "1", "--loss", "logisti"), "did you mean logistic?"),
        ((*L1, "--lam", "1", "--loss", "poisson"), "≥ 0"),
        ((*L1, "--lam", "1", "--loss", "logistic"), "labels"),
        ((*L1, "--lam", "1", "--plot", "path.exe"), ".svg"),
        ((*L1, "--lam", "1", "--plot", "/nowhere/path.svg"), "folder"),
        ((*L1, "--lam", "cv", "--folds", "1"), "≥ 2"),
        ((*L1, "--lam", "cv", "--folds", "41"), "40 rows"),
        ((*L1, "--lam", "path", "--n-lams", "0"), "≥ 1"),
        (("--penalty", "k_support:k=2", "--lam", "1", "--loss", "huber"), "squared"),
    ],
)
def test_bad_options_get_one_sentence(arguments: tuple[str, ...], word: str, table: Path) -> None:
    result = run(table, "--target", "response", *arguments)
    assert result.exit_code == 2, result.output
    assert len(result.stderr.strip().splitlines()) == 1
    assert word in result.stderr, result.stderr


def test_a_constant_column_may_stand_for_the_intercept(tmp_path: Path) -> None:
    path = tmp_path / "ones.csv"
    path.write_text("one,a,y\n1,2,3\n1,5,6\n")
    assert read_data(path, "y", intercept=False).names == ("one", "a")
    assert run(path, "--target", "y", *L1, "--lam", "1", "--no-intercept").exit_code == 0
    assert run(path, "--target", "y", *L1, "--lam", "1").exit_code == 2


def test_json_holds_no_infinity_and_every_digit(table: Path) -> None:
    text = run(table, "--target", "response", "--penalty", "log_sum:epsilon=0.1", "--lam", "0.1", "--json").stdout
    assert "Infinity" not in text
    assert "NaN" not in text
    data = json.loads(text)
    assert data["certificate"]["gap"] is None
    assert data["certificate"]["relative_kkt"] <= 1e-10
    assert json.loads(json.dumps(data)) == data
