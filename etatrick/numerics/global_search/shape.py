"""What the search asks of a penalty of one coordinate."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from etatrick.theory.verdict import Status

    Floats = NDArray[np.float64]


class Shape(Protocol):
    """Ω(|w|) ≥ 0, nondecreasing in |w|, with Ω(0) = 0; `scalar_minimum` and `segments` know its kind."""

    @property
    def jump(self) -> float:
        """Ω(0+)."""

    @property
    def height(self) -> float:
        """Ω of a coordinate that is large, which is where Ω is flat; 0 if that is nowhere."""

    @property
    def kink(self) -> float | None:
        """Where the slope drops at once, if it does."""

    @property
    def local(self) -> bool:
        """Whether `segments` depend on the point they are made at."""

    @property
    def certainty(self) -> "Status":
        """What a bound rests on: "certified" where the rounding of Ω is bounded, "checked" where it was sampled."""

    def value(self, coef: "Floats") -> "Floats":
        """Return Ω(|w|)."""

    def steepness(self, size: "Floats") -> "Floats":
        """Return Ω′(t) for t > 0."""

    def bending(self, size: "Floats") -> "Floats":
        """Return Ω″(t) for t > 0."""

    def error(self, coef: "Floats") -> "Floats":
        """Return a bound of the rounding error of `value` beyond that of a few operations on the height."""
