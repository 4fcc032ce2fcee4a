"""How well a network recognises what operations make.

Axes: M items, N rows, C classes, E entries, which are operations at a strength.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ilk.core import UNKNOWN, Progress, Rows, full
from ilk.core.facts import LABEL, Fact

Rates = tuple[tuple[float, ...], ...]  # by operation, then by strength


class OperationRates(nn.Module):
    """The rate of each operation at each strength: how well labels were found behind it.

    CTAugment, Berthelot et al., ICLR 2020, https://arxiv.org/abs/1911.09785, section 3.2:
    ``m <- a m + (1 - a) (1 - |p - y|_1 / 2)`` for every operation that was applied to a
    labelled image, p being the prediction for it and y its label.

    Views are made some steps before they are seen. So that each of them is a function of seed
    and step, rates are used in periods: those of a period are the ones that were known when the
    period before it began.

    Args:
        operations: how many there are.
        strengths: how many each of them has.
        count: operations that follow one another in a row.
        decay: a, share of the old rate that is kept.
        every: steps of a period; more than views are made ahead.
        fact: that says the class.
    """

    rates: Float[Tensor, " E"]
    held: Float[Tensor, "2 E"]
    labels: Int[Tensor, " M"]

    def __init__(
        self, operations: int, strengths: int, *, count: int = 2, decay: float = 0.99,
        every: int, fact: str = LABEL,
    ) -> None:  # fmt: skip
        super().__init__()
        self.operations, self.strengths, self.count = operations, strengths, count
        self.decay, self.every, self.fact = decay, every, fact
        entries = operations * strengths
        self.register_buffer("rates", torch.ones(entries))
        self.register_buffer("held", torch.ones(2, entries))  # of this period and the next
        self.register_buffer("labels", torch.empty(0, dtype=torch.long), persistent=False)
        self._copied: tuple[Tensor, int, list[Rates]] | None = None  # of what is held

    def read(self, known: Fact) -> None:
        """Take the labels of all items."""
        self.labels = torch.from_numpy(known.values).long().to(self.rates.device)

    def period(self, step: int) -> int:
        """The period of a step."""
        return step // self.every

    def table(self, ahead: int) -> Rates:
        """The rates of this period (0) or the next (1): by operation, then by strength."""
        now = self.held, self.held._version
        if self._copied is None or self._copied[0] is not now[0] or self._copied[1] != now[1]:
            # A device is waited for when they change, not for every batch of views.
            both = self.held.view(2, self.operations, self.strengths).tolist()
            self._copied = *now, [tuple(map(tuple, rows)) for rows in both]
        return self._copied[2][ahead]

    @torch.no_grad()
    def refresh(self, memories: Mapping[str, nn.Module], progress: Progress, seed: int) -> None:
        """At the beginning of a period the next one's rates become its own."""
        if progress.step % self.every == 0 and progress.step > 0:
            self.held.copy_(torch.stack([self.held[1], self.rates]))

    @torch.no_grad()
    def remember(self, rows: Rows) -> None:
        """Measure the entries behind some rows again, one row after the other.

        Args:
            rows: scores over classes; their tasks say which entries, as `CTAugment` does, and
                rows of images whose class is not known do not count.
        """
        labels = self.labels[rows.composition.sources[:, 0]]
        assert rows.task is not None, "a view with such operations says which they were"
        known = (labels != UNKNOWN) & (rows.task != UNKNOWN)
        found = full(rows.vectors).softmax(dim=1)[known]
        matches = found.gather(1, labels[known][:, None])[:, 0]  # 1 - |p - y|_1 / 2
        place = len(self.rates) ** torch.arange(self.count, device=matches.device)
        entries = (rows.task[known][:, None] // place % len(self.rates)).flatten()
        values = matches.repeat_interleave(self.count).to(self.rates)
        again = (entries[:, None] == entries[None, :]).triu(1).sum(dim=1)  # measured later on
        times = torch.bincount(entries, minlength=len(self.rates))
        kept = self.decay ** times.to(self.rates)
        added = (1 - self.decay) * self.decay ** again.to(self.rates) * values
        self.rates.copy_(kept * self.rates).index_add_(0, entries, added)
