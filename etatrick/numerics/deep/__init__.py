"""Deep linear networks with dropout, exactly: regulariser, induced regulariser, global optimum, attaining weights."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
