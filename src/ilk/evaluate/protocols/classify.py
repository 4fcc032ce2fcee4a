"""The classifier that a run has learned itself, as it stands. Axes: N items, K classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ilk.core import UserError
from ilk.evaluate.metrics.confusion import by_class
from ilk.evaluate.protocols.protocol import Measured, Task, top1
from ilk.networks import Classifier

SHOWN = 5  # classes that an error lists at most


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnClassifier:
    """Nothing is trained and nothing chosen: the run's classifier names the test images.

    Train stands for what the run has learned from; no image of it may be in test.
    """

    def measure(self, task: Task) -> Measured:
        """Accuracy, by class as well, and its mean over classes.

        Raises:
            UserError: the classifier does not know a class of the test images.
        """
        assert task.images is not None, "the protocol needs the encoder"
        assert task.images.classifier is not None, "and its classifier"
        classifier = task.images.classifier
        classes = _common(classifier, task)
        place = {name: number for number, name in enumerate(classes)}
        numbers = torch.tensor([place[name] for name in classifier.classes])
        found = numbers[classifier.probabilities(task.test.vectors).argmax(dim=1)]
        labels = task.test.labels
        correct = found == labels
        each = [correct[labels == one].double().mean() for one in labels.unique()]
        balanced = float(torch.stack(each).mean())
        details = by_class(found, labels, classes) | {
            "balanced_accuracy": balanced,
            "in words": [f"balanced accuracy, the mean over classes: {balanced:.1%}"],
        }
        return top1(correct, {}, "nothing: the classifier is the run's own", details)


def _common(classifier: Classifier, task: Task) -> Sequence[str]:
    """All classes of both, those of the task first."""
    asked = [task.classes[int(label)] for label in task.test.labels.unique()]
    lacking = [name for name in asked if name not in classifier.classes]
    if lacking:
        known = ", ".join(map(repr, classifier.classes[:SHOWN]))
        more = " and more" if len(classifier.classes) > SHOWN else ""
        raise UserError(
            "evaluate: every class of test must be one that the run has learned, "
            f"{', '.join(map(repr, lacking[:SHOWN]))} not ({len(lacking)} of {len(asked)}); it "
            f"knows {known}{more}"
        )
    return list(dict.fromkeys((*task.classes, *classifier.classes)))
