"""etatrick: which penalty does a dropout scheme impose, is the claim true, and does a trained network agree."""

import lazy_loader as lazy

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
