"""Noise calculus: mask laws, their moments and covariances, and the explicit regulariser each imposes."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
