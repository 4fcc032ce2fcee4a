"""A backbone with its heads. Axes: B images, C channels, N rows, D features."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ilk.core import Mask, Scalar
from ilk.core.names import did_you_mean
from ilk.networks.masked import HIDDEN, hiding
from ilk.networks.places import (
    ASKED,
    EARLY,
    FEATURE,
    SHOWN,
    TOKENS,
    asked_tokens,
    check_keeps_patches,
    feature_and_places,
    is_tiled,
    of_tiles,
)
from ilk.networks.tuning import Tuning

Shown = Mapping[str, Float[Tensor, "_ ..."]]  # by name: feature, map, tokens


@dataclass(frozen=True, slots=True)
class Head:
    """What sits on the backbone or on another head, and how it learns.

    Args:
        module: takes what it sits on and puts out rows [B, D], or places [B, N, D] or
            [B, D, H, W], each of which is a row then.
        on: ``feature`` of the backbone [B, F], its ``map`` [B, C, H, W] before pooling or the
            same as ``tokens`` [B, N, C], all its tokens as a ``sequence``, those that are of no
            place first, the ``early`` map [B, c, h, w] half-way through it, the tokens of the
            places that the masks ask for, ``asked`` [A, C], or the name of a head that stands
            before this one. Of a view of tiles the places are the tiles, and their tokens have
            the width F. What stands on ``hidden`` replaces hidden patches before the backbone
            sees them, see `MaskToken`; without such a head they are left out.
        teacher: whether a teacher has it too.
        renew: makes a module whose weights replace its own at the beginning of every epoch but
            the first.
        freeze_epochs: how long it does not move at first, in epochs.
        freeze_steps: the same in steps; the longer of the two counts.
        constant_lr: whether its learning rate stays at the peak.
        reverse: what lies below learns against it: the gradient that it hands down is
            multiplied by minus this scale (Ganin and Lempitsky, ICML 2015,
            https://arxiv.org/abs/1409.7495). None reverses nothing.
        mask: whether the module is called with the `Mask` of its images too.
        pixels: whether it is called with the images as well, of which nothing is hidden then.
        asked: whether it puts out a row for each place that the masks ask for [A, D].
    """

    module: nn.Module
    on: str = FEATURE
    teacher: bool = True
    renew: Callable[[], nn.Module] | None = None
    freeze_epochs: float = 0.0
    freeze_steps: int = 0
    constant_lr: bool = False
    reverse: Scalar | None = None
    mask: bool = False
    pixels: bool = False
    asked: bool = False


class SameAs(nn.Module):
    """Stands for another head of the network on something else: both have the same weights.

    Args:
        head: its name; it stands before this one.
    """

    def __init__(self, head: str) -> None:
        super().__init__()
        self.head = head


class Network(nn.Module):
    """What a student or a teacher is.

    Parameters of a head stand under its name, those of the backbone under ``backbone``.

    Args:
        backbone: images to features [B, F]; for heads on its map or tokens a timm model.
        heads: by name, each after the one that it sits on, see `check_heads`.
        tuning: how its backbone is continued from given weights, as `tune` has prepared it;
            None where all of it learns as it would from random ones.

    Raises:
        UserError: a head needs all places, of which the backbone leaves some out by chance.

    Attributes:
        resting: whether the backbone has no gradient now, because heads learn alone.
    """

    def __init__(
        self,
        backbone: nn.Module,
        heads: Mapping[str, Head] | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        super().__init__()
        self.tuning = tuning
        self.resting = False
        self.backbone = backbone
        self._heads = dict(heads or {})
        # Tokens may be those of tiles, each of which the backbone sees as an image.
        if any(head.on not in {FEATURE, TOKENS, *self._heads} for head in self._heads.values()):
            check_keeps_patches(backbone)
        for name, head in self._heads.items():
            self.add_module(name, head.module)

    @property
    def heads(self) -> dict[str, Head]:
        """The heads by name, with the modules they have now: batch norms may be exchanged."""
        return {
            name: replace(head, module=self.get_submodule(name))
            for name, head in self._heads.items()
        }

    def forward(
        self,
        images: Float[Tensor, "B C *pixels"],
        wanted: Collection[str],
        scales: Mapping[str, float] | None = None,
        mask: Mask | None = None,
    ) -> dict[str, Float[Tensor, "_ ..."]]:
        """The wanted outputs, each computed once, and nothing that they do not need.

        Args:
            images: normalised.
            wanted: names of heads, or what the backbone shows, see `Head`.
            scales: of the reversed gradients now, by head.
            mask: what is hidden of the images; None is nothing.

        Raises:
            ValueError: there is no such head, or the backbone has no places.
        """
        shown = self.shown(images, wanted, mask)
        return self.above(shown, wanted, scales, mask=mask, images=images)

    def shown(
        self,
        images: Float[Tensor, "B C *pixels"],
        wanted: Collection[str],
        mask: Mask | None = None,
    ) -> dict[str, Float[Tensor, "_ ..."]]:
        """What the backbone shows, as far as the wanted outputs need it; always the feature."""
        learns = not self.resting or images.requires_grad  # of views made by a gradient
        roots = {self.root(name) for name in wanted}
        if mask is not None and mask.hides and EARLY in roots:
            raise ValueError("early: images must be seen whole, but a part of them is hidden")
        with torch.set_grad_enabled(torch.is_grad_enabled() and learns):
            if mask is not None and mask.hides:
                out = self._with_hidden(images, mask)
            elif is_tiled(self.backbone, images):
                return of_tiles(self.backbone, images)
            elif roots - {FEATURE}:
                out = feature_and_places(self.backbone, images, early=EARLY in roots)
            else:
                return {FEATURE: self.backbone(images)}
            if ASKED in self._needed(wanted):
                out[ASKED] = asked_tokens(out[TOKENS], mask)
            return out

    def _with_hidden(self, images: Tensor, mask: Mask) -> dict[str, Tensor]:
        """All that the backbone shows; hooks within a compiled one would not be called."""
        token = next((n for n, head in self._heads.items() if head.on == HIDDEN), None)
        module = None if token is None else self.get_submodule(token)
        with hiding(self.backbone, images, mask, module) as seen:
            return feature_and_places(self.backbone, seen, whole=module is not None)

    def above(
        self,
        shown: Shown,
        wanted: Collection[str],
        scales: Mapping[str, float] | None = None,
        *,
        mask: Mask | None = None,
        images: Float[Tensor, "N C *pixels"] | None = None,
    ) -> dict[str, Float[Tensor, "_ ..."]]:
        """The wanted outputs of rows for which the backbone's part is there."""
        out = dict(shown)
        needed = self._needed(wanted)
        for name, head in self._heads.items():
            if name in needed:
                below = out[head.on]
                if head.reverse is not None:
                    below = reverse_gradient(below, (scales or {})[name])
                further = ((head.mask, mask), (head.pixels, images))
                given = (entry for asked, entry in further if asked)
                out[name] = self._module(name)(below, *given)
        return {name: out[name] for name in out if name in wanted}

    def root(self, name: str) -> str:
        """What of the backbone an output rests on; ``asked`` where it has a row for each.

        Raises:
            ValueError: there is no such head.
        """
        check_name(name, [*SHOWN, *self._heads], "Network: an output must be a head's")
        if name in SHOWN:
            return name
        return ASKED if self._heads[name].asked else self.root(self._heads[name].on)

    def scores(self, head: str, vectors: Float[Tensor, "N D"]) -> Float[Tensor, "N K"]:
        """What one head makes of vectors such as those it sits on.

        Raises:
            ValueError: there is no such head.
        """
        check_name(head, self._heads, "Network: what scores must be a head")
        return self._module(head)(vectors)

    def parts(self) -> dict[str, nn.Module]:
        """The backbone and the heads there are, by name."""
        return dict(self.named_children())

    def _module(self, name: str) -> nn.Module:
        """What a head computes with: its own weights, or those that it shares."""
        module = self.get_submodule(name)
        return self.get_submodule(module.head) if isinstance(module, SameAs) else module

    def _needed(self, wanted: Collection[str]) -> set[str]:
        """The wanted heads and all that they sit on."""
        out = set(wanted)
        for name in reversed(self._heads):
            if name in out:
                out.add(self._heads[name].on)
        return out


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, rows: Tensor, scale: float) -> Tensor:
        ctx.scale = scale  # pyright: ignore[reportAttributeAccessIssue]
        return rows.view_as(rows)

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, *grads: Tensor
    ) -> tuple[Tensor, None]:
        return -ctx.scale * grads[0], None  # pyright: ignore[reportAttributeAccessIssue]


def reverse_gradient(rows: Float[Tensor, "N ..."], scale: float) -> Float[Tensor, "N ..."]:
    """The same numbers, whose gradient comes back times minus the scale."""
    return _Reversed.apply(rows, scale)


def check_heads(heads: Mapping[str, Head]) -> None:
    """Refuse heads that no network can be made of.

    Raises:
        ValueError: a name is taken, a head does not stand after the one that it sits on, or a
            teacher has it without that one.
    """
    before: list[str] = []
    for name, head in heads.items():
        if not name.isidentifier() or name in {*SHOWN, "backbone"} or hasattr(Network, name):
            raise ValueError(f"heads: a name must be a word that is free, got {name!r}")
        known = [*SHOWN, HIDDEN, *before]
        check_name(head.on, known, f"heads: {name} must sit on a head before it")
        if head.teacher and head.on in heads and not heads[head.on].teacher:
            raise ValueError(
                f"heads: {name} sits on {head.on}, which a teacher must have too, but it has "
                f"not; give {name} teacher=False"
            )
        if isinstance(head.module, SameAs):
            check_name(head.module.head, before, f"heads: {name} must share those of a head")
        if head.on != HIDDEN:  # it has no output
            before.append(name)


def check_name(name: str, known: Iterable[str], what: str) -> None:
    """Refuse a name that is not known, and tell the nearest.

    Args:
        name: that came.
        known: names there are.
        what: must hold, for the message.

    Raises:
        ValueError: it is not known.
    """
    names = list(known)
    if name not in names:
        there_are = f"choose from {', '.join(names)}" if names else "there is none"
        raise ValueError(f"{what}, got {name!r}; {did_you_mean(name, names, there_are)}")
