"""Gate laws: penalties of trained gates whose duality has no closed form, as infima along a curve (η(θ), f(θ))."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.gates.envelope import Corner, Curve, Jump, envelope, monotone_root, stretched
from etatrick.theory.gates.verdicts import universal
from etatrick.theory.numbers import magnitudes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from etatrick.theory.verdict import Verdict


@dataclass(frozen=True)
class GateLaw(ABC):
    r"""A law of random gates s with latent parameters θ, whose expected squared loss and price are minimised over θ.

    .. math:: \Omega(w) = \tfrac12 \inf_\theta \Big[ \frac{w^2}{\eta(\theta)} + f(\theta) \Big], \qquad
              \eta(\theta) = \frac{(\mathrm{E}\,s)^2}{\mathrm{Var}\,s}

    with f the price of θ (twice a divergence from a prior, or a probability of staying open). A law is a curve
    in one latent number t along which η and f grow; Ω is found by comparing all local minima, the ends of the
    curve included. Subclasses give the curve and what is known about it; the four symbolic forms of
    :class:`etatrick.theory.Duality` are None unless a subclass has one. Methods take |x| and work elementwise.

    Examples
    --------
    >>> from etatrick.theory.gates.laws import HardConcrete
    >>> HardConcrete().penalty_at([0.1, 0.5, 1.0]).round(6)
    array([0.138371, 0.48903 , 0.5     ])
    """

    penalty: ClassVar[Any] = None
    eta_hat: ClassVar[Any] = None
    alpha: ClassVar[Any] = None
    parameters: ClassVar[tuple[Any, ...]] = ()

    @property
    def dual(self) -> Any:
        """f(η) as a sympy expression, or None."""
        return None

    @property
    @abstractmethod
    def span(self) -> tuple[float, float]:
        """The range of t outside which no minimiser lies, or where log u is a straight line in t."""

    @property
    @abstractmethod
    def formulas(self) -> tuple[str, str]:
        """1/η and f in the latent parameters, in LaTeX."""

    @property
    @abstractmethod
    def limit(self) -> float:
        """The price of η → ∞, possibly infinite."""

    @abstractmethod
    def curve(self, t: Any) -> Curve:
        """Return log(1/η), f and log u for latent numbers t, where u = −df/d(1/η) is the stationary w²."""

    @abstractmethod
    def own_verdicts(self) -> Mapping[str, "Verdict"]:
        """Return the conditions that need an argument of this law's own."""

    def lower_ends(self) -> tuple[Corner, ...]:
        """Return the ends of the curve at small η that can hold a minimum."""
        return ()

    def upper_ends(self) -> tuple[Corner, ...]:
        """Return the ends of the curve at large η that can hold a minimum."""
        return ()

    def penalty_at(self, x: "ArrayLike") -> "NDArray[np.float64]":
        """Return Ω(|x|), the global minimum over the gate's parameters.

        Raises
        ------
        InputError
            If `x` holds NaN or infinite values.
        """
        log_v, log_rho, dual = self._minimum(x)
        with np.errstate(over="ignore"):
            return np.asarray((np.exp(log_v + log_rho) + dual) / 2)

    def eta_hat_at(self, x: "ArrayLike") -> "NDArray[np.float64]":
        """Return η̂(|x|), the minimiser; where two tie, the smaller. At 0 it is the limit from the right."""
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(-self._minimum(x)[1]))

    def slope_at(self, x: "ArrayLike") -> "NDArray[np.float64]":
        """Return Ω′(|x|) = |x|/η̂(|x|), from the left where Ω has a kink, from the right at 0."""
        log_v, log_rho, _ = self._minimum(x)
        return np.asarray(np.exp(log_v / 2 + log_rho))

    def alpha_at(self, x: "ArrayLike", lam: float) -> "NDArray[np.float64]":
        """Return the retain probability α(|x|) = η̂/(η̂+λ) of the Bernoulli mask with the same variance.

        Raises
        ------
        InputError
            If `lam` is not a finite number > 0.
        """
        if not (np.isfinite(lam) and lam > 0):
            raise InputError(f"lam = {lam}", "λ must be a finite number > 0", "choose e.g. lam=0.01")
        with np.errstate(over="ignore"):
            return np.asarray(1 / (1 + lam * np.exp(self._minimum(x)[1])))

    def dual_at(self, e: "ArrayLike") -> "NDArray[np.float64]":
        """Return the price f of the gate with η = e, whether or not a weight uses it.

        Below the smallest η of the curve f is its infimum 0 where the law may go there at no gain, and +∞ where
        it may not; f(0) is the limit.
        """
        level = magnitudes(e)
        t = stretched(*self.reach)
        grid = -self.curve(t).log_rho
        with np.errstate(divide="ignore"):
            log_eta = np.log(level)
        found = monotone_root(lambda s: -self.curve(s).log_rho, t, grid, np.clip(log_eta, grid[0], grid[-1]).ravel())
        return np.where(log_eta <= grid[0], 0.0, self.curve(found).dual.reshape(level.shape))

    @property
    def reach(self) -> tuple[float, float]:
        """The range of t that covers all η a float can hold."""
        return self.span

    def canonical_dual_at(self, e: "ArrayLike") -> "NDArray[np.float64]":
        """Return the f that Ω determines, sup_w [2Ω(w) − w²/e]: the convex envelope of f as a function of 1/η.

        It equals :meth:`dual_at` where minimisers lie, and is a chord across the jumps of η̂.
        """
        level = magnitudes(e)
        with np.errstate(divide="ignore"):
            log_rho = -np.log(level)
        pieces, jumps = envelope(self).pieces, envelope(self).jumps()
        starts = [0.0, *(jump.eta_right for jump in jumps)]
        stops = [*(jump.eta_left for jump in jumps), np.inf]
        values = np.zeros_like(level)
        for piece, start, stop in zip(pieces, starts, stops, strict=True):
            here = (level >= start) & (level <= stop)
            values[here] = piece.dual_for(log_rho[here])
        for jump in jumps:
            here = (level > jump.eta_left) & (level < jump.eta_right)
            values[here] = 2 * self.penalty_at(jump.w) - jump.w**2 / level[here]
        return np.where(level <= self._smallest, 0.0, values)

    @property
    def _smallest(self) -> float:
        return float(self.eta_hat_at(0.0))

    def jumps(self) -> tuple[Jump, ...]:
        """Return where η̂ jumps; Ω has a concave kink there."""
        return envelope(self).jumps()

    @property
    def conditions(self) -> "Mapping[str, Verdict]":
        """Verdicts by name, as :attr:`etatrick.theory.Duality.conditions` with "continuous_prox" beside them."""
        return _settled(self)

    def latex(self) -> str:
        """Return Ω as the infimum over the gate's parameters, in LaTeX."""
        rho, price = self.formulas
        rows = (r"\Omega(w) &= \tfrac12\inf_\theta\big[w^2/\eta(\theta)+f(\theta)\big]",
                rf"\frac{{1}}{{\eta(\theta)}} &= {rho}", rf"f(\theta) &= {price}")  # fmt: skip
        return r"\begin{aligned}" + r" \\ ".join(rows) + r"\end{aligned}"

    def _repr_latex_(self) -> str | None:
        try:
            return f"$\\displaystyle {self.latex()}$"
        except Exception:  # a display hook must never raise
            return None

    def _minimum(self, x: "ArrayLike") -> tuple[Any, Any, Any]:
        """Return log w² (for w = 0 a number at which w, η̂ and Ω underflow), log(1/η̂) and f(η̂), in the shape of x."""
        size = magnitudes(x)
        log_v = np.full(size.shape, -1520.0)
        np.log(size, out=log_v, where=size > 0)
        log_v[size > 0] *= 2
        log_rho, dual = envelope(self).minimum(log_v.ravel())
        return log_v, log_rho.reshape(size.shape), dual.reshape(size.shape)


@dataclass(frozen=True)
class CountingLaw(GateLaw):
    """A law of gates s in [0, 1] whose price f is the probability that the gate is open, P(s ≠ 0).

    The law must reach an open gate without noise (f = 1, η = ∞) and come as near to a closed one as one likes.
    """

    @property
    def limit(self) -> float:
        """An open gate costs 1."""
        return 1.0


@lru_cache(maxsize=64)
def _settled(law: GateLaw) -> "Mapping[str, Verdict]":
    return MappingProxyType({**universal(law), **law.own_verdicts()})
