"""Does it agree? Equivalence within margins, bands over seeds, effect sizes, seeds to run, and negative controls."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
