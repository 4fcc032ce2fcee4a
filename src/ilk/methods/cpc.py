"""CPC: what the upper rows of an image show tells its lower patches from others, and back.

Paper: van den Oord, Li and Vinyals, 2018, https://arxiv.org/abs/1807.03748; its second version,
    Henaff et al., ICML 2020, https://arxiv.org/abs/1905.09272
Idea: an image is cut into patches that overlap by half, each of which is encoded alone. A
    masked convolution gathers what the rows down to a patch know, and a linear layer for each
    offset predicts the patch so many rows below among patches of this image and of others.
Against DIM: the code is of a part of the image, and another part is what it must know.
    Against MAE: features are predicted and not pixels, among those of other patches.
Departures: both directions, down and up, where the first version has one and the second four.
    The nearest patch that is predicted lies two rows away, since the next one shares half of
    its pixels; nearest=1 and furthest=5 are the first version's. Negatives are one patch of
    each image of the batch, drawn again in every step, and not all, so that tables grow with
    patches times images. The context is the second version's. Networks with batch norms are
    refused, as the second version has layer norms. Whole images are encoded afterwards, where
    the paper takes the mean over patches. Patches are not augmented one by one.
Checked: tests/views/test_patch_grid.py, tests/kin/test_at_offset.py,
    tests/networks/test_information.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from torch import nn

from ilk import networks, views
from ilk.core import Output
from ilk.kin import AtOffset
from ilk.method import Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class CPC:
    """Settings of CPC; defaults are the paper's where the header names no departure."""

    side: int = 7  # patches of a side of the grid
    nearest: int = 2  # rows from a patch to the first one that is predicted
    furthest: int = 5  # and to the last one
    negatives: int = 1  # patches of each image among which predictions are sought
    hidden: int = 256  # channels within the context
    depth: int = 5  # blocks of the context
    min_scale: float = 0.2  # smallest area of a crop
    lr: float = 2e-4

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        offsets = range(self.nearest, self.furthest + 1)
        ways = {"down": 1, "up": -1}
        contexts = {
            way: Head(
                networks.RowContext(
                    given.width,
                    hidden=self.hidden,
                    depth=self.depth,
                    side=self.side,
                    upwards=way == "up",
                )
            )
            for way in ways
        }
        predictors = {
            f"{way}_{rows}": Head(nn.Linear(given.width, given.width, bias=False), on=way)
            for way in ways
            for rows in offsets
        }
        terms = tuple(
            Term(
                name=way,
                queries=(Output("student", "patches", f"{way}_{rows}"),),
                candidates=(Output("student", "patches", "feature"),),
                kin=AtOffset(rows=sign * rows, side=self.side, negatives=self.negatives),
                objective=SoftCrossEntropy(temperature=1.0, cosine=False),
                weight=1 / (2 * len(offsets)),
            )
            for way, sign in ways.items()
            for rows in offsets
        )
        return Method(
            views=(views.weak(given.size, self.min_scale, name="a"),),
            derived=(views.PatchGrid(name="patches", view="a", side=self.side),),
            heads=contexts | predictors,
            terms=terms,
            optimisation=Optimisation(
                name="adamw", lr=self.lr, scaling="none", warmup_epochs=0
            ),
            batch_size=512,
            mixable=Mixable(queries=("patches",)),
        )
