"""Fine-tuning on a handful of labels. Axes: M test items."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ilk.evaluate.protocols.draws import Amount, amounts, curves, ranks
from ilk.evaluate.protocols.few_label import along
from ilk.evaluate.protocols.finetune import FineTune
from ilk.evaluate.protocols.protocol import Measured, Task, silent

WAY = "fine-tuning"


@dataclass(frozen=True, kw_only=True, slots=True)
class TunedFewLabels:
    """Accuracy of fine-tuning by the number of labelled train items, drawn as in ``few-label``.

    The recipe is that of ``finetune`` with as many steps for few labels as for many, since an
    epoch of ten images is one step. The value is that of the largest number per class. Every
    draw of every amount trains a network, which takes its time.

    Args:
        per_class: labels a class, ascending; all of a class that has fewer.
        shares: of the items of each class, one at least.
        resamples: draws of labelled items.
        steps: of each training, at least.
        recipe: its epochs follow from the steps, and its learning rate is the same for every
            batch size.
    """

    per_class: tuple[int, ...]
    shares: tuple[float, ...]
    resamples: int
    steps: int
    recipe: FineTune

    def measure(self, task: Task) -> Measured:
        """Draw labels again and again, and train on them."""
        labels = task.train.labels.cpu().numpy()
        drawn = amounts(labels, self.per_class, self.shares)
        right = np.zeros((1, len(drawn), self.resamples, len(task.test)))
        of = len(drawn) * self.resamples
        for resample in range(self.resamples):
            rank = ranks(labels, task.seed, resample)
            for number, amount in enumerate(drawn):
                done = resample * len(drawn) + number
                chosen = np.flatnonzero(rank < amount.wanted)
                one = replace(task, seed=task.seed + resample, tell=silent)
                right[0, number, resample] = self._tuned(amount).correct(one, chosen)
                task.tell(done + 1, of)
        found = curves([WAY], drawn, right, task.seed)
        place = len(self.per_class) - 1
        selected_on = "nothing: the last epoch of a fixed recipe"
        return along(found, WAY, place, right[0, place].mean(0), selected_on)

    def _tuned(self, amount: Amount) -> FineTune:
        """The recipe for so many labels."""
        batch = min(amount.labels, self.recipe.batch_size)
        return replace(
            self.recipe,
            epochs=math.ceil(self.steps / math.ceil(amount.labels / batch)),
            lr=self.recipe.lr * 512 / (batch // 2 * 2),  # it counts in batches of 512
            end_lr=self.recipe.end_lr * 512 / (batch // 2 * 2),
        )
