"""IMSAT: class predictions are informative about images and invariant to augmentation.

Paper: Hu et al., ICML 2017, https://arxiv.org/abs/1702.08720
Idea: the mutual information between images and classes is maximised: each prediction is
    confident, and the predictions of the whole batch are balanced (Eq. 7). The prediction of
    an augmented image must equal that of the image itself (Eq. 3).
Against IIC: it uses the entropies of single predictions, not a joint distribution; the plain
    view is a fixed target without a gradient.
Departures: images are perturbed by augmentation, the paper's RPT; its VAT needs gradients
    with respect to pixels, which this library does not compute. A backbone is trained from
    images, where the paper takes pixels or pretrained features; the last weights are not
    initialised small. The weight of the mutual information is ten times the authors' 0.1:
    crops change an image more than VAT does, and with 0.1 the predictions collapsed to
    uniform ones. No reproduction is claimed.
Checked: tests/objectives/test_information.py, tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output
from ilk.kin import Assigned, Itself
from ilk.method import Classes, Given, Head, Method, Mixable, Optimisation, Term
from ilk.objectives import ClassInformation, SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class IMSAT:
    """Settings of IMSAT; defaults but for the weight of the information are the authors'."""

    classes: int = 10
    hidden: int = 1200
    information: float = 1.0  # lambda
    balance: float = 4.0  # mu, the weight of the entropy of the mean prediction

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        changed = replace(views.simclr_pair(given.size, 0.2)[0], name="changed")
        plain = Output("student", "plain", "projector")
        terms = (
            Term(
                name="same",
                queries=(Output("student", "changed", "projector"),),
                candidates=(Classes(self.classes),),
                kin=Assigned(by=replace(plain, stopped=True), temperature=1.0),
                objective=SoftCrossEntropy(temperature=1.0),
            ),
            Term(
                name="information",
                queries=(plain,),
                candidates=(plain,),
                kin=Itself(),
                objective=ClassInformation(balance=self.balance),
                weight=self.information,
            ),
        )
        return Method(
            views=views.fitted((views.weak(given.size, name="plain"), changed)),
            heads={
                "projector": Head(
                    networks.mlp(given.width, self.hidden, self.classes, layers=3)
                )
            },
            terms=terms,
            optimisation=Optimisation(
                name="adamw", lr=0.002, scaling="none", warmup_epochs=0, end_lr=0.002
            ),
            batch_size=250,
            mixable=Mixable(queries=("changed",)),
        )
