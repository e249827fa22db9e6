"""Conformance tests for your own penalties and claims, for use in pytest: each raises with a readable report.

Examples
--------
>>> from etatrick.testing import check_claim, check_penalty, penalty_cases
>>> from etatrick.theory import derive
>>> check_penalty(derive(eta_hat="w*(w+2)")).holds
True
"""

from etatrick.testing.claims import check_claim
from etatrick.testing.penalties import check_penalty, penalty_cases

__all__ = ["check_claim", "check_penalty", "penalty_cases"]
