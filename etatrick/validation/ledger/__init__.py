"""The claims, one file per source."""

from typing import Final

from etatrick.theory.catalogue import Catalogue
from etatrick.validation.ledger import flip_side

claims: Final = Catalogue("claim", {claim.id: claim for claim in (flip_side.LOG_SUM_DUALITY,)})
