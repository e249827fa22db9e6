"""Matrix factorisation under structured dropout: closed-form minimisers, balanced factors, exactness at a width."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
