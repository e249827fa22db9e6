"""Penalised models of several outputs, squared or multinomial, with entrywise and row penalties and certificates."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
