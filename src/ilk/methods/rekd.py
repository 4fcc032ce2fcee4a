"""ReKD: a trained teacher tells a small student which images are related.

Paper: Zheng et al., AAAI 2022, https://arxiv.org/abs/2112.04174
Idea: a small network cannot find semantics by telling images apart; a teacher that has found
    them says who is related, and the student learns from relations and not from features.
Against ReSSL: the teacher is another, larger network that has learned before and stands still;
    the images it finds most alike are kin as well as soft targets.
Departures: relations are the teacher's cosines, its nearest past images as kin and a softmax
    of all as target, where the paper goes by prototypes of a teacher that learns along. Numbers
    were not confirmed in the paper; not claimed to reproduce.
Checked: tests/networks/test_standing_teacher.py, tests/laws/test_rekd.py,
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

    teacher: str = "timm:vit_small_patch16_224.dino"  # or a run; learned without labels too
    hidden: int = 2048
    k: int = 5  # past images that are kin
    temperature: float = 0.2
    teacher_temperature: float = 0.05  # sharper than the student's, so that it teaches
    distillation: float = 1.0  # weight of the soft relation
    queue_size: int = 65_536

    def build(self, given: Given) -> Method:
        """Assemble the parts for a backbone and its images."""
        dim = networks.feature_dim(self.teacher)
        key = Output("teacher", "b", "feature")
        query = Output("student", "a", "projection")
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
            projector=networks.mlp(given.width, self.hidden, dim, layers=2),
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
