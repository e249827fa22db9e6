"""Bad input to vector duals is refused with the value, the rule and a remedy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from etatrick.errors import InputError
from etatrick.theory import derive
from etatrick.theory.vector import (
    VECTOR_EXAMPLES,
    Exponential,
    Groups,
    HalfCauchy,
    InverseGamma,
    JointMap,
    L1MinusL2,
    MixingDensity,
    Ordered,
    Overlapping,
    ScaleMixture,
    SparseBayes,
    Spectral,
    TopK,
    TrimmedRidge,
)
from etatrick.theory.vector.base import Floats

LASSO = derive(penalty="w")
FREE = derive(eta_hat="w*(w+epsilon)", parameters=["epsilon"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Groups(LASSO, [[0, 1], [1, 2]]), "overlap: index 1"),
        (lambda: Groups(LASSO, [[0], [2]]), "index 1 is in no group"),
        (lambda: Groups(LASSO, [[0], []]), "different indices"),
        (lambda: Groups(LASSO, [[0, 0]]), "different indices"),
        (lambda: Groups(LASSO, [[-1, 0]]), "different indices"),
        (lambda: Groups(LASSO, [[0.5, 1]]), "different indices"),  # type: ignore[list-item]
        (lambda: Groups(LASSO, 3), "list of lists"),  # type: ignore[arg-type]
        (lambda: Groups(FREE, [[0]]), r"\.at\(epsilon"),
        (lambda: Spectral(FREE), r"\.at\(epsilon"),
        (lambda: Overlapping([[0, 2]]), "index 1 is in no group"),
        (lambda: Overlapping([[0], [0, 1]], weights=[1.0]), "each of the 2 groups"),
        (lambda: Overlapping([[0]], weights=[-1.0]), "positive number"),
        (lambda: Overlapping([[0]], weights=[np.nan]), "positive number"),
        (lambda: TopK(0), "integer ≥ 1"),
        (lambda: TopK(1.5), "integer ≥ 1"),  # type: ignore[arg-type]
        (lambda: TopK(True), "integer ≥ 1"),
        (lambda: TrimmedRidge(0, 0.5), "integer ≥ 1"),
        (lambda: TrimmedRidge(1, 0.0), "0 < retain < 1"),
        (lambda: TrimmedRidge(1, 1.0), "0 < retain < 1"),
        (lambda: TrimmedRidge(1, np.nan), "0 < retain < 1"),
        (lambda: L1MinusL2(1.1), "0 ≤ a ≤ 1"),
        (lambda: L1MinusL2(-0.1), "0 ≤ a ≤ 1"),
        (lambda: L1MinusL2(np.nan), "0 ≤ a ≤ 1"),
        (lambda: SparseBayes(np.zeros((2, 2)), 1.0), "zero column"),
        (lambda: SparseBayes(np.array([[1.0, np.nan]]), 1.0), "finite numbers"),
        (lambda: SparseBayes(np.ones(3), 1.0), "matrix"),
        (lambda: SparseBayes(np.ones((2, 2)), 0.0), "τ must be"),
        (lambda: SparseBayes(np.ones((2, 2)), np.inf), "τ must be"),
        (lambda: Exponential(-1.0), "rate"),
        (lambda: InverseGamma(0.0, 1.0), "shape a"),
        (lambda: InverseGamma(1.0, np.nan), "scale b"),
        (lambda: HalfCauchy(0), "scale s"),
    ],
)
def test_bad_parameters(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("name", VECTOR_EXAMPLES)
def test_bad_weights_and_scales(name: str) -> None:
    rule, shape = VECTOR_EXAMPLES[name].make(), VECTOR_EXAMPLES[name].shape
    for bad in (np.nan, np.inf):
        with pytest.raises(InputError, match="NaN or infinite"):
            rule.penalty_at(np.full(shape, bad))
        with pytest.raises(InputError, match="NaN or infinite"):
            rule.eta_hat_at(np.full(shape, bad))
    with pytest.raises(InputError, match=r"axis|axes"):
        rule.penalty_at(np.ones(shape)[(0,) * len(shape)])
    with pytest.raises(InputError, match="real numbers"):
        rule.penalty_at([[1.0], [1.0, 2.0]])
    with pytest.raises(InputError, match="λ must be"):
        rule.alpha_at(np.ones(shape), 0.0)
    if rule.axes == 1:
        for bad in (np.nan, -1.0):
            with pytest.raises(InputError, match="negative"):
                rule.dual_at(np.full(shape, bad))


@pytest.mark.parametrize("rule", [TopK(3), TrimmedRidge(3, 0.5), Groups(LASSO, [[0, 1, 2]]), Overlapping([[0, 1, 2]]),
                                  SparseBayes(np.eye(3), 1.0)])  # fmt: skip
def test_vectors_of_another_length(rule: Any) -> None:
    for call in (rule.penalty_at, rule.eta_hat_at, rule.dual_at):
        with pytest.raises(InputError, match=r"choose k ≤ 2|of 3 indices|3 columns"):
            call([1.0, 2.0])


def test_bad_matrices() -> None:
    rule = Spectral(LASSO)
    for bad in (np.ones((2, 3)), np.full((2, 2), np.inf)):
        with pytest.raises(InputError, match="square matrix of finite"):
            rule.dual_at(bad)
    for bad in (np.array([[1.0, 2.0], [0.0, 1.0]]), -np.eye(2)):
        with pytest.raises(InputError, match="symmetric and positive"):
            rule.dual_at(bad)


def test_one_vector_at_a_time() -> None:
    for rule in (Overlapping([[0, 1]]), SparseBayes(np.eye(2), 1.0)):
        with pytest.raises(InputError, match="one vector"):
            rule.solve(np.ones((2, 2)))
        with pytest.raises(InputError, match="NaN"):
            rule.solve([np.nan, 1.0])


def test_a_density_whose_joint_maximum_jumps_is_refused() -> None:
    """A density with a steep edge: two values of η compete, so that η̂ jumps; the mixture is still fine."""

    class Edge(MixingDensity):
        def log_at(self, eta: Floats) -> Floats:
            return -eta + 8 / (1 + np.exp(-np.clip(20 * (eta - 2), -500, 500)))

        def growth_at(self, eta: Floats) -> Floats:
            grown = 1 / (1 + np.exp(-np.clip(20 * (eta - 2), -500, 500)))
            return -eta + eta * 160 * grown * (1 - grown)

        def latex(self) -> str:
            return "p"

        @property
        def order_at_zero(self) -> float:
            return 0.0

    with pytest.raises(InputError, match="decreases near"):
        JointMap(Edge())
    assert ScaleMixture(Edge()).penalty_at([1.0]) > 0


def test_the_designs_of_a_frozen_object_cannot_change() -> None:
    X = np.eye(2)
    rule = SparseBayes(X, 1.0)
    before = float(rule.penalty_at([1.0, 1.0]))
    X[0, 0] = 5.0
    assert float(rule.penalty_at([1.0, 1.0])) == before
    with pytest.raises(ValueError, match="read-only"):
        rule.X[0, 0] = 5.0
    with pytest.raises(AttributeError):
        rule.noise = 2.0  # type: ignore[misc]
    assert Ordered() == Ordered()
