"""IMSAT: classes that tell much of an image and do not change with its view.

Paper: Hu et al., ICML 2017, https://arxiv.org/abs/1702.08720
Idea: be sure of every image and undecided on the whole (Eq. 7), and say the same of a
    changed image as of the image itself (Eq. 3), so that classes follow what is shown.
Against IIC: entropies of single images in place of a joint distribution; the untouched view
    is a target that is held still.
Departures: images are changed by augmentation, the paper's RPT; its VAT needs the gradient by
    pixels, which is no relation between rows. A backbone and its features take the place of
    pixels or pretrained features; last weights are not made small. The information counts ten
    times as much: crops change an image more than VAT does, and with the authors' 0.1 the
    surest way of saying the same of both was to say nothing of any. Not claimed to reproduce.
Checked: tests/objectives/test_information.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output
from ilk.kin import Assigned, Itself
from ilk.method import Classes, Given, Method, Mixable, Optimisation, Term
from ilk.objectives import ClassInformation, SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class IMSAT:
    """Settings of IMSAT; defaults but for the weight of the information are the authors'."""

    classes: int = 10
    hidden: int = 1200
    information: float = 1.0  # lambda
    balance: float = 4.0  # mu, of the entropy of all images together

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        changed = replace(views.simclr_pair(given.size, 0.2)[0], name="changed")
        said = Output("student", "plain", "projection")
        terms = (
            Term(
                name="same",
                queries=(Output("student", "changed", "projection"),),
                candidates=(Classes(self.classes),),
                kin=Assigned(by=replace(said, stopped=True), temperature=1.0),
                objective=SoftCrossEntropy(temperature=1.0),
            ),
            Term(
                name="information",
                queries=(said,),
                candidates=(said,),
                kin=Itself(),
                objective=ClassInformation(balance=self.balance),
                weight=self.information,
            ),
        )
        return Method(
            views=views.fitted((views.weak(given.size, name="plain"), changed)),
            projector=networks.mlp(given.width, self.hidden, self.classes, layers=3),
            terms=terms,
            optimisation=Optimisation(
                name="adamw", lr=0.002, scaling="none", warmup_epochs=0, end_lr=0.002
            ),
            batch_size=250,
            mixable=Mixable(queries=("changed",)),
        )
