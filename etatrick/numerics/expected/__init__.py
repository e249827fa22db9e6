"""Exact expectations of losses under dropout and weight noise: value, gradient, regulariser and minimiser."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
