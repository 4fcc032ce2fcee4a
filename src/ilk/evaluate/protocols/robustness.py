"""The robustness protocol: the linear probe on corrupted test images.

Axes: N items, A corruptions, V severities, B images, C channels, S side in pixels.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8
from torch import Tensor

from ilk.corruptions import COMMON, EXTRA, corrupt
from ilk.embedding import moved
from ilk.evaluate.metrics.calibration import calibration_error
from ilk.evaluate.metrics.interval import BOOTSTRAP, bootstrap
from ilk.evaluate.protocols.images import in_order, view_batches
from ilk.evaluate.protocols.linear import LogisticRegression
from ilk.evaluate.protocols.logistic import Linear
from ilk.evaluate.protocols.protocol import Images, Measured, Task
from ilk.views import Plain, normalise


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """A classifier's answers for items under every corruption and severity.

    Args:
        correct: whether it was right.
        confidence: of the class it named, in [0, 1].
    """

    correct: Bool[np.ndarray, "A V N"]
    confidence: Float32[np.ndarray, "A V N"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Robustness:
    """Accuracy of the linear probe under corruptions it has not seen.

    Hendrycks and Dietterich, ICLR 2019, https://arxiv.org/abs/1903.12261. The probe is fitted
    on clean train. A test image is first cut to the encoder's size and then corrupted, as
    ImageNet-C was made; what is measured is the mean over the 15 common corruptions among
    ``corruptions`` and over severities, and no temperature is fitted for calibration. Images
    are read once and corrupted on the fly, so memory holds a few batches of them.

    Args:
        probe: the linear probe.
        corruptions: names, see ``ilk.corruptions``.
        severities: of 1 to 5.
    """

    probe: LogisticRegression
    corruptions: tuple[str, ...]
    severities: tuple[int, ...]

    def measure(self, task: Task) -> Measured:
        """Fit the probe on clean features, classify clean and corrupted test images."""
        assert task.images is not None
        fit, selected, selected_on = self.probe.choose(task)
        answers = self.answers(task, task.images, fit)
        clean, confidence = classify(fit, task.test.vectors, task.test.labels)
        common = [name in COMMON for name in self.corruptions]
        scores = answers.correct[common].mean((0, 1), dtype=np.float64)
        return Measured(
            metric="mean accuracy, corrupted",
            value=float(scores.mean()),
            interval=bootstrap(scores, task.seed, (0.0, 1.0)),
            interval_kind=f"{BOOTSTRAP}, over test items",
            selected=selected,
            selected_on=selected_on,
            scores=torch.from_numpy(scores),
            details={
                "clean_accuracy": float(clean.mean()),
                "clean_ece": calibration_error(confidence, clean),
                **summary(answers, self.corruptions),
                "by_severity": self._by_severity(answers, task.seed),
            },
        )

    def _by_severity(self, answers: Answers, seed: int) -> list[dict[str, float]]:
        """Mean accuracy over the common corruptions, with its interval over test items."""
        common = [name in COMMON for name in self.corruptions]
        found: list[dict[str, float]] = []
        for place, severity in enumerate(self.severities):
            scores = answers.correct[common, place].mean(0, dtype=np.float64)
            low, high = bootstrap(scores, seed, (0.0, 1.0))
            found.append(
                {
                    "severity": severity,
                    "accuracy": float(scores.mean()),
                    "low": low,
                    "high": high,
                }
            )
        return found

    def answers(self, task: Task, images: Images, fit: Linear) -> Answers:
        """Classify every test item under every corruption and severity."""
        shape = (len(self.corruptions), len(self.severities), len(task.test))
        correct, confidence = np.zeros(shape, bool), np.zeros(shape, np.float32)
        encoder, done = images.encoder, 0
        total = -(-len(task.test) // images.batch_size) * shape[0] * shape[1]
        batches = view_batches(
            images.test, Plain(size=encoder.image_size), in_order(shape[2], images.batch_size),
            channels=encoder.channels, seed=task.seed, workers=images.workers,
        )  # fmt: skip
        workers = ThreadPoolExecutor(max(images.workers, 1), thread_name_prefix="ilk-corrupt")
        with workers, moved(encoder.module, images.device) as place, torch.inference_mode():
            for items, views in batches:
                labels = task.test.labels[torch.from_numpy(items)]
                for cell in np.ndindex(shape[:2]):
                    name, severity = self.corruptions[cell[0]], self.severities[cell[1]]
                    changed = corrupted(workers, views, items, name, severity, task.seed)
                    batch = normalise(changed.to(place), encoder.mean, encoder.std)
                    features = encoder.module(batch).float().cpu()
                    found = classify(fit, features, labels)
                    correct[(*cell, items)], confidence[(*cell, items)] = found
                    done += 1
                    task.tell(done, total)
        return Answers(correct=correct, confidence=confidence)


def corrupted(
    workers: ThreadPoolExecutor,
    views: UInt8[Tensor, "B C S S"],
    items: np.ndarray,
    name: str,
    severity: int,
    seed: int,
) -> UInt8[Tensor, "B C S S"]:
    """A batch of views, each changed by its own draws."""
    arrays = views.permute(0, 2, 3, 1).contiguous().numpy()
    changed = workers.map(
        lambda image, item: corrupt(image, name, severity, item=int(item), seed=seed),
        arrays,
        items,
    )
    return torch.from_numpy(np.stack(list(changed))).permute(0, 3, 1, 2)


def classify(
    fit: Linear, vectors: Float32[Tensor, "B D"], labels: Tensor
) -> tuple[Bool[np.ndarray, " B"], Float32[np.ndarray, " B"]]:
    """Whether each row is classified correctly, and with what confidence."""
    confidence, named = fit.logits(vectors).softmax(1).max(1)
    return (named == labels).numpy(), confidence.numpy()


def summary(answers: Answers, corruptions: tuple[str, ...]) -> Mapping[str, object]:
    """Accuracies by corruption and severity, and calibration, as JSON can hold them."""
    accuracy = answers.correct.mean(2, dtype=np.float64)
    error = [
        [calibration_error(c, r) for c, r in zip(confidence, right, strict=True)]
        for confidence, right in zip(answers.confidence, answers.correct, strict=True)
    ]
    rows = dict(zip(corruptions, accuracy.tolist(), strict=True))
    extra = [row for name, row in rows.items() if name in EXTRA]
    common = [name in COMMON for name in corruptions]
    return {
        "accuracy": rows,
        "mean_extra_accuracy": float(np.mean(extra)) if extra else None,
        "ece": dict(zip(corruptions, error, strict=True)),
        "mean_ece": float(np.mean(np.array(error)[common])),
    }
