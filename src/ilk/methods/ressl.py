"""ReSSL: the student's similarities to past images match its teacher's.

Paper: Zheng et al., NeurIPS 2021, https://arxiv.org/abs/2107.09282
Idea: the loss matches two distributions of similarity over a queue of past keys (Eq. 4 to 6).
    There are no negatives, and the teacher sees a weakly augmented view.
Against MoCo v2: the target is a soft distribution where MoCo's is one-hot; the image's own
    key is not a candidate.
Departures: weight decay applies to no batch norm, where the authors' code excludes only those
    with "bn" in their name and so not those of shortcuts. The teacher's batches are not
    shuffled across devices. The numbers are those of the authors' code; no reproduction is
    claimed.
Checked: tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass, replace

from ilk import networks, views
from ilk.core import Output
from ilk.kin import SoftNeighbours
from ilk.memory import Queue
from ilk.method import (
    EMA,
    FromMemory,
    Given,
    Head,
    Method,
    Mixable,
    Optimisation,
    Remember,
    Term,
)
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class ReSSL:
    """Settings of ReSSL; defaults are those for ImageNet."""

    hidden: int = 4096
    dim: int = 512
    temperature: float = 0.1
    teacher_temperature: float = 0.04  # sharper than the student's, so that it teaches
    momentum: float = 0.999  # the teacher's moving average
    queue_size: int = 131_072

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        strong = replace(views.moco_v2_pair(given.size)[0], name="strong")
        key = Output("teacher", "weak", "projector")
        return Method(
            views=views.fitted((strong, views.weak(given.size))),
            heads={
                "projector": Head(
                    networks.mlp(given.width, self.hidden, self.dim, layers=2, batch_norm=False)
                )
            },
            teacher=EMA(momentum=self.momentum, update="before"),
            terms=(
                Term(
                    name="clean",
                    queries=(Output("student", "strong", "projector"),),
                    candidates=(FromMemory("queue"),),
                    kin=SoftNeighbours(temperature=self.teacher_temperature, by=key),
                    objective=SoftCrossEntropy(temperature=self.temperature),
                ),
            ),
            memory={"queue": Queue(self.queue_size, self.dim)},
            remember=(Remember("queue", (key,)),),
            optimisation=Optimisation(name="sgd", lr=0.05, weight_decay=1e-4, warmup_epochs=5),
            batch_size=256,
            mixable=Mixable(queries=("strong",), replace=False, clean=0.5),
        )
