"""Proved global optima of small nonconvex problems: branch and bound, and the certificate it leaves."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
