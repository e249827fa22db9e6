"""The norms that structured dropout imposes on the product of two weight matrices, with their proofs and bounds."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
