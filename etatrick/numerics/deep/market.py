"""Prices at which the directions' demands meet the layers' budgets: Newton's method on the convex dual."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.deep.layers import Demand, demand

if TYPE_CHECKING:
    from etatrick.numerics.deep.layers import Floats

EDGE = 0.99  # closer to the edge Σ odds/(2h + odds) = 1 than this the search stops; a bound covers what lies beyond


@final
@dataclass(frozen=True)
class Market:
    """A convex allocation problem: n directions share the budgets of k layers.

    With ``sign`` = +1, maximise Σ_j s_j Π_i h_ij/(h_ij + odds_i) over the region where every term is concave
    (Σ_i odds_i/(2h_ij + odds_i) ≤ 1); with −1, minimise Σ_j s_j Π_i (1 + odds_i/h_ij), which is convex everywhere.
    Subject to Σ_j h_ij ≤ budgets_i and 0 ≤ h_ij ≤ caps_i.

    Parameters
    ----------
    log_s : ndarray, shape (n,)
        Decreasing.
    odds, caps, budgets : ndarray, shape (k,)
        Positive, with budgets < n · caps.
    sign : {1.0, -1.0}
    """

    log_s: "Floats"
    odds: "Floats"
    caps: "Floats"
    budgets: "Floats"
    sign: float

    def at(self, prices: "Floats") -> Demand:
        """Return the demand at these prices."""
        return demand(self.log_s, self.odds, self.caps, prices, self.sign)

    def start(self) -> "Floats":
        """Return prices with demand: for sign +1 the last direction asks for an equal share, the others for more."""
        if self.sign < 0:  # close to the power law of small shares; demand exists at all prices
            share = np.exp((self.log_s - self.log_s[0]) / (self.odds.size + 1))
            h, log_s = np.minimum(self.budgets / share.sum(), self.caps), self.log_s[0]
        else:
            h, log_s = self.budgets / self.log_s.size, self.log_s[-1]
        log_value = log_s - self.sign * float(np.log1p(self.odds / h).sum())
        prices: Floats = np.exp(log_value) * self.odds / (h * (h + self.odds))
        return prices

    def dual(self, prices: "Floats", bought: Demand) -> float:
        """Return the function of the prices whose minimum clears the market."""
        return float(prices @ self.budgets + self.sign * bought.spend.sum() - (bought.h @ prices).sum())

    def excess(self, bought: Demand) -> "Floats":
        """Return demand minus supply of every layer."""
        total: Floats = bought.h.sum(0) - self.budgets
        return total

    def direction(self, bought: Demand) -> "Floats":
        """Return the Newton step in log prices."""
        gain = bought.steep / (1 - self.sign * bought.steep.sum(1, keepdims=True))
        matrix = np.diag(bought.grow.sum(0)) + self.sign * bought.grow.T @ gain
        # a layer whose demand cannot move keeps its price
        still = matrix.diagonal() <= 0
        matrix[still, still] = 1.0
        step: Floats = np.linalg.solve(matrix, self.excess(bought))
        return step

    def clear(self) -> "tuple[Floats, Floats] | None":
        """Return clearing prices and the h bought, or None if some direction leaves the concave region first."""
        return self._one_layer() if self.odds.size == 1 else self._newton()

    def _one_layer(self) -> "tuple[Floats, Floats] | None":
        """Solve Σ_j clip(q r_j − offset, 0, cap) = budget, piecewise linear in q ∝ price^(−1/2)."""
        odds, cap, budget = float(self.odds[0]), float(self.caps[0]), float(self.budgets[0])
        rate = np.exp((self.log_s - self.log_s[0]) / 2)
        offset = odds if self.sign > 0 else 0.0
        kinks = np.sort(np.concatenate([offset / rate, (offset + cap) / rate]))
        totals = np.clip(np.outer(kinks, rate) - offset, 0.0, cap).sum(1)
        after = int(np.clip(np.searchsorted(totals, budget), 1, kinks.size - 1))
        bought = 0.5 * (kinks[after - 1] + kinks[after]) * rate - offset
        full, free = bought >= cap, (bought > 0) & (bought < cap)
        q = kinks[after]
        if free.any():
            q = (budget - cap * full.sum() + offset * free.sum()) / rate[free].sum()
        h = np.clip(q * rate - offset, 0.0, cap)
        if np.any(h <= 1e-14 * odds):
            return None
        return np.array([np.exp(self.log_s[0]) * odds / q**2]), h[:, None]

    def _newton(self) -> "tuple[Floats, Floats] | None":
        prices = self.start()
        bought = self.at(prices)
        if not bought.found.all():
            return None
        merit, miss, patience = self.dual(prices, bought), self._miss(bought), 3
        for _ in range(100):
            step = np.clip(self.direction(bought), -3.0, 3.0)
            if miss <= 4e-16 or not np.all(np.isfinite(step)):
                break
            length, tries = 2.0, 40 if miss > 1e-13 else 4
            for _ in range(tries):
                length *= 0.5
                trial = prices * np.exp(length * step)
                candidate = demand(self.log_s, self.odds, self.caps, trial, self.sign, np.log(bought.spend))
                if not candidate.found.all():
                    length *= 0.5
                    continue
                value, off = self.dual(trial, candidate), self._miss(candidate)
                # far away the dual must fall; near the optimum rounding hides it and the excess decides
                if value < merit - 1e-4 * length * abs(float(prices * self.excess(bought) @ step)) or off < 0.5 * miss:
                    break
            else:
                break
            prices, bought, merit, miss = trial, candidate, value, off
            # steps that keep shrinking have met the edge of the region: the optimum lies beyond
            patience -= self.sign > 0 and length < 0.1
            if not patience or (self.sign > 0 and bought.steep.sum(1).max() > EDGE):
                return None
        return (prices, bought.h) if miss <= 1e-9 else None

    def _miss(self, bought: Demand) -> float:
        return float(np.max(np.abs(self.excess(bought)) / self.budgets))
