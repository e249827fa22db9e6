from . import numerics as numerics
from . import theory as theory
from . import validation as validation
from .errors import InputError as InputError

__version__: str
