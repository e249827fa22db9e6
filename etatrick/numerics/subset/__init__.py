"""Best subsets of columns for least squares: ℓ0 by exchanges, ending where no single exchange helps, and proved so."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
