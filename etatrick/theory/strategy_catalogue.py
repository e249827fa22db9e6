"""The catalogue of adaptive dropout strategies: each stated once by its rule, dual, noise or gate law (λ = 1 gauge)."""

from typing import Final

from etatrick.theory.built import Built
from etatrick.theory.catalogue import Catalogue, families
from etatrick.theory.catalogue import Family as Strategy
from etatrick.theory.parameters import Parameter

LEJEUNE: Final = "LeJeune, Javadi, Baraniuk 2021"

RETAIN: Final = Parameter("retain", 0, 1, meaning="retain probability")
KAPPA: Final = Parameter("kappa", meaning="price of a retained weight")
TAU: Final = Parameter("tau", meaning="magnitude at which half is retained, up to a constant")
EXPONENT: Final = Parameter("q", 0, 2, "]", "degree of the noise variance")
PRIOR: Final = Parameter("prior", 0, 1, meaning="prior retain probability")

strategies: Final[Catalogue[Strategy | Built]] = families(
    "strategy",
    Strategy("fixed_rate", "alpha", "retain", [Parameter("retain", 0, 1, meaning="retain probability")],
             "Srivastava et al. 2014; Wager, Wang, Liang 2013"),
    Strategy("reweighted_log_sum", "eta_hat", "w*(w + epsilon)", [Parameter("epsilon", meaning="knee")], LEJEUNE),
    Strategy("reweighted_lp", "eta_hat", "w**(2 - p)", [Parameter("p", 0, 2, meaning="exponent")],
             "Daubechies et al. 2010"),
    Strategy("standout", "alpha", "1/(1 + exp(-(a*w + b)))",
             [Parameter("a", meaning="gain"), Parameter("b", float("-inf"), meaning="bias of the gate")],
             "Ba, Frey 2013"),
    Strategy("variational_dropout", "dual", "4*dawson_integral(sqrt(eta/2))", [],
             "Kingma, Salimans, Welling 2015; Molchanov, Ashukha, Vetrov 2017"),
    Strategy("ard", "dual", "log(1 + c*eta)", [Parameter("c", meaning="precision scale")],
             "Tipping 2001; Kharitonov, Molchanov, Vetrov 2018"),
    Strategy("gaussian_prior", "penalty", "w**2/(2*sigma**2)", [Parameter("sigma", meaning="prior deviation")],
             "Kingma, Salimans, Welling 2015"),
    Strategy("bernoulli_l0", "dual", "2*kappa*eta/(1 + eta)", [KAPPA], "Louizos, Welling, Kingma 2018"),
    Strategy("variational_bernoulli", "dual",
             "Piecewise((0, eta <= prior/(1 - prior)),"
             " (2*kappa*(eta/(1 + eta)*log(eta*(1 - prior)/prior) - log((1 + eta)*(1 - prior))), True))",
             [KAPPA, PRIOR], "Gal, Ghahramani 2016"),
    Strategy("concrete_dropout", "dual",
             "Piecewise((0, eta <= 1), (2*kappa*(eta/(1 + eta)*log(eta) - log((1 + eta)/2)), True))",
             [Parameter("kappa", meaning="weight of the entropy")], "Gal, Hron, Kendall 2017"),
    Strategy("log_retain", "dual", "2*kappa*log(eta/(1 + eta))", [KAPPA], "Lee et al. 2018 (surrogate)"),
    Strategy("log_odds", "dual", "2*kappa*log(eta)", [KAPPA], LEJEUNE),
    Strategy("bridgeout", "penalty", "(1 - retain)/(2*retain)*w**q", [EXPONENT, RETAIN],
             "Khan, Shah, Stavness 2018", gradient="differentiated", noise="(1 - retain)/retain*w**q"),
    Strategy("sparseout", "penalty", "(1 - retain)/(2*retain)*w**q", [EXPONENT, RETAIN],
             "Khan, Stavness 2019 (w is an activation)", gradient="differentiated", noise="(1 - retain)/retain*w**q"),
    Strategy("shakeout", "penalty", "drop/(1 - drop)*(w**2 + 2*c*w)/2",
             [Parameter("c", meaning="strength"), Parameter("drop", 0, 1, meaning="drop probability")],
             "Kang, Li, Tao 2016", jump="drop/(1 - drop)*c**2/2", gradient="differentiated",
             noise="drop/(1 - drop)*(w + c)**2"),
    Strategy("lasso_schedule", "alpha", "w/(w + tau)", [TAU], LEJEUNE),
    Strategy("log_schedule", "alpha", "w**2/(w**2 + tau**2)", [TAU], LEJEUNE),
    Strategy("root_schedule", "alpha", "w/sqrt(w**2 + tau**2)", [TAU], LEJEUNE),
    Strategy("debye_schedule", "alpha", "1 - exp(-w/tau)", [TAU], LEJEUNE),
    Strategy("tanh_schedule", "alpha", "tanh(w/tau)", [TAU], LEJEUNE),
    Strategy("inverse_magnitude", "alpha", "1/(1 + w**2)", [], "a negative control: larger weights are dropped more"),
    Strategy("threshold_targeting", "dual", "Piecewise((0, eta <= delta), (tau**2*(1/delta - 1/eta), True))",
             [TAU, Parameter("delta", meaning="weight η̂ below the threshold")], "Gomez et al. 2019"),
    Built("hard_concrete", "etatrick.theory.gates.laws:HardConcrete",
          [Parameter("beta", default=2 / 3, meaning="temperature"),
           Parameter("gamma", float("-inf"), 0, default=-0.1, meaning="lower stretch"),
           Parameter("zeta", 1, default=1.1, meaning="upper stretch")], "Louizos, Welling, Kingma 2018"),
    Built("beta_bernoulli", "etatrick.theory.gates.laws:BetaBernoulli", [PRIOR], "Lee et al. 2018"),
    Built("molchanov_fit", "etatrick.theory.gates.laws:MolchanovFit", [], "Molchanov, Ashukha, Vetrov 2017"),
    Built("kingma_cubic", "etatrick.theory.gates.laws:KingmaCubic", [], "Kingma, Salimans, Welling 2015"),
    Built("magnitude_pruning", "etatrick.theory.vector:TopK",
          [Parameter("k", 1, closed="[", meaning="number of weights kept")], "Blumensath, Davies 2009"),
    Built("targeted_dropout", "etatrick.theory.vector:TrimmedRidge",
          [Parameter("k", 1, closed="[", meaning="number of weights not targeted"),
           Parameter("retain", 0, 1, meaning="retain probability of the targeted weights")], "Gomez et al. 2019"),
)  # fmt: skip
