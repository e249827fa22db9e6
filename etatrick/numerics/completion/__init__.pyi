from .accelerated import SpectralFit as SpectralFit
from .models import complete_matrix as complete_matrix
from .models import fit_multi_output as fit_multi_output
