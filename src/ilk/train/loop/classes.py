"""What a run has learned of classes."""

from torch import nn

from ilk.method import label_head
from ilk.networks import FEATURE, Classifier, Encoder
from ilk.train.loop.trainer import Trainer
from ilk.train.processes.sharding import whole


def classifier_of(
    trainer: Trainer, classes: tuple[str, ...], encoder: Encoder
) -> Classifier | None:
    """The classifier of the labels as it stands, where that is one layer on features.

    Args:
        trainer: the trainer of the run; all processes must ask at once.
        classes: classes of the data, by name.
        encoder: as it stands, whose features it reads.
    """
    network, name = trainer.student, label_head(trainer.method)
    if trainer.method.encoder == "teacher" and trainer.teacher is not None:
        network = trainer.teacher.network
    head = network.heads.get(name or "")
    if head is None or head.on != FEATURE or not isinstance(head.module, nn.Linear):
        return None
    weight, bias = whole(head.module.weight), whole(head.module.bias)
    return Classifier(
        classes=classes,
        weight=weight.detach().float().cpu(),
        bias=bias.detach().float().cpu(),
        encoder=encoder.fingerprint,
    )
