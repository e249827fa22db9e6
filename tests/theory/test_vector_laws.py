"""Laws that every vector dual obeys, over all examples; and that wrong duals are caught by them."""

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from etatrick.theory.vector import VECTOR_EXAMPLES, Example, Ordered, Spectral, VectorDuality
from etatrick.theory.vector.base import MEANINGS, Floats
from etatrick.theory.verdict import Verdict
from tolerances import FLOAT64

Law = Callable[[VectorDuality, Floats, np.random.Generator], None]


@lru_cache(maxsize=64)
def made(name: str) -> VectorDuality:
    return VECTOR_EXAMPLES[name].make()


def drawn(example: Example, rng: np.random.Generator, count: int = 12) -> Floats:
    """Weights over several orders of magnitude, with zeros, equal magnitudes and a vector of zeros among them."""
    w = rng.standard_normal((count, *example.shape)) * 10 ** rng.uniform(-2, 1, (count, *example.shape))
    w[1][..., 0] = 0.0
    w[2] = 1.5
    w[3] = 0.0
    return np.asarray(w, dtype=np.float64)


def equal(value: Floats, reference: Floats, tolerance: float = FLOAT64) -> None:
    with np.errstate(invalid="ignore"):
        same = (value == reference) | (np.abs(value - reference) <= tolerance * (1 + np.abs(reference)))
    assert same.all(), f"{value[~same]} ≠ {reference[~same]}"


def scales(rule: VectorDuality, w: Floats, rng: np.random.Generator) -> Floats:
    """Random scales: matrices M ≻ 0, or vectors with a 0 and an ∞ in some of them; half of them near η̂."""
    if rule.axes == 2:
        root = rng.standard_normal((*w.shape[:-1], w.shape[-2])) * 10 ** rng.uniform(-1, 1)
        far = root @ root.swapaxes(-1, -2) + 1e-3 * np.eye(w.shape[-2])
        turn = np.eye(w.shape[-2]) + 0.03 * rng.standard_normal(far.shape)
        near = turn @ rule.eta_hat_at(w) @ turn.swapaxes(-1, -2)
        return np.where(rng.uniform(size=(len(w), 1, 1)) < 0.5, near, far)
    near = rule.eta_hat_at(w) * rng.uniform(0.9, 1.1, w.shape)
    far = 10 ** rng.uniform(-3, 3, w.shape)
    far[0, 0], far[4, -1] = np.inf, 0.0
    return np.where(rng.uniform(size=(len(w), 1)) < 0.5, near, far)


# ----------------------------------------------------------------------------------------------------------- the laws


def attained(rule: VectorDuality, w: Floats, rng: np.random.Generator) -> None:
    """½[Σ w²/η̂ + f(η̂)] = Ω(w)."""
    del rng
    equal(rule.energy_at(w, rule.eta_hat_at(w)), rule.penalty_at(w))


def fenchel_young(rule: VectorDuality, w: Floats, rng: np.random.Generator) -> None:
    """½[Σ w²/η + f(η)] ≥ Ω(w) for all η."""
    low = rule.penalty_at(w)
    for _ in range(4):
        energy = rule.energy_at(w, scales(rule, w, rng))
        with np.errstate(invalid="ignore"):
            enough = (energy >= low) | (energy >= low - FLOAT64 * (1 + np.abs(low)))
        assert enough.all(), f"{energy[~enough]} < {low[~enough]}"


def even(rule: VectorDuality, w: Floats, rng: np.random.Generator) -> None:
    signs = rng.choice([-1.0, 1.0], w.shape if rule.axes == 1 else (*w.shape[:-1], 1))
    equal(rule.penalty_at(signs * w), rule.penalty_at(w))
    if rule.axes == 1:
        equal(rule.eta_hat_at(signs * w), rule.eta_hat_at(w))


def concave_in_squares(rule: VectorDuality, w: Floats, rng: np.random.Generator) -> None:
    """Ω(√·) lies above its chords, and does not decrease."""
    other = w[rng.permutation(len(w))] * rng.uniform(0, 3, (len(w), *[1] * rule.axes))
    share = float(rng.uniform(0.1, 0.9))
    low = share * rule.penalty_at(w) + (1 - share) * rule.penalty_at(other)
    middle = rule.penalty_at(mixed(rule, w, other, share))
    with np.errstate(invalid="ignore"):
        above = (middle == low) | (middle >= low - FLOAT64 * (1 + np.abs(low)))
    assert above.all(), f"{middle[~above]} < {low[~above]}"
    if rule.axes == 1:
        larger, before = rule.penalty_at(w * rng.uniform(1, 2, w.shape)), rule.penalty_at(w)
        with np.errstate(invalid="ignore"):
            assert ((larger == before) | (larger >= before - FLOAT64 * (1 + np.abs(before)))).all()


def mixed(rule: VectorDuality, w: Floats, other: Floats, share: float) -> Floats:
    """Return the weights whose squares, or WWᵀ, are the mean of those of two weights."""
    if rule.axes == 1:
        return np.asarray(np.sqrt(share * w**2 + (1 - share) * other**2))
    square = share * w @ w.swapaxes(-1, -2) + (1 - share) * other @ other.swapaxes(-1, -2)
    values, basis = np.linalg.eigh(square)
    return np.asarray(basis * np.sqrt(np.maximum(values, 0))[..., None, :])


LAWS: Mapping[str, Law] = {f.__name__: f for f in (attained, fenchel_young, even, concave_in_squares)}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", VECTOR_EXAMPLES)
def test_law(name: str, law: str) -> None:
    rng = np.random.default_rng([list(VECTOR_EXAMPLES).index(name), list(LAWS).index(law)])
    LAWS[law](made(name), drawn(VECTOR_EXAMPLES[name], rng), rng)


# ------------------------------------------------------------------------------------------------- what was concluded


def along(text: str, witness: Mapping[str, float]) -> Floats:
    return np.array([value for name, value in witness.items() if name.startswith(f"{text}[")])


@pytest.mark.parametrize("name", VECTOR_EXAMPLES)
def test_every_condition_has_a_verdict(name: str) -> None:
    found = made(name).conditions
    assert set(found) == set(MEANINGS)
    assert found["subquadratic"].status == "proved"
    assert all(v.detail or v.status in ("unknown", "refuted") for v in found.values())


@pytest.mark.parametrize("name", VECTOR_EXAMPLES)
def test_convexity_is_as_concluded(name: str) -> None:
    rule, verdict = made(name), made(name).conditions["convex"]
    if verdict.status == "refuted" and "a[0]" in verdict.witness:
        a, b = along("a", verdict.witness), along("b", verdict.witness)
        assert rule.penalty_at((a + b) / 2) > rule.penalty_at([a, b]).mean() + 1e-9
    if verdict.holds:
        rng = np.random.default_rng(5)
        a, b = drawn(VECTOR_EXAMPLES[name], rng), drawn(VECTOR_EXAMPLES[name], rng)
        mean = (rule.penalty_at(a) + rule.penalty_at(b)) / 2
        assert (rule.penalty_at((a + b) / 2) <= mean + FLOAT64 * (1 + mean)).all()


@pytest.mark.parametrize("name", VECTOR_EXAMPLES)
def test_homogeneity_is_as_concluded(name: str) -> None:
    rule, verdict = made(name), made(name).conditions["homogeneous"]
    w = drawn(VECTOR_EXAMPLES[name], np.random.default_rng(6))[4:]
    if verdict.holds:
        base, double = rule.penalty_at(w), rule.penalty_at(2 * w)
        if np.isfinite(base).all():
            degrees = np.log2(double / base)
            equal(degrees, np.full_like(degrees, np.round(degrees[0])))
        else:
            assert np.array_equal(base, double)
    elif verdict.status == "refuted" and "w[0]" in verdict.witness:
        point = along("w", verdict.witness)
        first, second, third = (float(rule.penalty_at(t * point)) for t in (1, 2, 4))
        assert abs(second / first - third / second) > 1e-9


@pytest.mark.parametrize("name", VECTOR_EXAMPLES)
def test_kinks_at_zero_are_as_concluded(name: str) -> None:
    rule, verdict = made(name), made(name).conditions["exact_zeros"]
    origin = float(rule.penalty_at(np.zeros(VECTOR_EXAMPLES[name].shape)))
    v = np.abs(drawn(VECTOR_EXAMPLES[name], np.random.default_rng(7))[4:]) + 0.1
    slopes = [(rule.penalty_at(t * v) - origin) / t for t in (1e-4, 1e-8)]
    if verdict.holds:
        assert (slopes[1] > 1e-3).all()
        assert (slopes[1] >= 0.5 * slopes[0]).all()
    elif "v[0]" in verdict.witness:
        direction = along("v", verdict.witness)
        assert float(rule.penalty_at(1e-8 * direction) - origin) <= 1e-3 * 1e-8


# --------------------------------------------------------------------------------------------------- shape and data


@pytest.mark.parametrize("name", VECTOR_EXAMPLES)
def test_shapes_alpha_and_pickles(name: str) -> None:
    rule, shape = made(name), VECTOR_EXAMPLES[name].shape
    w = drawn(VECTOR_EXAMPLES[name], np.random.default_rng(8), count=6).reshape(3, 2, *shape)
    copy = pickle.loads(pickle.dumps(rule))  # noqa: S301
    assert rule.penalty_at(w).shape == (3, 2)
    assert rule.penalty_at(w[0, 0]).shape == ()
    assert np.array_equal(copy.penalty_at(w), rule.penalty_at(w))
    retain = rule.alpha_at(w, lam=0.7)
    sizes = np.linalg.eigvalsh(retain) if rule.axes == 2 else retain
    assert ((sizes >= -1e-12) & (sizes <= 1 + 1e-12)).all()
    if rule.axes == 1:
        eta = rule.eta_hat_at(w)
        assert eta.shape == w.shape
        finite = np.isfinite(eta)
        equal(retain[finite], eta[finite] / (eta[finite] + 0.7))
        assert (retain[~finite] == 1).all()
    empty = np.zeros((0, *shape))
    assert rule.penalty_at(empty).shape == (0,)
    shown = rule._repr_latex_()
    assert shown is not None
    assert shown.count("{") == shown.count("}")


# --------------------------------------------------------------------------------------------------- negative controls


@dataclass(frozen=True)
class Perturbed(VectorDuality):
    """The wedge with one of its forms changed."""

    penalty_factor: float = 1.0
    scale_factor: float = 1.0
    dual_factor: float = 1.0
    power: float = 1.0

    @property
    def conditions(self) -> Mapping[str, Verdict]:
        return {}

    def latex(self) -> str:
        raise RuntimeError

    def _penalty(self, w: Floats) -> Floats:
        return self.penalty_factor * Ordered()._penalty(w) ** self.power

    def _eta_hat(self, w: Floats) -> Floats:
        return self.scale_factor * Ordered()._eta_hat(w)

    def _dual(self, eta: Floats) -> Floats:
        return self.dual_factor * Ordered()._dual(eta)


@pytest.mark.parametrize(
    ("law", "changes"),
    [
        ("attained", {"scale_factor": 1.001}),
        ("attained", {"dual_factor": 0.999}),
        ("attained", {"penalty_factor": 1.001}),
        ("fenchel_young", {"penalty_factor": 1.1}),
        ("fenchel_young", {"dual_factor": 0.8}),
        ("concave_in_squares", {"power": 4.0}),
        ("concave_in_squares", {"penalty_factor": -1.0}),
    ],
)
def test_a_wrong_dual_breaks_a_law(law: str, changes: dict[str, Any]) -> None:
    rng = np.random.default_rng(9)
    w = drawn(VECTOR_EXAMPLES["ordered"], rng)
    LAWS[law](Perturbed(), w, np.random.default_rng(10))
    with pytest.raises(AssertionError):
        LAWS[law](Perturbed(**changes), w, np.random.default_rng(10))
    assert Perturbed()._repr_latex_() is None


def test_a_penalty_that_sees_signs_is_not_even() -> None:
    @dataclass(frozen=True)
    class Signed(Perturbed):
        def _penalty(self, w: Floats) -> Floats:
            return np.asarray(np.maximum(w, 0).sum(axis=1))

    with pytest.raises(AssertionError):
        even(Signed(), drawn(VECTOR_EXAMPLES["ordered"], np.random.default_rng(11)), np.random.default_rng(12))


def test_a_matrix_dual_with_the_wrong_scalar_dual_is_caught() -> None:
    from etatrick.theory import Duality, derive

    right = derive(penalty="w")
    wrong = Duality("penalty", right.penalty, right.eta_hat, right.dual * 2 / 3, right.alpha)
    rng = np.random.default_rng(13)
    w = drawn(VECTOR_EXAMPLES["nuclear"], rng)
    for law in (attained, fenchel_young):
        law(Spectral(right), w, np.random.default_rng(14))
        with pytest.raises(AssertionError):
            law(Spectral(wrong), w, np.random.default_rng(14))
