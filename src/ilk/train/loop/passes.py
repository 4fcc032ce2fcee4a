"""Views through networks: every pass a method needs, and no other."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ilk.core import Mask
from ilk.method import Method, Pass, Together
from ilk.networks import ASKED, FEATURE, Network, keep_statistics
from ilk.views import AdversarialView

Outputs = dict[str, dict[str, Tensor]]  # by view, then by head


class Runner(nn.Module):
    """Runs all passes of one network in a single call, as distributed wrappers require.

    Args:
        network: student or teacher.
        passes: what is asked of it.
        together: which views share a pass, as `Method` says.
        mixes: of which view each mixed one is a mix.
        apart: whether mixed views share no pass with clean ones.
        adversarial: views that are moved by gradients of the network; each has a pass of its
            own, of which batch norms keep no statistics.
    """

    def __init__(
        self,
        network: Network,
        passes: Sequence[Pass],
        *,
        together: Together,
        mixes: Mapping[str, str],
        apart: bool,
        adversarial: Mapping[str, AdversarialView],
    ) -> None:
        super().__init__()
        self.network = network
        self.passes = tuple(entry for entry in passes if entry.view not in adversarial)
        self.moved = tuple(entry for entry in passes if entry.view in adversarial)
        self.adversarial = dict(adversarial)
        self.together: Together = together
        self.mixes = dict(mixes)
        self.apart = apart

    def forward(
        self,
        views: Mapping[str, Float[Tensor, "B C *spatial"]],
        scales: Mapping[str, float],
        masks: Mapping[str, Mask],
    ) -> Outputs:
        """The wanted outputs of every view.

        Args:
            views: images by name.
            scales: of the reversed gradients now, by head.
            masks: of the views of which something is hidden.
        """
        out: Outputs = {}
        for group in _grouped(self.passes, lambda entry: self._company(entry, views)):
            self._restart(*(entry.view for entry in group))
            learns = any(entry.gradient for entry in group)
            with torch.set_grad_enabled(learns and torch.is_grad_enabled()):
                out |= self._run(group, views, scales, masks)
        for entry in self.moved:
            learns = entry.gradient and torch.is_grad_enabled()
            with keep_statistics(self.network), torch.set_grad_enabled(learns):
                shown = self._with_moved(entry.view, views, out, scales)
                out |= self._run([entry], shown, scales, masks)
        return out

    def _with_moved(
        self,
        name: str,
        views: Mapping[str, Tensor],
        out: Outputs,
        scales: Mapping[str, float],
    ) -> dict[str, Tensor]:
        """The views with an adversarial one, of which there were directions to begin with."""
        view = self.adversarial[name]
        head, clean = view.by.head, view.by.view

        def ask(images: Tensor) -> Tensor:
            self._restart(clean)
            return self.network(images, {head}, scales)[head]

        moved = view.worst(views[clean], views[name], out[clean][head], ask)
        self._restart(clean)
        return {**views, name: moved}

    def _restart(self, *names: str) -> None:
        """Let the network draw for a moved view what it drew for the clean one, as dropout."""
        if any(self.adversarial[entry.view].by.view in names for entry in self.moved):
            reseed(torch.initial_seed(), next(self.network.parameters()).device)

    def _run(
        self,
        group: list[Pass],
        views: Mapping[str, Tensor],
        scales: Mapping[str, float],
        masks: Mapping[str, Mask],
    ) -> Outputs:
        """Heads see all views of the group at once; those on places, all of one size."""
        network = self.network
        wanted = _heads(group)
        whole = {name for name in wanted if network.root(name) == FEATURE}
        sizes = _grouped(group, lambda entry: (_size(entry, views), _kind(entry, masks)))
        hidden = [_mask(same, masks) for same in sizes]
        images = [_joined([views[entry.view] for entry in same]) for same in sizes]
        shown = [
            network.shown(own, _heads(same), mask)
            for same, own, mask in zip(sizes, images, hidden, strict=True)
        ]
        features = _joined([places[FEATURE] for places in shown])
        mask, own = (hidden[0], images[0]) if len(sizes) == 1 else (None, None)
        rows = network.above({FEATURE: features}, whole, scales, mask=mask, images=own)
        every = [entry for same in sizes for entry in same]
        out = _split(rows, every, [len(views[entry.view]) for entry in every])
        for same, places, mask, own in zip(sizes, shown, hidden, images, strict=True):
            rows = network.above(places, _heads(same) - whole, scales, mask=mask, images=own)
            asked = {name: rows.pop(name) for name in [*rows] if network.root(name) == ASKED}
            parts = [_split(rows, same, [len(views[entry.view]) for entry in same])]
            if asked:
                counts = [masks[entry.view].counted().wanted or 0 for entry in same]
                parts.append(_split(asked, same, counts))
            for view, found in (entry for part in parts for entry in part.items()):
                out[view] |= found
        return out

    def _company(self, entry: Pass, views: Mapping[str, Tensor]) -> object:
        """What views that go through the heads in one pass have in common."""
        if self.together == "view":
            return entry.view if self.apart else self.mixes.get(entry.view, entry.view)
        mixed = self.apart and entry.view in self.mixes
        if self.together == "step":
            return mixed
        kind = mixed, entry.gradient
        return kind if self.together == "all" else (*kind, _size(entry, views))


def reseed(number: int, device: torch.device) -> None:
    """Set what networks draw from.

    Torch's own function goes through every kind of device, which takes it a millisecond where
    there is none.
    """
    cpu = device.type == "cpu"
    (torch.default_generator.manual_seed if cpu else torch.manual_seed)(number)


def runner_of(network: Network, asked: Sequence[Pass], method: Method, role: str) -> Runner:
    """The runner of one network: of the passes that a method asks of it.

    Raises:
        ValueError: a teacher is asked for a view that is moved by the student's gradient.
    """
    own = [entry for entry in asked if entry.network == role]
    adversarial = method.adversarial
    if role != "student" and any(entry.view in adversarial for entry in own):
        raise ValueError("method: an adversarial view must be shown to the student alone")
    mixes = {name: mix.view for name, mix in method.mixes.items()}
    return Runner(
        network,
        own,
        together=method.together,
        mixes=mixes,
        apart=method.mixed_apart,
        adversarial=adversarial,
    )


def _heads(group: Sequence[Pass]) -> frozenset[str]:
    """What is wanted of any of some views."""
    return frozenset[str]().union(*(entry.heads for entry in group))


def _split(rows: Mapping[str, Tensor], order: Sequence[Pass], counts: Sequence[int]) -> Outputs:
    """To each view its own part of the rows, which has so many, as far as it wants them."""
    parts = {name: tensor.split(counts) for name, tensor in rows.items()}
    return {
        entry.view: {name: parts[name][i] for name in parts if name in entry.heads}
        for i, entry in enumerate(order)
    }


def _size(entry: Pass, views: Mapping[str, Tensor]) -> tuple[int, ...]:
    return tuple(views[entry.view].shape[1:])


def _kind(entry: Pass, masks: Mapping[str, Mask]) -> object:
    """What the masks of views that share a pass have in common."""
    mask = masks.get(entry.view)
    return None if mask is None else (mask.grid, mask.visible)


def _mask(same: Sequence[Pass], masks: Mapping[str, Mask]) -> Mask | None:
    """The mask of a pass; None where nothing is hidden."""
    known = [masks[entry.view] for entry in same if entry.view in masks]
    return Mask.cat(known) if known else None


def _grouped(passes: Iterable[Pass], key: Callable[[Pass], object]) -> list[list[Pass]]:
    groups: dict[object, list[Pass]] = {}
    for entry in passes:
        groups.setdefault(key(entry), []).append(entry)
    return list(groups.values())


def _joined(batches: list[Tensor]) -> Tensor:
    return batches[0] if len(batches) == 1 else torch.cat(batches)
