"""Matrix completion and multi-output regression with squared spectral norms, with duality gaps."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
