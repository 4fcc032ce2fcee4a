"""ReKD: a trained teacher supervises a small student by the similarities between images.

Paper: Zheng et al., AAAI 2022, https://arxiv.org/abs/2112.04174
Idea: a small network learns little semantics by instance discrimination. A trained teacher
    decides which images are related, and the student learns these relations, not the
    features.
Against ReSSL: the teacher is another, larger network that is trained already and stays fixed;
    the images that it finds most similar are positives as well as soft targets.
Departures: relations are the teacher's cosine similarities: its nearest past images are
    positives, and a softmax over all of them is the soft target. The paper uses prototypes of
    a teacher that is trained along with the student. The numbers were not confirmed in the
    paper, so no reproduction is claimed.
Checked: tests/networks/test_pretrained_teacher.py, tests/laws/test_rekd.py,
    tests/oracles, tests/golden/losses.json
"""

from dataclasses import dataclass

from ilk import networks, views
from ilk.core import Output
from ilk.kin import CommonSource, Neighbours, Past, SoftNeighbours, union
from ilk.memory import Queue
from ilk.method import (
    FromMemory,
    Given,
    Head,
    Method,
    Mixable,
    Optimisation,
    Pretrained,
    Remember,
    Term,
)
from ilk.objectives import SoftCrossEntropy


@dataclass(frozen=True, kw_only=True, slots=True)
class ReKD:
    """Settings of ReKD."""

    teacher: str = "timm:vit_small_patch16_224.dino"  # or a run; trained without labels
    hidden: int = 2048
    k: int = 5  # nearest past images that are positives
    temperature: float = 0.2
    teacher_temperature: float = 0.05  # sharper than the student's, so that it teaches
    distillation: float = 1.0  # weight of the soft relation
    queue_size: int = 65_536

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        dim = networks.feature_dim(self.teacher)
        key = Output("teacher", "b", "feature")
        query = Output("student", "a", "projector")
        related = Neighbours(k=self.k, by=key, within=Past(memory="queue"))
        terms = (
            Term(
                name="clean",
                queries=(query,),
                candidates=(key, FromMemory("queue")),
                kin=union(CommonSource(), related),
                objective=SoftCrossEntropy(temperature=self.temperature),
            ),
            Term(
                name="relation",
                queries=(query,),
                candidates=(FromMemory("queue"),),
                kin=SoftNeighbours(temperature=self.teacher_temperature, by=key),
                objective=SoftCrossEntropy(temperature=self.temperature),
                weight=self.distillation,
            ),
        )
        return Method(
            views=views.fitted(views.moco_v2_pair(given.size)),
            heads={"projector": Head(networks.mlp(given.width, self.hidden, dim, layers=2))},
            teacher=Pretrained(self.teacher),
            terms=terms,
            memory={"queue": Queue(self.queue_size, dim, keep_sources=True)},
            remember=(Remember("queue", (key,)),),
            optimisation=Optimisation(
                name="sgd", lr=0.03, weight_decay=1e-4, decay_all=True, warmup_epochs=0
            ),
            batch_size=256,
            mixable=Mixable(queries=("a",), replace=False, clean=0.5),
        )
