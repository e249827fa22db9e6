from .fitting import fit_groups as fit_groups
from .paths import fit_group_path as fit_group_path
from .paths import largest_group_lam as largest_group_lam
from .penalties import NonconvexSparseGroups as NonconvexSparseGroups
from .penalties import SparseGroupLasso as SparseGroupLasso
