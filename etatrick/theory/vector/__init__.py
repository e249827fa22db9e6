"""Vector duals: penalties that do not split into coordinates, and the scales that impose them."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
