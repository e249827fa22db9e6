from .fitting import fit as fit
from .paths import fit_path as fit_path
from .paths import largest_lam as largest_lam
from .result import Ending as Ending
from .result import Fit as Fit
from .result import FitPath as FitPath
