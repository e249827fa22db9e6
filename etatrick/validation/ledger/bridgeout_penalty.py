"""Claims on Bridgeout: the bridge penalty, its optimum, group Bridgeout."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim, Setting
from etatrick.validation.ledger.recipes_noise import mean_over, switches
from etatrick.validation.ledger.theorems import FORMAL
from etatrick.validation.routes import Fact, Pair, Trial, numbers, proof, trained

if TYPE_CHECKING:
    import numpy as np

PAPER: Final = "Khan, Shah, Stavness 2018, Bridgeout"
MARGIN: Final = 0.05  # of trained weights of size 1 to 2; fixed before any run
SEEDS, STEPS = {"quick": 48, "full": 192}, {"quick": 3_000, "full": 30_000}


def _bridge() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import strategies, w
    from etatrick.validation.routes.facts import at_least, conditions, equal, tends

    y, x, q, c, e, r = sp.symbols("y x q c e r", positive=True)
    mean = mean_over((y - x * (w + w ** (q / 2) * e)) ** 2 / 2, e, c)
    above, below = c * w ** (1 + r) / 2, c * w ** (1 / (1 + r)) / 2  # q > 1 and q < 1
    lasso = strategies["bridgeout"](q=1, retain=0.5).duality
    return [
        equal(mean - (y - x * w) ** 2 / 2, c * x**2 * w**q / 2, "one weight: the penalty per example",
              r"\mathbb E\,\tfrac12(y-x\tilde w)^2-\tfrac12(y-xw)^2 = \tfrac{1-p}{2p}x^2|w|^q"),
        at_least(sp.diff(above, w, 2), 0, "q = 1 + r > 1: convex", r"\tfrac{d^2}{dw^2}\,\tfrac c2w^{1+r} > 0",
                 strict=True),
        tends(sp.diff(above, w), w, 0, 0, "and without slope at 0: no exact zeros",
              r"\lim_{w\to 0^+}\tfrac{d}{dw}\,\tfrac c2w^{1+r} = 0"),
        at_least(0, sp.diff(below, w, 2), "q = 1/(1 + r) < 1: not convex",
                 r"0 > \tfrac{d^2}{dw^2}\,\tfrac c2w^{1/(1+r)}", strict=True),
        tends(sp.diff(below, w), w, 0, sp.oo, "with unbounded slope at 0: exact zeros",
              r"\lim_{w\to 0^+}\tfrac{d}{dw}\,\tfrac c2w^{1/(1+r)} = \infty"),
        *conditions(lasso, "convex", "exact_zeros", of=r"q=1,\ p=\tfrac12:\ \Omega(w)=\tfrac12|w|"),
    ]  # fmt: skip


def _masks(rng: "np.random.Generator", weighted: bool = True) -> Pair:
    """Compare with the mean over all masks of three weights, one mask per weight and example."""
    import numpy as np

    X, y, w = rng.standard_normal((5, 3)), rng.standard_normal(5), rng.standard_normal(3)
    q, p = float(rng.uniform(0.3, 2)), float(rng.uniform(0.2, 0.9))
    xi, chance = switches(3, p)
    noisy = w + np.sign(w) * np.abs(w) ** (q / 2) * xi
    computed = float(chance @ ((y[:, None] - X @ noisy.T) ** 2).sum(0)) / 2
    energy = (X**2).sum(0) if weighted else np.full(3, (X**2).sum() / 3)
    charge = (1 - p) / p * float(energy @ np.abs(w) ** q)
    return Pair((float(((y - X @ w) ** 2).sum()) + charge) / 2, computed, {"q": q, "p": p})


def _masks_unweighted(rng: "np.random.Generator") -> Pair:
    return _masks(rng, weighted=False)


def weights(setting: Setting) -> dict[str, Trial]:
    """Train linear models through the Bridgeout layer, q = 5/4, each output with noise of its own, in full batches.

    Parameters
    ----------
    setting : Setting

    Returns
    -------
    dict of str to Trial
        Tail averages, shape (seeds, 3), beside the exact optimum of the bridge penalty and least squares.
    """
    import numpy as np
    import torch

    from etatrick.validation.layers import BridgeoutLinear
    from etatrick.validation.seeding import seed

    rng = np.random.default_rng(seed("bridgeout", "data"))
    X = rng.standard_normal((8, 3)) / 8**0.5
    y = X @ np.array([1.0, -1.5, 2.0]) + 0.1 * rng.standard_normal(8)
    steps, inputs, target = STEPS[setting.level], torch.tensor(X), torch.tensor(y)[:, None]
    generator = torch.Generator().manual_seed(seed("bridgeout", "noise"))
    layer = BridgeoutLinear(3, SEEDS[setting.level], bias=False, q=1.25, retain=0.75, generator=generator).double()
    total = torch.zeros_like(layer.weight)
    for k in range(steps):
        (slope,) = torch.autograd.grad(0.5 * (layer(inputs) - target).square().sum(), layer.weight)
        with torch.no_grad():
            layer.weight.sub_(slope, alpha=0.1 / (1 + k / 500))
            total.add_(layer.weight, alpha=float(k >= steps // 2) / (steps - steps // 2))
    plain = np.linalg.lstsq(X, y, rcond=None)[0]
    return {"the layer → the bridge optimum": Trial(total.numpy(), reweighted(X, y, 1.25, 1 / 3)),
            "the layer → least squares": Trial(total.numpy(), plain, "differs")}  # fmt: skip


def reweighted(X: Any, y: Any, q: float, odds: float) -> Any:
    """Return the fixed point of ridge regressions with η = 2|w|^(2−q)/(q·odds·s²), from least squares.

    Examples
    --------
    >>> import numpy as np
    >>> reweighted(np.eye(1), np.array([2.0]), 1.0, 1.0).round(9).tolist()  # soft thresholding at ½
    [1.5]
    """
    import numpy as np

    w = np.linalg.lstsq(X, y, rcond=None)[0]
    for _ in range(1000):
        charge = odds * q / 2 * np.abs(w) ** (q - 2) * (X**2).sum(0)
        w = np.linalg.solve(X.T @ X + np.diag(charge), X.T @ y)
    return w


BRIDGE: Final = Claim(
    id="bridgeout/bridge-penalty",
    title="In linear regression Bridgeout is exactly the bridge penalty, weighted by column energies",
    statement=r"With $\tilde w=w+\mathrm{sgn}(w)|w|^{q/2}(\rho-1)$, $\rho=\mathrm{Bern}(p)/p$ per weight, the expected "
    r"loss $\tfrac12\lVert y-X\tilde w\rVert^2$ gains exactly $\tfrac{1-p}{2p}\sum_js_j^2|w_j|^q$, $s_j$ the length of "
    r"column $j$: convex iff $q\ge1$, with exact zeros iff $q\le1$.",
    source=f"{PAPER}",
    relation="equal",
    parameters={"q": "0 < q ≤ 2", "p": "0 < p < 1"},
    derive=proof(_bridge, "w, x, y, r > 0, c = (1 − p)/p", seconds=2),
    solve=numbers(_masks, draws=40, control=_masks_unweighted, what="The formula against the mean over all masks; the "
                  "control gives all columns the same energy."),
    observe=trained({"weights": (weights, 5.0)}, margin=MARGIN),
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|; TRAIN: margin 0.05 of weights of size 1 to 2",
)  # fmt: skip


def _rule() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import strategies, w
    from etatrick.validation.routes.facts import at_least, equal

    q, lam, r = sp.symbols("q lambda r", positive=True)
    duality = strategies["bridgeout"](q=1.5, retain=0.5).duality
    rule = 2 * w ** (2 - q) / (q * lam)
    return [
        equal(w / rule, sp.Derivative(lam * w**q / 2, w), "at its own w ridge has the slope of the penalty: a fixed "
              "point is stationary", r"\frac{w}{\hat\eta} = \frac{d}{dw}\,\frac{\lambda}{2}w^q,\quad "
              r"\hat\eta=\frac{2w^{2-q}}{q\lambda}"),
        equal(duality.eta_hat, sp.Rational(4, 3) * sp.sqrt(w), "as the theory derives it at q = 3/2, p = ½",
              r"\hat\eta(w) = \tfrac43\sqrt w"),
        at_least(sp.diff(lam * w ** (1 + r) / 2, w, 2), 0, "q = 1 + r: convex, so that what is stationary is least",
                 r"\frac{d^2}{dw^2}\,\frac{\lambda}{2}w^{1+r} > 0", strict=True),
    ]  # fmt: skip


def _optimum(rng: "np.random.Generator", degree: float = 1.0) -> Pair:
    """Compare a weight of the reweighted fixed point with Newton's method on the loss enumerated over masks."""
    import numpy as np
    from scipy.optimize import minimize

    X, w = rng.standard_normal((6, 2)), rng.choice([-1, 1], 2) * rng.uniform(1.5, 3, 2)
    y, q, p = X @ w, float(rng.uniform(1.1, 1.9)), float(rng.uniform(0.6, 0.9))
    xi, chance = switches(2, p)

    def loss(z: Any) -> float:
        noisy = z + np.sign(z) * np.abs(z) ** (q / 2) * xi
        return float(chance @ ((y[:, None] - X @ noisy.T) ** 2).sum(0))

    start = minimize(loss, w, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-15, "maxiter": 4000}).x
    return Pair(float(reweighted(X, y, q * degree, (1 - p) / p)[0]), float(start[0]), {"q": q, "p": p})


def _optimum_wrong(rng: "np.random.Generator") -> Pair:
    return _optimum(rng, degree=0.5)


OPTIMUM: Final = Claim(
    id="bridgeout/reweighted-ridge",
    title="Reweighted ridge with η = 2|w|^(2−q)/(qλ) ends where Bridgeout's expected loss is least",
    statement=r"For $1<q\le2$ the expected loss is convex, and a fixed point without zeros of ridge regressions with "
    r"$\hat\eta_j=2|w_j|^{2-q}/(q\lambda s_j^2)$, $\lambda=(1-p)/p$, $s_j$ the length of column $j$, is its minimiser.",
    source=f"derived for this ledger about {PAPER}",
    relation="equal",
    parameters={"q": "1 < q ≤ 2", "p": "0 < p < 1"},
    derive=proof(_rule, "w, λ, r > 0; one column of length 1", seconds=2),
    solve=numbers(_optimum, draws=5, tolerance="SOLVER", control=_optimum_wrong, seconds=2, what="The fixed point "
                  "against a direct search on the loss enumerated over masks; the control has the power q/2."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _grouped() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    y, a, b, u, v, nu, B, e, g = sp.symbols("y x1 x2 u v nu B e g", positive=True)
    size = sp.sqrt(nu * sp.sqrt(u**2 + v**2) / B)
    loss = (y - a * (u + size * e) - b * (v + size * g)) ** 2 / 2
    mean = sum(loss.subs({e: i, g: j}, simultaneous=True) for i in (1, -1) for j in (1, -1)) / 4
    return [equal(mean, (y - a * u - b * v) ** 2 / 2 + nu / (2 * B) * (a**2 + b**2) * sp.sqrt(u**2 + v**2),
                  "one example, a row of two weights, signs ±1",
                  r"\mathbb E\,\tfrac12(y-x^\top\tilde w)^2 = "
                  r"\tfrac12(y-x^\top w)^2+\tfrac{\nu}{2B}\lVert x\rVert^2\lVert w\rVert_2")]  # fmt: skip


def _rows(rng: "np.random.Generator", grouped: bool = True) -> Pair:
    """Compare with the mean over all signs for two rows of three weights."""
    import numpy as np

    X, W, Y, nu = rng.standard_normal((4, 3)), rng.standard_normal((3, 2)), rng.standard_normal((4, 2)), 0.7
    signs = 2.0 * ((np.arange(8)[:, None] >> np.arange(3)) & 1) - 1
    size = np.sqrt(nu * np.linalg.norm(W, axis=0) / len(X))
    noisy = W + size * signs[:, :, None]
    computed = float(((Y - np.einsum("ij,kjo->kio", X, noisy)) ** 2).sum(axis=(1, 2)).mean()) / 2
    charge = np.linalg.norm(W, axis=0).sum() if grouped else np.linalg.norm(W)
    stated = float(((Y - X @ W) ** 2).sum() + nu / len(X) * (X**2).sum() * charge) / 2
    return Pair(stated, computed, {"‖W‖": float(np.linalg.norm(W))})


def _rows_ungrouped(rng: "np.random.Generator") -> Pair:
    return _rows(rng, grouped=False)


GROUPS: Final = Claim(
    id="bridgeout/group-noise",
    title="Noise of size √(ν‖w_o‖/B) on every weight of row o is the group lasso",
    statement=r"Adding $\pm\sqrt{\nu\lVert w_o\rVert_2/B}$, with random signs of its own, to every weight of row $o$ "
    r"adds exactly $\tfrac{\nu}{2B}\sum_i\lVert x_i\rVert^2\sum_o\lVert w_o\rVert_2$ to the expected loss "
    r"$\tfrac12\sum_{io}(y_{io}-w_o\cdot x_i)^2$.",
    source=f"public code that accompanies {PAPER}",
    relation="equal",
    parameters={"ν": "ν > 0", "B": "the batch size"},
    derive=proof(_grouped, "y, x, w, ν, B > 0"),
    solve=numbers(_rows, draws=30, control=_rows_ungrouped, what="The formula against the mean over all signs; the "
                  "control takes the norm of all weights together."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


CLAIMS: Final = (BRIDGE, OPTIMUM, GROUPS)
