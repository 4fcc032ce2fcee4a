"""DAC: pairs that are surely alike become more so, pairs that are surely not less.

Paper: Chang et al., ICCV 2017,
    https://openaccess.thecvf.com/content_iccv_2017/html/Chang_Deep_Adaptive_Image_ICCV_2017_paper.html
Idea: clustering is a yes or no for every pair; learn from the sure ones, which decide
    the next ones, until two thresholds meet and no pair is in doubt.
Against IIC: pairs of different images; nothing balances the classes.
Departures: thresholds meet at the end of the run at an even pace, whatever the learning rate;
    AdamW in place of RMSprop; SimCLR's crops and colours in place of rotation, shift and
    zoom. Whole images decide anew in each step, those of the authors' code for ten passes:
    a pair that decides for itself learns nothing that it has not seen in itself. Numbers were
    not confirmed in the paper; not claimed to reproduce.
Checked: tests/kin/test_sure_pairs.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Line, Output
from ilk.kin import SurePairs
from ilk.method import Given, Method, Mixable, Optimisation, Term
from ilk.objectives import PairClassification
from ilk.views import View


@dataclass(frozen=True, kw_only=True, slots=True)
class DAC:
    """Settings of DAC; defaults are the paper's."""

    classes: int = 10
    hidden: int = 512
    above: float = 0.95  # cosine of pairs of one class, at first
    below: float = 0.455  # and of pairs of two
    end: float = 0.5  # where both thresholds end

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        whole = View(name="whole", size=given.size, scale=(1, 1), ratio=(1, 1), flip=0)
        said = Output("student", "a", "projection")
        sure = SurePairs(
            above=Line(self.above, self.end),
            below=Line(self.below, self.end),
            by=Output("student", "whole", "projection", stopped=True),
        )
        return Method(
            views=(views.fitted(views.simclr_pair(given.size))[0], whole),
            # Without the norm all images begin alike, and every pair would be a sure one.
            projector=networks.mlp(
                given.width, self.hidden, self.classes, layers=2, last_batch_norm="affine"
            ),
            terms=(
                Term(
                    name="clean",
                    queries=(said,),
                    candidates=(said,),
                    kin=sure,
                    objective=PairClassification(),
                ),
            ),
            optimisation=Optimisation(name="adamw", lr=0.001, scaling="none", warmup_epochs=0),
            batch_size=32,
            mixable=Mixable(queries=("a",)),
        )
