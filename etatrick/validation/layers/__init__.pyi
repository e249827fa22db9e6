from .base import Atoms as Atoms
from .base import NoisyActivations as NoisyActivations
from .base import NoisyWeights as NoisyWeights
from .masks import AdaptiveBernoulli as AdaptiveBernoulli
from .masks import AdaptiveGaussian as AdaptiveGaussian
from .masks import FixedRate as FixedRate
from .masks import Mask as Mask
from .masks import MaskedLinear as MaskedLinear
