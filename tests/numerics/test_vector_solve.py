"""`solve`, `path`, `lam_max` and `certify` with penalties on whole vectors: agreement, certificates and refusals."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics import certify, lam_max, path, solve
from etatrick.numerics.sparse_bayes import fit_sparse_bayes
from etatrick.numerics.vector_penalties import fit_vector_penalty
from etatrick.theory.vector import (
    Exponential,
    InverseGamma,
    JointMap,
    Ordered,
    Overlapping,
    ScaleMixture,
    SparseBayes,
    TopK,
    TrimmedRidge,
)
from tolerances import CERTIFICATE

Array = NDArray[np.float64]

RULES: dict[str, Any] = {
    "ordered": Ordered(),
    "overlapping": Overlapping(((0, 1, 2), (2, 3), (3, 4, 0), (5,))),
    "trimmed ridge": TrimmedRidge(2, 0.4),
    "student map": JointMap(InverseGamma(1.5, 0.6)),
}


def regression(n: int = 30, d: int = 6) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, d, 29])
    X = rng.standard_normal((n, d))
    return X, X[:, :3] @ [3.0, -2.0, 0.7] + 0.5 * rng.standard_normal(n)


@pytest.mark.parametrize("name", RULES)
def test_solve_and_certify(name: str) -> None:
    X, y = regression()
    found = solve(X, y + 2, RULES[name], 2.0, fit_intercept=True)
    own = fit_vector_penalty(X, y + 2, RULES[name], 2.0, fit_intercept=True)
    np.testing.assert_array_equal(found.coef, own.coef)
    assert found.converged
    proof = certify(X, y + 2, found.coef, RULES[name], 2.0, intercept=found.intercept, fit_intercept=True)
    assert proof == found.certificate
    assert certify(X, y + 2, 1.1 * found.coef, RULES[name], 2.0, fit_intercept=True).value > 1e-6
    with pytest.raises(InputError, match="intercept"):
        certify(X, y + 2, found.coef, RULES[name], 2.0, intercept=found.intercept + 1, fit_intercept=True)


def test_sparse_bayes() -> None:
    X, y = regression()
    rule = SparseBayes(X, 0.25)
    found = solve(X, y, rule, 0.25)
    np.testing.assert_array_equal(found.coef, fit_sparse_bayes(X, y, 0.25).coef)
    proof = certify(X, y, found.coef, rule, 0.25)
    assert proof.relative_kkt <= CERTIFICATE
    assert proof.locally_minimal
    wrong = certify(X, y, 1.01 * found.coef, rule, 0.25)
    assert wrong.relative_kkt > 1e-4
    assert not wrong.locally_minimal
    missed = np.where(np.abs(found.coef) == np.abs(found.coef).max(), 0.0, found.coef)
    assert certify(X, y, missed, rule, 0.25).relative_kkt > 0.1
    for refused in (lambda: solve(X, y, rule, 0.3), lambda: certify(X, y, found.coef, rule, 0.3),
                    lambda: solve(X, y, SparseBayes(2 * X, 0.25), 0.25), lambda: lam_max(X, y, rule),
                    lambda: path(X, y, rule, lams=[0.25, 0.5])):  # fmt: skip
        with pytest.raises(InputError):
            refused()


def test_paths() -> None:
    X, y = regression()
    for rule in (RULES["ordered"], RULES["overlapping"], ScaleMixture(Exponential(0.5))):
        found = path(X, y, rule, n_lams=4)
        assert found.lams[0] == pytest.approx(lam_max(X, y, rule))
        assert np.abs(found.coefs[0]).max() <= 1e-7
        assert found.coefs[-1].any()
        assert all(s.converged for s in found.solutions)
        assert all(later.objective <= earlier.objective for earlier, later in pairwise(found.solutions))
    rule = RULES["trimmed ridge"]
    found = path(X, y, rule, lams=[5.0, 0.5])
    assert all(
        s.objective <= solve(X, y, rule, lam).objective + 1e-12
        for s, lam in zip(found.solutions, found.lams, strict=True)
    )
    with pytest.raises(InputError, match="lams"):
        path(X, y, rule)


@pytest.mark.parametrize(
    "bad",
    [{"loss": "logistic"}, {"method": "working_set"}, {"method": "cvxpy"}, {"penalty": TopK(2)}, {"tol": -1.0},
     {"lam": np.inf}, {"penalty": Overlapping(((0, 1), (1, 2)))}],
    ids=str,
)  # fmt: skip
def test_bad_input(bad: dict[str, Any]) -> None:
    X, y = regression()
    good: dict[str, Any] = {"X": X, "y": y, "penalty": Ordered(), "lam": 1.0}
    with pytest.raises(InputError):
        solve(**(good | bad))


def test_sparse_designs_are_refused_not_made_dense() -> None:
    from scipy.sparse import csc_array

    X, y = regression()
    with pytest.raises(InputError, match="sparse"):
        solve(csc_array(X), y, Ordered(), 1.0)
