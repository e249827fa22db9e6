"""Bad input to exact expectations: each error names the value and the remedy."""

import numpy as np
import pytest

from etatrick.errors import InputError
from etatrick.numerics.expected.amplitudes import AdditiveNoise, SparseoutNoise
from etatrick.numerics.expected.approximations import quadratic_approximation, small_rate_limit
from etatrick.numerics.expected.objective import expected_loss
from etatrick.numerics.expected.perturbation import Perturbation
from etatrick.theory.noise import Bernoulli, FixedCount, Gaussian


def test_bad_input_is_named() -> None:
    rng = np.random.default_rng(0)
    X, y, w = rng.standard_normal((3, 21)), rng.standard_normal(3), rng.standard_normal(21)
    with pytest.raises(InputError, match=r"41 independent noisy terms.*exact up to 40"):
        expected_loss(np.ones((3, 41)), y, np.ones(41), Bernoulli(41, 0.5), "huber")
    with pytest.raises(InputError, match=r"21 independent.*enumeration is offered up to 20"):
        expected_loss(X, [0, 1, 2], np.ones((21, 3)), Bernoulli(21, 0.5), "multinomial")
    with pytest.raises(InputError, match="noise on features"):
        expected_loss(
            X, [0, 1, 2], np.ones((21, 3)), Perturbation(Gaussian(21, 0.5), AdditiveNoise(1.0)), "multinomial"
        )
    with pytest.raises(InputError, match="nodes"):
        expected_loss(X, [0, 1, 2], rng.standard_normal((21, 3)), Gaussian(21, 400.0), "multinomial")
    with pytest.raises(InputError, match="3 classes"):
        expected_loss(X, [0, 1, 2], np.ones((21, 2)), Bernoulli(21, 0.5), "multinomial")
    with pytest.raises(InputError, match="one number, or numbers of shape"):
        expected_loss(X, y, w, Bernoulli(21, 0.5), offset=[1.0, 2.0])
    with pytest.raises(InputError, match="sample_weight"):
        expected_loss(X, y, w, Bernoulli(21, 0.5), sample_weight=[1.0, -1.0, 0.0])
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
    for refused in (small_rate_limit, quadratic_approximation):
        with pytest.raises(InputError, match="multinomial"):
            refused(X, [0, 1, 2], np.ones((21, 3)), Bernoulli(21, 0.5), "multinomial")
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
