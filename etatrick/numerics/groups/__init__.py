"""Linear and generalised linear models with penalties on groups of weights: fits and paths with certificates."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
