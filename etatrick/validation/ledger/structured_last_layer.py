"""Claims on dropout of the last hidden layer of any network: linear features attain the bound, ReLU features do not."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.structured_masks import HIDDEN, rescaled
from etatrick.validation.ledger.structured_minima import CLASS, block_covariance, descended, targets
from etatrick.validation.ledger.theorems import OURS
from etatrick.validation.routes import Absent, Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np

NETWORKS: Final = Absent("networks with linear and with ReLU features are trained in the experiment on the last layer")


def nonnegative(Y: Any, covariance: Any, rng: "np.random.Generator", starts: int = 6) -> float:
    """Return the least ‖Y − UGᵀ‖² + ⟨C̄, UᵀU∘GᵀG⟩ found over G ≥ 0 by projected descent."""
    import numpy as np
    from scipy.optimize import minimize

    (a, n), d = Y.shape, len(covariance)

    def objective(flat: Any) -> tuple[float, Any]:
        U, G = flat[: a * d].reshape(a, d), flat[a * d :].reshape(n, d)
        rest, left, right = U @ G.T - Y, covariance * (U.T @ U), covariance * (G.T @ G)
        slopes = rest @ G + U @ right, rest.T @ U + G @ left
        return float((rest**2).sum() + (left * (G.T @ G)).sum()), 2 * np.concatenate([s.ravel() for s in slopes])

    bounds = [(None, None)] * (a * d) + [(0.0, None)] * (n * d)
    options = {"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-9}
    begins = [np.concatenate([rng.standard_normal(a * d), rng.uniform(0, 1, n * d)]) for _ in range(starts)]
    return min(float(minimize(objective, b, jac=True, method="L-BFGS-B", bounds=bounds, options=options).fun)
               for b in begins)  # fmt: skip


def _one_sided() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    lam = sp.Symbol("lambda", positive=True)
    split, same = 2 * lam / (1 + lam), 1 + lam / (2 + lam)  # a unit per sign, or both for one example
    bound = 2 * lam / (2 + lam)
    return [
        equal(split, bound, "Y = (1, −1), two nonnegative features, one for each sign, against the bound"),
        equal(same, bound, "or both features for the same example"),
    ]


def _two_sided() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    lam, u, g, p, q = sp.symbols("lambda u g p q", positive=True)
    objective = 2 * (1 - 2 * u * g) ** 2 + 2 * lam * u**2 * 2 * g**2  # both units ±: (u, u) and features ±g
    bound, half, both = 2 * lam / (2 + lam), lam / (1 + lam), lam / (2 + lam)
    return [
        equal(sp.Subs(objective, (u, g), (1 / sp.sqrt(2 + lam),) * 2), bound, "Y = (1, −1): two features g, −g with "
              "the output weight u attain the bound"),
        equal((1 - p) ** 2 + lam * p**2, half + (1 + lam) * (p - 1 / (1 + lam)) ** 2, "a nonnegative feature has the "
              "sign of its weight at both examples: with one of each sign, outputs ±p, an example costs λ/(1 + λ)"),
        at_least(2 * half, bound, "so the two miss the bound", strict=True),
        at_least((1 - p - q) ** 2 + lam * (p**2 + q**2), both, "with two of one sign, outputs p, q, the example of "
                 "this sign costs λ/(2 + λ), the other 1"),
        at_least(1 + both, bound, "and they miss it too", strict=True),
    ]  # fmt: skip


def _features(rng: "np.random.Generator", signed: bool = False) -> Pair:
    """Compare the bound with the best features found: nonnegative ones, which include every ReLU network, or signed."""
    from etatrick.numerics.last_layer import last_layer_bound

    odds, Y, r = float(rng.uniform(0.3, 1.5)), targets(rng, 3, 6), int(rng.integers(1, 3))
    table = block_covariance(4 * r, r, odds)
    bound = last_layer_bound(Y, r, 1 / (1 + odds), 4 * r).value
    found = float((Y**2).sum()) + descended(Y, table, rng)[0] if signed else nonnegative(Y, table, rng)
    return Pair(bound, found, {"r": r, "λ": odds})


def _signed(rng: "np.random.Generator") -> Pair:
    return _features(rng, signed=True)


SIGNS: Final = Claim(
    id="structured/last-layer-is-attained",
    title="ReLU features miss the bound of a dropped last layer",
    statement=r"A large enough network with dropout or DropBlock on its last hidden layer attains $\min_A\lVert Y-A"
    r"\rVert^2+\frac\lambda B\lVert A\rVert_{sp,r}^2$.",
    source=f"{HIDDEN}, read for any activation of the last layer",
    relation="corrected",
    parameters={"r": "block size", "λ": "odds of dropping"},
    corrected=r"It does with linear last features, distinct inputs, enough units and no bias outside the mask. ReLU "
    r"features are nonnegative, and no network reaches the bound where the best features need both signs.",
    derive=refutation(_one_sided, _two_sided, "Y = (1, −1), two features, λ > 0"),
    solve=mismatch(_features, _signed, draws=6, tolerance="SOLVER", seconds=3,
                   what="The bound against the best nonnegative features found by projected descent, and against "
                   "signed ones."),
    observe=NETWORKS,
    tolerance=CLASS,
)  # fmt: skip


def _any_network() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    lam, y, u, s = sp.symbols("lambda y u s", positive=True)
    g, h = (sp.Function(name)(sp.Symbol("x", positive=True)) for name in ("g", "h"))  # any two features of an input
    mean = sum(p * q * (y - i * u * g - j * s * h) ** 2 for i, p in rescaled(lam) for j, q in rescaled(lam))
    return [equal(mean, (y - u * g - s * h) ** 2 + lam * (u**2 * g**2 + s**2 * h**2), "masks act after the features: "
                  "for any g and h of an input x the identity of one hidden layer, whose charge structured/envelope "
                  "bounds", r"\mathbb E(y-\bar z_1ug-\bar z_2sh)^2 = (y-ug-sh)^2+\lambda(u^2g^2+s^2h^2)")]  # fmt: skip


def _network(rng: "np.random.Generator", strength: float = 1.0) -> Pair:
    """Compare the bound with the objective of a random tanh network whose output weights are the best for it."""
    import numpy as np

    from etatrick.numerics.last_layer import last_layer_bound

    odds, Y, X = float(rng.uniform(0.3, 1.5)), targets(rng, 3, 6), rng.standard_normal((6, 2))
    G = np.tanh(X @ rng.standard_normal((2, 8)) * 2) @ rng.standard_normal((8, 4))
    r = int(rng.integers(1, 3))
    table = block_covariance(4, r, odds) * (G.T @ G)
    U = np.linalg.solve(G.T @ G + table, G.T @ Y.T).T
    found = float(((Y - U @ G.T) ** 2).sum() + (table * (U.T @ U)).sum())
    return Pair(strength * last_layer_bound(Y, r, 1 / (1 + odds), 4).value, found, {"r": r, "λ": odds})


def _too_strong(rng: "np.random.Generator") -> Pair:
    return _network(rng, strength=4.0)


BOUND: Final = Claim(
    id="structured/last-layer-bound",
    title="Dropout on the last hidden layer of any network has a convex lower bound",
    statement=r"For any features $G=g(X)$ and masks $z$ of blocks $\mathbb E\lVert Y-U\,\mathrm{diag}(z/\theta)G^{\top}"
    r"\rVert^2$ $\ge\min_A\lVert Y-A\rVert^2+\frac\lambda B\lVert A\rVert_{sp,r}^2$, as masks act after $g$.",
    source=f"{HIDDEN}; the form {OURS}",
    relation="lower",
    parameters={"g": "any network", "λ": "odds of dropping", "r": "block size"},
    derive=proof(_any_network, "any two features; the minimum over A is settled under structured/envelope"),
    solve=numbers(_network, draws=40, relation="lower", control=_too_strong, what="The bound against tanh networks "
                  "with the best output weights; the control is four times the bound."),
    observe=NETWORKS,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (SIGNS, BOUND)
