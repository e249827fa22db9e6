"""Bad input to exact expectations: each error names the value and the remedy."""

import numpy as np
import pytest

from etatrick.errors import InputError
from etatrick.numerics.expected.amplitudes import SparseoutNoise
from etatrick.numerics.expected.approximations import small_rate_limit
from etatrick.numerics.expected.objective import expected_loss
from etatrick.theory.noise import Bernoulli, FixedCount, Gaussian


def test_bad_input_is_named() -> None:
    rng = np.random.default_rng(0)
    X, y, w = rng.standard_normal((3, 21)), rng.standard_normal(3), rng.standard_normal(21)
    with pytest.raises(InputError, match=r"20 independent|enumeration is offered up to 20"):
        expected_loss(X, y, w, Bernoulli(21, 0.5), "huber")
    with pytest.raises(InputError, match=r"16,?384"):
        expected_loss(X, (y > 0) * 1.0, w, FixedCount((1,) * 21, 10), "logistic")
    with pytest.raises(InputError, match="largest float"):
        expected_loss([[800.0]], [1.0], [1.0], Bernoulli(1, 0.5), "poisson")
    with pytest.raises(InputError, match=r"\(0, 1\]"):
        expected_loss(X, y, w, Bernoulli(21, 1.2), "squared")
    with pytest.raises(InputError, match=r"\(0, 1\]"):
        expected_loss(X, y, w, Bernoulli(21, 0.0), "squared")
    with pytest.raises(InputError, match="21 columns"):
        expected_loss(X, y, w, Bernoulli(20, 0.5))
    with pytest.raises(InputError, match="mask law"):
        expected_loss(X, y, w, 0.5)
    with pytest.raises(InputError, match="multinomial"):
        expected_loss(X, y, w, Bernoulli(21, 0.5), "multinomial")
    with pytest.raises(InputError, match="NaN"):
        expected_loss(X * np.nan, y, w, Bernoulli(21, 0.5))
    with pytest.raises(InputError, match="one weight for each"):
        expected_loss(X, y, w[:3], Bernoulli(21, 0.5))
    with pytest.raises(InputError, match="same number of rows"):
        expected_loss(X, y[:2], w, Bernoulli(21, 0.5))
    with pytest.raises(InputError, match="independently dropped"):
        small_rate_limit(X, y, w, Gaussian(21, 0.5))
    with pytest.raises(InputError, match="q = -1"):
        SparseoutNoise(-1.0)
    with pytest.raises(InputError, match="nodes"):
        expected_loss([[1e7] * 8], [1.0], np.ones(8), Bernoulli(8, 0.5), "logistic")
