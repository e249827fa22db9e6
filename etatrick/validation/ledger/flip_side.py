"""Claims of LeJeune, Javadi, Baraniuk, "The Flip Side of the Reweighted Coin" (2021)."""

from typing import Final

from etatrick.validation.claim import Claim, Part, Route
from etatrick.validation.routes import deferred
from etatrick.validation.routes.deferring import Deferred

SOURCE: Final = "LeJeune, Javadi, Baraniuk, NeurIPS 2021 (arXiv 2106.07769)"


def _run(place: str) -> Deferred:
    return deferred(f"etatrick.validation.experiments.log_sum_{place}")


LOG_SUM_DUALITY: Final = Claim(
    id="flip-side/log-sum-duality",
    title="Adaptive dropout is reweighted optimisation of the log-sum penalty",
    statement=(
        r"Dropout with retain probability $\alpha(w)=\hat\eta(w)/(\hat\eta(w)+\lambda)$, "
        r"$\hat\eta(w)=|w|(|w|+\varepsilon)$, is iteratively reweighted optimisation of "
        r"$L(w)+\lambda\sum_j\log(1+|w_j|/\varepsilon)$."
    ),
    source=SOURCE,
    relation="equal",
    parameters={"ε": "> 0", "λ": "> 0"},
    derive=Route(
        (Part("forms", "derive the four forms and prove their conditions", _run("forms:derive_forms"), 5),),
        _run("forms:conclude"),
    ),
    solve=Route(
        (
            Part("log-sum path", "solve the log-sum path", _run("solutions:log_sum_path"), 4),
            Part("lasso path", "solve the lasso path and compare with cvxpy", _run("solutions:lasso_path"), 4),
            Part("exact masks", "average over every mask exactly", _run("solutions:exact_masks"), 1),
        ),
        _run("solutions:conclude"),
    ),
    observe=Route(
        (
            Part("gaussian", "train with adaptive Gaussian masks", _run("linear:gaussian"), 18),
            Part("bernoulli", "train with floored Bernoulli masks", _run("linear:bernoulli"), 7),
            Part("linear control", "train with a fixed rate (control)", _run("linear:control"), 5),
            Part("LogSum", "train networks: LogSum", _run("digits:log_sum"), 15),
            Part("AdaTikhonov", "train networks: AdaTikhonov", _run("digits:ada_tikhonov"), 15),
            Part("AdaProx", "train networks: AdaProx", _run("digits:ada_prox"), 16),
            Part("η-trick", "train networks: η-trick", _run("digits:eta_trick"), 30),
            Part("fixed rate", "train networks: fixed rate (control)", _run("digits:fixed_rate"), 18, ("LogSum",)),
            Part("ℓ1 of equal slope", "train networks: ℓ1 (control)", _run("digits:equal_slope"), 14),
        ),
        _run("observed:conclude"),
    ),
)

CLAIMS: Final = (LOG_SUM_DUALITY,)
