"""Claims on incremental regularisation: the schedule of its factors, and which groups it removes."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim, Setting
from etatrick.validation.ledger.theorems import OURS
from etatrick.validation.ledger.thresholds_scalar import SEARCH
from etatrick.validation.routes import Absent, Fact, Pair, Trial, numbers, proof, trained

if TYPE_CHECKING:
    import numpy as np

WANG: Final = "Wang, Zhang, Wang, Yu, Hu 2018 (IncReg), and its public code"


def increment(rank: Any, quota: float, size: float, u: float = 0.25) -> Any:
    """Return what is added to the factor of a group at (mean) rank r, 0 for the smallest, elementwise.

    Examples
    --------
    >>> import numpy as np
    >>> increment(np.array([0.0, 8.0, 20.0]), 8.0, 1.0).round(3).tolist()
    [1.0, 0.0, -10.814]
    """
    import numpy as np

    a, centre = np.log(2 / u) / quota, quota * np.log(1 / u) / np.log(2 / u)
    return np.where(rank < centre, size * np.exp(-a * rank), 2 * u * size - size * np.exp(-a * (2 * centre - rank)))


def _schedule_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    q, n, x, A = sp.symbols("q n x A", positive=True)
    u = 1 / (1 + q)
    rate = sp.log(2 * (1 + q)) / n
    centre = n * sp.log(1 + q) / sp.log(2 * (1 + q))

    def below(rank: Any) -> Any:
        return A * sp.exp(-rate * rank)

    def beyond(rank: Any) -> Any:
        return 2 * u * A - A * sp.exp(-rate * (2 * centre - rank))

    return [
        equal(below(sp.Integer(0)), A, "A for the smallest group", r"D(0) = A"),
        equal(below(centre), u * A, "uA at the centre N, from the left", r"Ae^{-aN} = uA"),
        equal(beyond(centre), u * A, "and from the right", r"2uA-Ae^{-a(2N-N)} = uA"),
        equal(below(centre - x) + beyond(centre + x), 2 * u * A, "point symmetric about (N, uA)",
              r"D(N-x)+D(N+x) = 2uA"),
        equal(beyond(n), 0, "0 at the quota", r"D(n) = 2uA-Ae^{-a(2N-n)} = 0"),
        at_least(0, sp.diff(below(x), x), "falling on the left", r"D'(r) = -aAe^{-ar} \le 0,\ r<N"),
        at_least(0, sp.diff(beyond(x), x), "and on the right, so positive inside the quota and negative outside",
                 r"D'(r) = -aAe^{-a(2N-r)} \le 0,\ r>N"),
        at_least(n, centre, "with the centre inside the quota", r"n \ge N = n\frac{\log(1/u)}{\log(2/u)}"),
    ]  # fmt: skip


def _root(rng: "np.random.Generator", control: bool = False) -> Pair:
    import numpy as np

    n, u, A = float(rng.uniform(2, 200)), float(rng.uniform(0.05, 0.9)), float(10 ** rng.uniform(-4, 0))
    low, high = 0.0, 5 * n
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if increment(np.array(middle), n, A, u) > 0 else (low, middle)
    centre = n * np.log(1 / u) / np.log(2 / u)
    return Pair(float(centre) if control else n, low, {"n": n, "u": u})


def _centre_instead(rng: "np.random.Generator") -> Pair:
    return _root(rng, control=True)


SCHEDULE: Final = Claim(
    id="increg/zero-at-the-quota",
    title="IncReg's factors rise inside the quota and fall outside it",
    statement=r"At each step $D(r)$ is added to the factor of the group of rank $r$ by size, 0 the smallest. With "
    r"$a=\log(2/u)/n$ and $N=n\log(1/u)/\log(2/u)$, $D(r)=Ae^{-ar}$ for $r<N$ and "
    r"$2uA-Ae^{-a(2N-r)}$ beyond: $D(0)=A$, $D(N)=uA$, point symmetric about $N$, falling, and $D(n)=0$ at "
    r"the quota $n$.",
    source=f"{WANG}; the zero {OURS}",
    relation="equal",
    parameters={"u": "0 < u < 1; 0.25 in the code", "n": "> 0, the number of groups to remove", "A": "> 0, the "
          "largest step"},
    derive=proof(_schedule_steps, "A, n, x > 0, 0 < u < 1", seconds=2),
    solve=numbers(_root, draws=40, control=_centre_instead, seconds=0.5, what="The quota against the root of D by "
                  "bisection; the control expects the root at the centre N."),
    observe=Absent("which groups it removes is observed under increg/removes-the-null-groups"),
    tolerance=SEARCH,
)  # fmt: skip


def _trained(quota: float) -> tuple[Any, Any]:
    """Return, by seed, how many of the 8 null and of the 4 true groups are gone, and the factors of the survivors.

    12 groups of 3 weights, 100 examples, noise 0.03; gradient steps of length 0.3 from least squares; a factor that
    reaches 2 removes its group for good.
    """
    import numpy as np

    from etatrick.validation.seeding import seed

    removed, factors = [], []
    for repetition in range(6):
        rng = np.random.default_rng(seed("claims", "increg", repetition))
        X = rng.standard_normal((100, 36)) / 10
        true = np.concatenate([rng.uniform(0.8, 1.5, 12) * rng.choice([-1, 1], 12), np.zeros(24)])
        y = X @ true + 0.03 * rng.standard_normal(100)
        gram, moment = X.T @ X, X.T @ y
        w, lam, alive, mean = np.linalg.solve(gram, moment), np.zeros(12), np.ones(12, bool), np.zeros(12)
        for step in range(1, 2001):
            rank = np.argsort(np.argsort(np.abs(w.reshape(12, 3)).sum(axis=1)))
            mean += (rank - mean) / step
            lam = np.where(alive, np.maximum(lam + increment(mean, quota, 0.01), 0), lam)
            alive &= lam < 2
            w = (w - 0.3 * (gram @ w - moment + np.repeat(lam, 3) * w)) * np.repeat(alive, 3)
        removed.append([int((~alive[4:]).sum()), int((~alive[:4]).sum())])
        factors.append(lam[:4].max())
    return np.array(removed, dtype=float), np.array(factors)


def _twelve_groups(setting: Setting) -> dict[str, Trial]:
    removed, factors = _trained(8.0)
    return {
        "null and true groups removed": Trial(removed, [8.0, 0.0]),
        "largest factor of the survivors": Trial(factors, 0.0),
        "control: a quota of 6": Trial(_trained(6.0)[0], [8.0, 0.0], "differs"),
    }


def _factor_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal, tends

    u, v, lam, d, n = sp.symbols("w v lambda D n", positive=True)
    w = v / (1 + lam)
    return [
        equal(sp.Subs(sp.Derivative((u - v) ** 2 / 2 + lam * u**2 / 2, u), u, w), 0, "a factor λ is a ridge: η = 1/λ, "
              "one unit column has w = v/(1 + λ)"),
        tends(w.subs(lam, n * d), n, sp.oo, 0, "while D > 0 the factor nD grows without limit and the weight tends "
              "to 0"),
        equal(sp.Subs(w, lam, 0), v, "at λ = 0 there is no bias"),
    ]  # fmt: skip


REMOVAL: Final = Claim(
    id="increg/removes-the-null-groups",
    title="IncReg removes the quota's groups and leaves the others unpenalised",
    statement=r"In a regression with 8 null groups of 12 and a quota of 8, exactly the null groups are removed and the "
    r"survivors end with $\lambda_g=0$: ridges with $\eta_g=1/\lambda_g$ whose factors are integrated, not optimised.",
    source=f"{WANG}; the experiment {OURS}",
    relation="equal",
    parameters={"groups": "12 of 3 weights, 100 examples", "quota": "8; the control has 6"},
    derive=proof(_factor_steps, "one unit column, v, λ, D > 0; which groups go is only observed"),
    solve=Absent("a path of an algorithm, not an optimum: there is nothing to solve"),
    observe=trained({"regression": (_twelve_groups, 3.0)}, margin=0.05),
)

CLAIMS: Final = (SCHEDULE, REMOVAL)
