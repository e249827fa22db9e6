"""The k-support family: norms, duals, scales and proximal maps for vectors, groups and singular values."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
