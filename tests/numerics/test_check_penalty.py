"""`check_penalty` on the catalogue, on classes of the user's own, and on penalties that are broken on purpose."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.majorized import majorize_minimize
from etatrick.numerics.penalty_laws import check_penalty
from etatrick.numerics.proximal import proximal_gradient
from etatrick.numerics.user_penalty import lacks, scalar_penalty
from etatrick.numerics.working_set.curve import read_curve
from etatrick.numerics.working_set.fitting import fit
from etatrick.theory import derive, penalties, strategies

Array = NDArray[np.float64]

SOUND: dict[str, Any] = {
    "ridge": penalties["ridge"](c=2),
    "l1": penalties["l1"](k=1),
    "lp": penalties["lp"](p=0.5),
    "l0": penalties["l0"](kappa=1),
    "elastic_net": penalties["elastic_net"](mu=0.5),
    "huber": penalties["huber"](delta=0.7),
    "berhu": penalties["berhu"](delta=0.7),
    "pseudo_huber": penalties["pseudo_huber"](e=0.6),
    "fair": penalties["fair"](),
    "log_sum": penalties["log_sum"](epsilon=0.5),
    "capped_l1": penalties["capped_l1"](theta=1),
    "truncated_quadratic": penalties["truncated_quadratic"](tau=1, delta=0.5),
    "scad": penalties["scad"](a=3.7, ell=0.9),
    "standout": strategies["standout"](a=3.7, b=0.4),
    "shakeout": strategies["shakeout"](c=1, drop=0.4),
    "hard_concrete": strategies["hard_concrete"](),
    "kingma_cubic": strategies["kingma_cubic"](),
    "derived": derive(eta_hat="w*(w + 3)"),
}


@pytest.mark.parametrize("name", list(SOUND))
def test_sound_penalties_pass(name: str) -> None:
    report = check_penalty(SOUND[name])
    assert report.holds, str(report)
    assert report.verdicts["prox"].status == "checked"
    assert "points" in report.verdicts["prox"].detail
    assert "tolerance" in report.verdicts["prox"].detail
    convex = name in {"ridge", "l1", "elastic_net", "huber", "berhu", "pseudo_huber", "fair"}
    assert (report.verdicts["conjugate"].status == "checked") == convex
    assert report.verdicts["cvxpy"].status == ("checked" if convex and name != "fair" else "unknown")


def test_minus_infinity_at_zero_is_refuted() -> None:
    assert check_penalty(penalties["log"]()).refuted == ("zero",)


class Mcp:
    """w − w²/4 up to 2, then 1: sound, with nothing but what is required and where the pieces meet."""

    breaks = (2.0,)

    def value(self, w: Array) -> Array:
        size = np.abs(w)
        return np.where(size < 2, size - size**2 / 4, 1.0)

    def slope(self, w: Array) -> Array:
        return np.maximum(1 - np.abs(w) / 2, 0.0)


class Absolute:
    """|w|, with everything."""

    convex = True

    def value(self, w: Array) -> Array:
        return np.abs(w)

    def slope(self, w: Array) -> Array:
        return np.ones_like(w)

    def curvature(self, w: Array) -> Array:
        return np.zeros_like(w)

    def prox(self, v: Array, t: Any) -> Array:
        return np.asarray(np.sign(v) * np.maximum(np.abs(v) - t, 0.0))

    def conjugate(self, z: Array) -> Array:
        return np.where(np.abs(z) > 1 + 1e-15, np.inf, 0.0)

    def cvxpy(self, x: Any) -> Any:
        import cvxpy as cp

        return cp.norm1(x)


@pytest.mark.parametrize("own", [Mcp(), Absolute()], ids=lambda own: type(own).__name__)
def test_a_sound_class_of_ones_own_passes(own: Any) -> None:
    report = check_penalty(own)
    assert report.holds, str(report)
    assert report.name == type(own).__name__
    assert ("prox" in report.replaced) == isinstance(own, Mcp)
    assert report.verdicts["cvxpy"].status == ("checked" if isinstance(own, Absolute) else "unknown")


class WrongSlope(Mcp):
    def slope(self, w: Array) -> Array:
        return 1.001 * super().slope(w)


class WrongJump(Mcp):
    """Iterative thresholding with the threshold of the local, not the global minimum at t > 2."""

    def prox(self, v: Array, t: Any) -> Array:
        size = np.abs(v)
        if t >= 2:
            return np.where(size > 1.03 * np.sqrt(2 * t), v, 0.0)
        return np.asarray(np.sign(v) * np.where(size < 2, np.maximum(size - t, 0.0) / (1 - t / 2), size))


class Odd(Mcp):
    def value(self, w: Array) -> Array:
        return np.asarray(super().value(w) * np.where(w < 0, 1.5, 1.0))


class Decreasing:
    def value(self, w: Array) -> Array:
        return np.abs(w) * np.exp(-np.abs(w))

    def slope(self, w: Array) -> Array:
        return np.asarray((1 - np.abs(w)) * np.exp(-np.abs(w)))


class Lifted(Mcp):
    def value(self, w: Array) -> Array:
        return np.asarray(super().value(w) + 0.25)


class NotConvex(Mcp):
    convex = True


class WrongConjugate(Absolute):
    def conjugate(self, z: Array) -> Array:
        return np.where(np.abs(z) > 1, np.inf, 0.1)


class WrongCurvature(Mcp):
    def curvature(self, w: Array) -> Array:
        return np.where(np.abs(w) < 2, -0.25, 0.0)


class WrongModel(Absolute):
    def cvxpy(self, x: Any) -> Any:
        import cvxpy as cp

        return 2 * cp.norm1(x)


class UnevenProx(Absolute):
    def prox(self, v: Array, t: Any) -> Array:
        return np.asarray(np.maximum(v - t, 0.0))


class Raising(Mcp):
    def prox(self, v: Array, t: Any) -> Array:
        raise ValueError("not written yet")


BROKEN: list[tuple[Any, set[str]]] = [
    (WrongSlope(), {"slope"}),
    (WrongJump(), {"prox"}),
    (Odd(), {"even"}),
    (Decreasing(), {"nondecreasing", "even", "eta_hat", "prox", "stationarity"}),
    (Lifted(), {"zero"}),
    (NotConvex(), {"convexity", "conjugate"}),
    (WrongConjugate(), {"conjugate"}),
    (WrongCurvature(), {"curvature"}),
    (WrongModel(), {"cvxpy"}),
    (UnevenProx(), {"even"}),
    (Raising(), {"even", "prox", "stationarity"}),
]


@pytest.mark.parametrize(("own", "laws"), BROKEN, ids=lambda x: type(x).__name__)
def test_broken_penalties_are_refuted(own: Any, laws: set[str]) -> None:
    report = check_penalty(own)
    assert not report.holds
    assert laws <= set(report.refuted), str(report)
    untouched = {"slope", "zero", "even", "curvature"} - laws
    if isinstance(own, WrongSlope):
        untouched -= {"curvature"}  # what is wrong there follows from the slope
    assert not untouched & set(report.refuted), str(report)
    for law in laws:
        verdict = report.verdicts[law]
        assert verdict.witness, law
        assert str(verdict) in str(report)


def test_the_witness_of_a_wrong_jump_is_one() -> None:
    verdict = check_penalty(WrongJump()).verdicts["prox"]
    v, t = verdict.witness["v"], verdict.witness["t"]
    found = WrongJump().prox(np.array([v]), t)
    rival = np.array([v]) if not found.any() else np.zeros(1)

    def objective(w: Array) -> float:
        return float(((w - v) ** 2 / 2 + t * Mcp().value(w))[0])

    assert objective(rival) < objective(found)


def test_what_is_lacking_is_said() -> None:
    class Half:
        def value(self, w: Array) -> Array:
            return np.abs(w)

    assert list(lacks(Half())) == ["slope"]
    report = check_penalty(Half())
    assert not report.holds
    assert "Ω′" in report.lacking["slope"]
    assert "lacks slope(w)" in str(report)
    with pytest.raises(InputError, match="lacks slope") as caught:
        read_curve(Half())
    assert caught.value.value == "Half"
    with pytest.raises(InputError, match="is no penalty"):
        scalar_penalty(object())


def test_reports_are_frozen_and_go_to_json() -> None:
    import json

    report = check_penalty(Mcp())
    with pytest.raises(AttributeError):
        report.name = "other"  # type: ignore[misc]
    assert json.loads(json.dumps(report.to_json()))["verdicts"]["slope"]["status"] == "checked"


def test_free_parameters_are_an_error() -> None:
    with pytest.raises(InputError, match="is a family"):
        check_penalty(penalties["mcp"])


def test_solvers_take_a_class_of_ones_own() -> None:
    rng = np.random.default_rng(5)
    X = rng.standard_normal((40, 12))
    y = X[:, :3] @ [3.0, -2.0, 1.0] + 0.3 * rng.standard_normal(40)
    lam = 6.0
    twin = fit(X, y, penalties["mcp"](A=2), lam)
    for solver in (fit, proximal_gradient, majorize_minimize):
        found = solver(X, y, read_curve(Mcp()), lam)
        np.testing.assert_allclose(found.coef, twin.coef, atol=1e-9)
        assert found.relative_kkt <= 1e-10
    convex = fit(X, y, read_curve(Absolute()), lam)
    assert convex.relative_gap is not None
    assert convex.relative_gap <= 1e-12
    np.testing.assert_allclose(convex.coef, fit(X, y, penalties["l1"](k=1), lam).coef, atol=1e-9)
