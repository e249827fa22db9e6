"""The catalogue of penalties: one small object each, stated once in the form its source uses (w ≥ 0)."""

from typing import Final

from etatrick.theory.catalogue import Family as Penalty
from etatrick.theory.catalogue import families
from etatrick.theory.parameters import Parameter

REFERENCE: Final = "LeJeune, Javadi, Baraniuk 2021"

SCALE: Final = Parameter("c", meaning="squared scale")

penalties: Final = families(
    "penalty",
    Penalty("ridge", "penalty", "w**2/(2*c)", [Parameter("c", meaning="weight η̂")], "Hoerl, Kennard 1970"),
    Penalty("l1", "penalty", "k*w", [Parameter("k", meaning="slope")], "Tibshirani 1996"),
    Penalty("lp", "penalty", "w**p/p", [Parameter("p", 0, 2, meaning="exponent")], REFERENCE),
    Penalty("elastic_net", "penalty", "w + mu*w**2/2", [Parameter("mu", meaning="curvature")], "Zou, Hastie 2005"),
    Penalty("log_sum", "penalty", "log(1 + w/epsilon)", [Parameter("epsilon", meaning="knee")],
            "Candès, Wakin, Boyd 2008"),
    Penalty("fair", "penalty", "w - log(1 + w)", [], "Fair 1974"),
    Penalty("cauchy", "penalty", "c*log(1 + w**2/c)/2", [SCALE], "Black, Anandan 1996"),
    Penalty("geman_mcclure", "penalty", "c*w**2/(2*(c + w**2))", [SCALE], "Geman, McClure 1985"),
)  # fmt: skip
