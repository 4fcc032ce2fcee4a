"""MixMatch: labels and guesses are mixed by Mixup, as are their images, and then learned.

Paper: Berthelot et al., NeurIPS 2019, https://arxiv.org/abs/1905.02249
Idea: the guess for an image is its mean prediction over two views, sharpened (Eq. 6 and 7).
    Labelled and unlabelled rows are shuffled together and mixed (Eq. 8 to 11). Mixed labels
    cost cross-entropy, mixed guesses squared error, which a wrong guess cannot make large
    (Eq. 2 to 5).
Against FixMatch: nothing is rejected and no view is strong; the mix makes guesses safe.
    Against Mixup alone: labels reach images that have none.
Departures: all mixed rows share one pass, and batch norm its statistics, where the authors
    interleave chunks of labelled and other rows so that each chunk is such a mixture. The pass
    that guesses, of both views together, moves running statistics too; theirs does not.
    Images that are not square are cropped to their middle. No reproduction is claimed.
Checked: tests/kin/test_classes.py, tests/views/test_union.py, tests/laws/test_few_labels.py,
    tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output, StepRamp, WarmMomentum
from ilk.core.facts import LABEL
from ilk.kin import KnownOrPredicted
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
    labelled_share,
)
from ilk.objectives import SoftCrossEntropy, SquaredError


@dataclass(frozen=True, kw_only=True, slots=True)
class MixMatch:
    """Settings of MixMatch; defaults are the authors' for CIFAR-10.

    Guesses are those of the weights being trained, in training mode.
    """

    temperature: float = 0.5  # of the guesses
    alpha: float = 0.75  # of the distribution of shares
    ratio: float = 1  # unlabelled images for each labelled one
    pooled: bool = True  # labelled images are among the unlabelled ones too
    weight: float = 75.0  # of the unlabelled loss, in the end
    ramp_steps: int = 16_000  # in which it grows from zero: before, guesses are wrong too often
    momentum: float = 0.999  # of the moving average that is kept
    catch_up: float = 0.0  # step t keeps at most t / (t + catch_up) of that average
    base_lr: float = 0.002  # whatever the batch
    weight_decay: float = 0.02

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        labelled = replace(views.shifted(given.size), name="labelled", subset="labelled")
        plain = tuple(
            replace(labelled, name=name, subset="unlabelled") for name in ("first", "second")
        )
        names = ("labelled", *(view.name for view in plain))
        classes = (Classes(given.scores),)
        kin = KnownOrPredicted(
            classes=given.scores,
            by=tuple(
                Output("student", view.name, "classifier", stopped=True) for view in plain
            ),
            temperature=self.temperature,
        )
        mixed, *guessed = (Output("student", f"{name}~", "classifier") for name in names)
        return Method(
            views=(labelled, *plain),
            derived=(views.UnionMix(of=names, alpha=self.alpha),),
            heads={"classifier": Head(networks.classifier(given.width, given.scores))},
            teacher=EMA(momentum=WarmMomentum(self.momentum, self.catch_up), buffers=True),
            terms=(
                Term(
                    name="labelled",
                    queries=(mixed,),
                    candidates=classes,
                    kin=kin,
                    objective=SoftCrossEntropy(temperature=1.0),
                ),
                Term(
                    name="unlabelled",
                    queries=tuple(guessed),
                    candidates=classes,
                    kin=kin,
                    objective=SquaredError(),
                    weight=self.weight,
                    schedule=StepRamp(0.0, 1.0, self.ramp_steps),
                ),
            ),
            together="all",
            optimisation=Optimisation(
                name="adamw",
                lr=self.base_lr,
                scaling="none",
                end_share=1.0,
                weight_decay=self.weight_decay,
                warmup_epochs=0,
            ),
            batch_size=128,
            encoder="teacher",
            mixable=Mixable(queries=()),
            facts={LABEL: 1.0},
            sampling=KnownShare(share=labelled_share(self.ratio), pooled=self.pooled),
        )
