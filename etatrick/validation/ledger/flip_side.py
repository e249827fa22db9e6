"""Claims of LeJeune, Javadi, Baraniuk, "The Flip Side of the Reweighted Coin" (2021)."""

from typing import Final

from etatrick.validation.claim import Claim, Part, Route
from etatrick.validation.experiments import (
    log_sum_digits,
    log_sum_forms,
    log_sum_linear,
    log_sum_observed,
    log_sum_solutions,
)

SOURCE: Final = "LeJeune, Javadi, Baraniuk, NeurIPS 2021 (arXiv 2106.07769)"

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
    parameters={"ε": "ε > 0", "λ": "λ > 0"},
    derive=Route(
        (Part("forms", "derive the four forms and prove their conditions", log_sum_forms.derive_forms, 5),),
        log_sum_forms.conclude,
    ),
    solve=Route(
        (
            Part("log-sum path", "solve the log-sum path", log_sum_solutions.log_sum_path, 4),
            Part("lasso path", "solve the lasso path and compare with cvxpy", log_sum_solutions.lasso_path, 4),
            Part("exact masks", "average over every mask exactly", log_sum_solutions.exact_masks, 1),
        ),
        log_sum_solutions.conclude,
    ),
    observe=Route(
        (
            Part("gaussian", "train with adaptive Gaussian masks", log_sum_linear.gaussian, 18),
            Part("bernoulli", "train with floored Bernoulli masks", log_sum_linear.bernoulli, 7),
            Part("linear control", "train with a fixed rate (control)", log_sum_linear.control, 5),
            Part("LogSum", "train networks: LogSum", log_sum_digits.log_sum, 15),
            Part("AdaTikhonov", "train networks: AdaTikhonov", log_sum_digits.ada_tikhonov, 15),
            Part("AdaProx", "train networks: AdaProx", log_sum_digits.ada_prox, 16),
            Part("η-trick", "train networks: η-trick", log_sum_digits.eta_trick, 30),
            Part(log_sum_digits.CONTROLS[0], "train networks: fixed rate (control)", log_sum_digits.fixed_rate, 18),
            Part(log_sum_digits.CONTROLS[1], "train networks: ℓ1 (control)", log_sum_digits.equal_slope, 14),
        ),
        log_sum_observed.conclude,
    ),
)
