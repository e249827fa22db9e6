"""The catalogue of penalties: one small object each, stated once in the form its source uses (w ≥ 0)."""

from typing import Final

from etatrick.theory.catalogue import Family as Penalty
from etatrick.theory.catalogue import families
from etatrick.theory.parameters import Parameter

REFERENCE: Final = "LeJeune, Javadi, Baraniuk 2021"

SCALE: Final = Parameter("c", meaning="squared scale")
WIDTH: Final = Parameter("c", meaning="scale")
KNEE: Final = Parameter("epsilon", meaning="knee")

penalties: Final = families(
    "penalty",
    Penalty("ridge", "penalty", "w**2/(2*c)", [Parameter("c", meaning="weight η̂")], "Hoerl, Kennard 1970"),
    Penalty("l1", "penalty", "k*w", [Parameter("k", meaning="slope")], "Tibshirani 1996"),
    Penalty("lp", "penalty", "w**p/p", [Parameter("p", 0, 2, meaning="exponent")], REFERENCE),
    Penalty("l0", "penalty", "0", [Parameter("kappa", meaning="price of a nonzero weight")], "Natarajan 1995",
            jump="kappa"),
    Penalty("elastic_net", "penalty", "w + mu*w**2/2", [Parameter("mu", meaning="curvature")], "Zou, Hastie 2005"),
    Penalty("huber", "penalty", "Piecewise((w**2/(2*delta), w <= delta), (w - delta/2, True))",
            [Parameter("delta", meaning="width of the quadratic part")], "Huber 1964"),
    Penalty("berhu", "penalty", "Piecewise((w, w <= delta), ((w**2 + delta**2)/(2*delta), True))",
            [Parameter("delta", meaning="width of the linear part")], "Owen 2007"),
    Penalty("pseudo_huber", "penalty", "sqrt(w**2 + e**2) - e", [Parameter("e", meaning="scale")],
            "Charbonnier et al. 1997"),
    Penalty("fair", "penalty", "w - log(1 + w)", [], "Fair 1974"),
    Penalty("log_cosh", "penalty", "log(cosh(w))", [], "Green 1990"),
    Penalty("log_sum", "penalty", "log(1 + w/epsilon)", [KNEE], "Candès, Wakin, Boyd 2008"),
    Penalty("log", "penalty", "log(w)", [], "Figueiredo 2003; zero at w = 1, −∞ at 0"),
    Penalty("log_square", "penalty", "log(1 + w**2/epsilon)", [KNEE], "Chartrand, Yin 2008"),
    Penalty("cauchy", "penalty", "c*log(1 + w**2/c)/2", [SCALE], "Black, Anandan 1996"),
    Penalty("geman_mcclure", "penalty", "c*w**2/(2*(c + w**2))", [SCALE], "Geman, McClure 1985"),
    Penalty("welsch", "penalty", "c/2*(1 - exp(-w**2/c))", [SCALE], "Dennis, Welsch 1978"),
    Penalty("transformed_l1", "penalty", "(1 + a)*w/(a + w)", [Parameter("a", meaning="shape")],
            "Nikolova 2000; Zhang, Xin 2018"),
    Penalty("capped_l1", "penalty", "Piecewise((w, w <= theta), (theta, True))",
            [Parameter("theta", meaning="cap")], "Zhang 2010"),
    Penalty("truncated_quadratic", "penalty", "Piecewise((w**2/(2*delta), w <= tau), (tau**2/(2*delta), True))",
            [Parameter("tau", meaning="threshold"), Parameter("delta", meaning="weight η̂ below it")],
            "Blake, Zisserman 1987"),
    Penalty("exponential", "penalty", "c*(1 - exp(-w/c))", [WIDTH], "Bradley, Mangasarian 1998"),
    Penalty("atan", "penalty", "c*atan(w/c)", [WIDTH], "Selesnick, Bayram 2014"),
    Penalty("scad", "penalty",
            "Piecewise((w, w <= ell), ((2*a*ell*w - w**2 - ell**2)/(2*(a - 1)*ell), w <= a*ell),"
            " ((a + 1)*ell/2, True))",
            [Parameter("a", 2, meaning="shape"), Parameter("ell", meaning="end of the linear part")],
            "Fan, Li 2001"),
    Penalty("mcp", "penalty", "Piecewise((w - w**2/(2*A), w <= A), (A/2, True))",
            [Parameter("A", meaning="reach", also="gamma")], "Zhang 2010"),
    Penalty("cel0", "penalty",
            "Piecewise((kappa - (sqrt(2*kappa) - w)**2/2, w <= sqrt(2*kappa)), (kappa, True))",
            [Parameter("kappa", meaning="height")], "Soubies, Blanc-Féraud, Aubert 2015"),
)  # fmt: skip
