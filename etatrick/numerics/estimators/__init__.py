"""scikit-learn estimators: penalised regression and classification with certificates, paths and a choice of λ."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
