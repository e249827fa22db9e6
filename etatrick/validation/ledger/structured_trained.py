"""A claim on training with masks of blocks: gradient descent ends at the closed-form singular values."""

from collections.abc import Mapping
from typing import Final

from etatrick.validation.claim import Claim, Setting
from etatrick.validation.ledger.structured_masks import HIDDEN
from etatrick.validation.routes import Absent, Trial
from etatrick.validation.routes import trained as trained_route

RETAIN: Final = 0.5
WIDTH: Final = 6
# fixed before any run: of singular values, the largest of the targets being 1
MARGIN: Final = 0.03


def _runs(setting: Setting) -> Mapping[str, Trial]:
    """Train factors under masks of single units and of pairs, and compare with each closed form."""
    import numpy as np
    import torch

    from etatrick.numerics.factorization import dropblock_minimizer
    from etatrick.validation.experiments.masked_factors import BlockMasks, train_factors
    from etatrick.validation.seeding import seed

    rng = np.random.default_rng(seed("structured", "targets"))
    Y = np.linalg.qr(rng.standard_normal((5, 3)))[0].T * np.array([[1.0], [0.6], [0.3]])
    owners = torch.stack([torch.arange(WIDTH) // r for r in (1, 2)])
    masks = BlockMasks(owners, torch.full((2,), RETAIN, dtype=torch.float64))
    seeds, steps = (8, 4000) if setting.level == "quick" else (16, 20_000)
    generators = [torch.Generator().manual_seed(seed("structured", "training", s)) for s in range(seeds)]
    U, V = train_factors(torch.tensor(Y), masks, generators, steps=steps, step_size=0.2,
                         watch=lambda step, left, right: setting.progress(step / steps))  # fmt: skip
    found = torch.linalg.svdvals(U @ V.mT).numpy()
    exact = [dropblock_minimizer(Y, r, RETAIN, WIDTH).singular_values for r in (1, 2, 3)]
    return {
        "dropout": Trial(found[0], exact[0]),
        "DropBlock, blocks of two": Trial(found[1], exact[1]),
        "control: two against the form of three": Trial(found[1], exact[2], "differs"),
    }


TRAINING: Final = Claim(
    id="structured/training-with-masks",
    title="Training with masks of blocks ends at the closed form",
    statement=r"Gradient descent on $\lVert Y-U\bar zV^{\top}\rVert^2$ with fresh masks $\bar z$ of mean 1 over "
    r"blocks of $r$ "
    r"hidden units, one per example and step, ends at the singular values of the minimum of the expected loss.",
    source=f"{HIDDEN}; Cavazza et al. 2018 for r = 1",
    relation="equal",
    parameters={"r": "1 and 2", "θ": "0.5, the retain probability", "d": "6 hidden units"},
    derive=Absent("the expectation and its minimum are proved under structured/expected-squared-loss and "
                  "structured/closed-form-minimum"),
    solve=Absent("the closed form is compared with descent under structured/closed-form-minimum"),
    observe=trained_route({"training": (_runs, 4)}, margin=MARGIN),
    tolerance="TRAIN: equivalence within 0.03 of the largest singular value of the targets",
)  # fmt: skip

CLAIMS: Final = (TRAINING,)
