from .fitting import fit as fit
from .paths import fit_path as fit_path
from .paths import largest_lam as largest_lam
