from .arrangement import Rows as Rows
from .outcome import OutputsFit as OutputsFit
from .outcome import OutputsPath as OutputsPath
from .outputs_fit import fit_outputs as fit_outputs
from .outputs_path import fit_outputs_path as fit_outputs_path
from .outputs_path import largest_outputs_lam as largest_outputs_lam
from .recognition import has_several_outputs as has_several_outputs
