"""Views through networks: every pass a method needs, and no other."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ilk.core import Field
from ilk.method import Pass, Together
from ilk.networks import Network

Fields = dict[str, dict[Field, Tensor]]  # by view, then by field


class Runner(nn.Module):
    """Runs all passes of one network in a single call, as distributed wrappers require.

    Args:
        network: student or teacher.
        passes: what is asked of it.
        together: which views share a pass, as `Method` says.
        mixes: of which view each mixed one is a mix.
        apart: whether mixed views share no pass with clean ones.
    """

    def __init__(
        self,
        network: Network,
        passes: Sequence[Pass],
        *,
        together: Together,
        mixes: Mapping[str, str],
        apart: bool,
    ) -> None:
        super().__init__()
        self.network = network
        self.passes = tuple(passes)
        self.together: Together = together
        self.mixes = dict(mixes)
        self.apart = apart

    def forward(self, views: Mapping[str, Float[Tensor, "B C *spatial"]]) -> Fields:
        """The wanted fields of every view."""
        out: Fields = {}
        for group in _grouped(self.passes, lambda entry: self._company(entry, views)):
            with torch.set_grad_enabled(group[0].gradient and torch.is_grad_enabled()):
                out |= self._run(group, views)
        return out

    def _run(self, group: list[Pass], views: Mapping[str, Tensor]) -> Fields:
        sizes = _grouped(group, lambda entry: _size(entry, views))
        features = [
            self.network.backbone(_joined([views[entry.view] for entry in same]))
            for same in sizes
        ]
        wanted = frozenset[Field]().union(*(entry.fields for entry in group))
        fields = self.network.heads(_joined(features), wanted)
        order = [entry for same in sizes for entry in same]
        counts = [len(views[entry.view]) for entry in order]
        split = {name: rows.split(counts) for name, rows in fields.items()}
        return {
            entry.view: {name: split[name][i] for name in entry.fields}
            for i, entry in enumerate(order)
        }

    def _company(self, entry: Pass, views: Mapping[str, Tensor]) -> object:
        """What views that go through the heads in one pass have in common."""
        if self.together == "view":
            return entry.view if self.apart else self.mixes.get(entry.view, entry.view)
        kind = self.apart and entry.view in self.mixes, entry.gradient
        return kind if self.together == "all" else (*kind, _size(entry, views))


def _size(entry: Pass, views: Mapping[str, Tensor]) -> tuple[int, ...]:
    return tuple(views[entry.view].shape[1:])


def _grouped(passes: Iterable[Pass], key: Callable[[Pass], object]) -> list[list[Pass]]:
    groups: dict[object, list[Pass]] = {}
    for entry in passes:
        groups.setdefault(key(entry), []).append(entry)
    return list(groups.values())


def _joined(batches: list[Tensor]) -> Tensor:
    return batches[0] if len(batches) == 1 else torch.cat(batches)
