"""Supervised: a classifier learns from the labelled images alone; the yardstick of few labels.

Paper: Oliver et al., NeurIPS 2018, https://arxiv.org/abs/1804.09170
Idea: what labels alone give, trained as the semi-supervised methods are: without it none
    of them can be judged.
Against FixMatch: there is no unlabelled image in any batch, and all else is the same: shifts,
    optimiser, length, and the moving average that is kept.
Departures: settings are those of FixMatch, where the paper tunes the baseline on its own. With
    a mix, labels are mixed by the shares of their images, and mixed images take the place of
    clean ones: --mix sdmp draws Mixup (Zhang et al., ICLR 2018), CutMix (Yun et al., ICCV
    2019) or ResizeMix (Qin et al., 2020), and mix.strategies chooses. No reproduction is
    claimed.
Checked: tests/kin/test_classes.py, tests/laws/test_few_labels.py, tests/oracles,
    tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output, WarmMomentum
from ilk.core.facts import LABEL
from ilk.kin import KnownClass
from ilk.method import (
    EMA,
    Classes,
    Given,
    Head,
    KnownShare,
    Method,
    Mixable,
    Optimisation,
    Term,
)
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class Supervised:
    """Settings of supervised training; defaults are FixMatch's for CIFAR."""

    momentum: float = 0.999  # of the moving average that is kept
    catch_up: float = 0.0  # step t keeps at most t / (t + catch_up) of that average
    base_lr: float = 0.12  # for a batch of 256; 0.03 for 64 labelled images
    weight_decay: float = 5e-4

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        shown = replace(views.shifted(given.size, name="labelled"), subset="labelled")
        return Method(
            views=(shown,),
            heads={"classifier": Head(networks.classifier(given.width, given.scores))},
            teacher=EMA(momentum=WarmMomentum(self.momentum, self.catch_up), buffers=True),
            terms=(
                Term(
                    name="labelled",
                    queries=(Output("student", "labelled", "classifier"),),
                    candidates=(Classes(given.scores),),
                    kin=KnownClass(classes=given.scores),
                    objective=SoftCrossEntropy(temperature=1.0),
                ),
            ),
            optimisation=Optimisation(
                name="sgd",
                lr=self.base_lr,
                weight_decay=self.weight_decay,
                nesterov=True,
                arc=7 / 16,
                warmup_epochs=0,
            ),
            batch_size=64,
            encoder="teacher",
            mixable=Mixable(queries=("labelled",), clean=1.0, source=1.0, mix=0.0),
            facts={LABEL: 1.0},
            sampling=KnownShare(share=1.0),
        )
