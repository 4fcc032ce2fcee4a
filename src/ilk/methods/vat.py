"""VAT: an image and its worst small change must get the same class probabilities.

Paper: Miyato et al., TPAMI 2018, https://arxiv.org/abs/1704.03976
Idea: of all changes of one length the one that moves the network's answer most is where it is
    least smooth. One step of the power method finds its direction without any label (Eq. 5 to
    11), so unlabelled images count as much as labelled ones.
Against the Pi-model: the change is not drawn but sought, in the direction that hurts, so that
    no knowledge of the images is needed.
Departures: labelled and unlabelled images share one clean pass, where the authors have two.
    Pixels are normalised by channel and not by ZCA, so that a radius means another change; it
    grows with the side, as the length of an image does. The network is asked at a distance of
    1 and not 1e-6, see the block. The rate follows a cosine, with Adam's first beta at 0.9. No
    reproduction is claimed.
Checked: tests/views/test_adversarial.py, tests/train/test_adversarial.py,
    tests/laws/test_few_labels.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output
from ilk.core.facts import LABEL
from ilk.kin import KnownClass, Predicted
from ilk.method import Classes, Given, Head, KnownShare, Method, Mixable, Optimisation, Term
from ilk.objectives import ForwardDivergence, SoftCrossEntropy

SIDE = 32  # pixels for which the paper's radius is


@dataclass(frozen=True, kw_only=True, slots=True)
class VAT:
    """Settings of VAT; defaults are the paper's for CIFAR-10 with augmentation.

    Batch norms keep the statistics of the clean pass; in the search and the pass of the moved
    rows they use those of the batch and keep none. The divergence is KL(clean || moved), over
    all images of the batch, the labelled ones too. The mean of the labelled loss is over
    labelled rows. Nothing decays.
    """

    shift: float = 0.0625  # most of a shift, as a share of the side: 2 pixels of 32
    labelled: float = 0.2  # share of labelled images in a batch: 32 beside 128
    radius: float = 8.0  # of the change of an image of 32 px
    probe: float = 1.0  # distance at which the network is asked for the direction
    iterations: int = 1  # of the power method
    weight: float = 1.0  # of the divergence
    base_lr: float = 0.001  # whatever the batch

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        scores, classes = Output("student", "a", "classifier"), (Classes(given.scores),)
        clean = replace(scores, stopped=True)
        return Method(
            views=(views.shifted(given.size, self.shift, name="a"),),
            derived=(
                views.AdversarialView(
                    name="moved",
                    by=clean,
                    radius=self.radius * given.size / SIDE,
                    probe=self.probe,
                    iterations=self.iterations,
                ),
            ),
            heads={"classifier": Head(networks.classifier(given.width, given.scores))},
            terms=(
                Term(
                    name="labelled",
                    queries=(scores,),
                    candidates=classes,
                    kin=KnownClass(classes=given.scores),
                    objective=SoftCrossEntropy(temperature=1.0),
                ),
                Term(
                    name="smoothness",
                    queries=(Output("student", "moved", "classifier"),),
                    candidates=classes,
                    kin=Predicted(by=(clean,), temperature=1.0),
                    objective=ForwardDivergence(),
                    weight=self.weight,
                ),
            ),
            optimisation=Optimisation(
                name="adamw", lr=self.base_lr, scaling="none", warmup_epochs=0
            ),
            batch_size=160,
            mixable=Mixable(queries=("a",)),
            facts={LABEL: 1.0},
            sampling=KnownShare(share=self.labelled),
        )
