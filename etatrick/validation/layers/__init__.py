"""Dropout masks and gates as drop-in layers, each with its exact moments and its penalty twin."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
