"""Networks and the ledger: train, measure, compare, and report every claim derived / solved / observed."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
