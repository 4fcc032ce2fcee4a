"""Views through networks: every pass a method needs, and no other."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ilk.core import Field
from ilk.method import Pass, is_mixed
from ilk.networks import Network

Fields = dict[str, dict[Field, Tensor]]  # by view, then by field


class Runner(nn.Module):
    """Runs all passes of one network in a single call, as distributed wrappers require.

    Args:
        network: student or teacher.
        passes: what is asked of it.
        stacked: views of one size share a forward, clean and mixed apart.
    """

    def __init__(self, network: Network, passes: Sequence[Pass], *, stacked: bool) -> None:
        super().__init__()
        self.network = network
        self.passes = tuple(passes)
        self.stacked = stacked

    def forward(self, views: Mapping[str, Float[Tensor, "B C *spatial"]]) -> Fields:
        """The wanted fields of every view."""
        out: Fields = {}
        for group in self._groups(views):
            with torch.set_grad_enabled(group[0].gradient and torch.is_grad_enabled()):
                out |= self._run(group, views)
        return out

    def _run(self, group: list[Pass], views: Mapping[str, Tensor]) -> Fields:
        batches = [views[entry.view] for entry in group]
        wanted = frozenset[Field]().union(*(entry.fields for entry in group))
        images = batches[0] if len(batches) == 1 else torch.cat(batches)
        fields = self.network(images, wanted)
        sizes = [len(batch) for batch in batches]
        split = {name: rows.split(sizes) for name, rows in fields.items()}
        return {
            entry.view: {name: split[name][i] for name in entry.fields}
            for i, entry in enumerate(group)
        }

    def _groups(self, views: Mapping[str, Tensor]) -> Iterator[list[Pass]]:
        groups: dict[object, list[Pass]] = {}
        for entry in self.passes:
            shape = tuple(views[entry.view].shape[1:])
            key = (shape, is_mixed(entry.view), entry.gradient) if self.stacked else entry.view
            groups.setdefault(key, []).append(entry)
        yield from groups.values()
