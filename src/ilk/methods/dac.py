"""DAC: pairs surely of one class become more similar, pairs surely of two less similar.

Paper: Chang et al., ICCV 2017,
    https://openaccess.thecvf.com/content_iccv_2017/html/Chang_Deep_Adaptive_Image_ICCV_2017_paper.html
Idea: clustering is a yes-or-no question for every pair of images. The network learns from the
    pairs that it is sure about, and these decide the next ones, until two thresholds meet and
    no pair is in doubt.
Against IIC: the pairs are of different images, and nothing balances the classes.
Departures: the thresholds meet at the end of the run and move at a constant rate, independent
    of the learning rate. AdamW replaces RMSprop, and SimCLR's crops and colours replace
    rotation, shift and zoom. Pairs are chosen by the whole images in each step, where the
    authors' code chooses them once for ten passes; if the augmented views chose, the loss
    could only confirm what it had chosen. The numbers were not confirmed in the paper, so no
    reproduction is claimed.
Checked: tests/kin/test_sure_pairs.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Line, Output
from ilk.kin import SurePairs
from ilk.method import Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import PairClassification
from ilk.views import ImageView


@dataclass(frozen=True, kw_only=True, slots=True)
class DAC:
    """Settings of DAC; defaults are the paper's."""

    classes: int = 10
    hidden: int = 512
    above: float = 0.95  # pairs with at least this cosine are of one class, at first
    below: float = 0.455  # pairs below this cosine are of two classes, at first
    end: float = 0.5  # both thresholds end here

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        whole = ImageView(name="whole", size=given.size, scale=(1, 1), ratio=(1, 1), flip=0)
        scores = Output("student", "a", "projector")
        sure = SurePairs(
            above=Line(self.above, self.end),
            below=Line(self.below, self.end),
            by=Output("student", "whole", "projector", stopped=True),
        )
        return Method(
            views=(views.fitted(views.simclr_pair(given.size))[0], whole),
            # Without batch norm predictions are similar at first, and every pair is sure.
            heads={
                "projector": Head(
                    networks.mlp(
                        given.width,
                        self.hidden,
                        self.classes,
                        layers=2,
                        last_batch_norm="affine",
                    )
                )
            },
            terms=(
                Term(
                    name="clean",
                    queries=(scores,),
                    candidates=(scores,),
                    kin=sure,
                    objective=PairClassification(),
                ),
            ),
            optimisation=Optimisation(name="adamw", lr=0.001, scaling="none", warmup_epochs=0),
            batch_size=32,
            mixable=Mixable(queries=("a",)),
        )
