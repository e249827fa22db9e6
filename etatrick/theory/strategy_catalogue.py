"""The catalogue of adaptive dropout strategies: each a rule for η̂ or α, stated once (λ = 1 gauge)."""

from typing import Final

from etatrick.theory.catalogue import Family as Strategy
from etatrick.theory.catalogue import families
from etatrick.theory.parameters import Parameter

strategies: Final = families(
    "strategy",
    Strategy("fixed_rate", "alpha", "retain", [Parameter("retain", 0, 1, meaning="retain probability")],
             "Srivastava et al. 2014; Wager, Wang, Liang 2013"),
    Strategy("reweighted_log_sum", "eta_hat", "w*(w + epsilon)", [Parameter("epsilon", meaning="knee")],
             "LeJeune, Javadi, Baraniuk 2021"),
    Strategy("standout", "alpha", "1/(1 + exp(-(a*w + b)))",
             [Parameter("a", meaning="gain"), Parameter("b", meaning="bias of the gate")], "Ba, Frey 2013"),
    Strategy("ard", "dual", "log(1 + c*eta)", [Parameter("c", meaning="precision scale")],
             "Tipping 2001; Kharitonov, Molchanov, Vetrov 2018"),
)  # fmt: skip
