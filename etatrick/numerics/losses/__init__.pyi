from .base import Loss as Loss
from .classes import Logistic as Logistic
from .classes import Multinomial as Multinomial
from .counts import Gamma as Gamma
from .counts import Poisson as Poisson
from .names import loss_named as loss_named
from .regression import Huber as Huber
from .regression import Squared as Squared
