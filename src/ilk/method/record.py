"""The record that every recipe returns and one loop interprets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import nn

from ilk.core import MemoryName, Output, Scalar
from ilk.core.facts import LABEL
from ilk.method.pseudo import PseudoLabels
from ilk.method.references import check_references
from ilk.method.sampling import Sampling
from ilk.method.term import Term
from ilk.networks import FEATURE, HIDDEN, SHOWN, Head, check_heads
from ilk.views import AdversarialView, DerivedView, MixedView, View

HELPED = 6  # small crops with which mixing first helped DINO: SDMP, Table 10


Together = Literal["view", "size", "all", "step"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What a method is built for: a backbone and the data.

    Args:
        width: of the backbone's feature.
        size: side of the large views, in pixels.
        place_width: channels of the backbone's map, and width of its tokens.
        stride: pixels between two places of the map.
        early: channels and side of the map half-way through it; zeros where it shows none.
        patch: side of the patches that it embeds, in pixels; else of squares that are hidden.
        patch_width: width of an embedded patch; the channels of an image where there are none.
        channels: of an image.
        items: of the data set; 0 where the record is only read and the data not known yet.
        classes: of the data set, by its labels; 0 where there are none or none are known yet.
    """

    width: int
    size: int
    place_width: int = 8
    stride: int = 16
    early: tuple[int, int] = (8, 8)
    patch: int = 16
    patch_width: int = 8
    channels: int = 3
    items: int = 0
    classes: int = 0

    @property
    def scores(self) -> int:
        """How wide a classifier of the labels is: one where a record is only read."""
        return max(self.classes, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class EMA:
    """A teacher that is a moving average of the student.

    Args:
        momentum: share of the old teacher kept at each step.
        update: before the teacher's pass of a step, with the weights the student uses in it
            (MoCo), or after the optimiser's step (BYOL, DINO).
        buffers: whether running statistics of batch norms are averaged too, for a teacher that
            is evaluated but has no passes of its own, in which it would gather them.
        measured: training batches, at most an epoch of them, over which the statistics of batch
            norms are measured whenever the average is kept as an encoder; 0 keeps those that it
            gathered in its own passes.
    """

    momentum: Scalar
    update: Literal["before", "after"] = "after"
    buffers: bool = False
    measured: int = 0


@dataclass(frozen=True, slots=True)
class Pretrained:
    """A teacher that has learned before and stays as it is; nothing but its features is read.

    Args:
        encoder: a run, or a network by name, as ``ilk.networks.load_encoder`` reads them.
    """

    encoder: str


@dataclass(frozen=True, slots=True)
class Remember:
    """What is written into a memory once a step is done.

    Args:
        memory: its name in ``Method.memory``.
        outputs: whose rows are written, in this order.
    """

    memory: MemoryName
    outputs: tuple[Output, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mixable:
    """How a mix may change a method; totals are shares of the method's summed term weights.

    Args:
        queries: views whose queries SDMP mixes.
        replace: whether the mixed query takes the clean one's place, or comes on top of it.
        clean: total of the clean terms once mixed ones stand beside them.
        source: total of the terms against clean candidates.
        mix: total of the terms against mixed candidates.
        swap: two views that change roles with probability one half in each step.
        caution: a warning for those who mix this method; empty when there is none.
    """

    queries: tuple[str, ...]
    replace: bool = True
    clean: float = 0.5
    source: float = 0.25
    mix: float = 0.25
    swap: tuple[str, str] | None = None
    caution: str = ""

    @staticmethod
    def beside(queries: tuple[str, ...], *, share: float) -> "Mixable":
        """Mixed queries weigh what their clean ones did; other terms stay as they are.

        Args:
            queries: as above.
            share: of the method's summed term weights that the terms of these queries have.
        """
        return Mixable(queries=queries, clean=1 - share, source=share / 2, mix=share / 2)

    @staticmethod
    def of_crops(names: Sequence[str], *, share: float = 1.0) -> "Mixable":
        """Multi-crop with two large crops first: the last half of the small ones is mixed.

        SDMP, Ren et al., CVPR 2022, section 3.3. By its Table 10 mixing hurts DINO without
        small crops (67.8 to 64.1 %) and with two (71.5 to 70.9 %), and helps with six. Where
        crops have but a share of the terms' weights, mixed ones weigh what clean ones did.
        """
        small = len(names) - 2
        queries = (names[1],) if small < 2 else tuple(names[2 + (len(names) - 1) // 2 :])
        mixed = share * len(queries) / (len(names) - 1)
        clean, each = (1.0, 1.0) if share == 1 else (1 - mixed, mixed / 2)
        caution = (
            ""
            if small >= HELPED
            else (
                f"with {small} small crops mixing lowered the paper's accuracy (Table 10); "
                f"set local_views={HELPED} or more"
            )
        )
        return Mixable(queries=queries, clean=clean, source=each, mix=each, caution=caution)


@dataclass(frozen=True, kw_only=True, slots=True)
class Optimisation:
    """How the student's weights move.

    Args:
        name: of the optimiser. LARS (You et al., 2017, https://arxiv.org/abs/1708.03888) moves
            matrices by a share of their own norm, biases and normalisation parameters as SGD
            does; LARC treats all parameters as LARS does matrices. The share is
            ``trust * |w| / (|g| + weight_decay * |w|)``.
        lr: peak learning rate for a batch of 256.
        scaling: how the peak grows with the batch: linearly, with its square root, or not.
        warmup_epochs: of linear growth from zero.
        end_lr: what the cosine ends at, whatever the batch.
        end_share: or that as a share of the peak; the two are added.
        share_of_peak: what the peak is multiplied by over time, in place of warm-up and cosine.
        weight_decay: may change while training.
        decay_all: also decay biases and normalisation parameters; LARS never does, LARC always.
        momentum: of SGD, LARS and LARC.
        nesterov: whether the momentum of SGD is Nesterov's.
        arc: half turns of the cosine that the rate falls by: 7/16 for ``peak cos(7 pi t / 16)``
            as in FixMatch; None is half a cosine down to the end.
        trust: the trust coefficient of LARS and LARC.
        betas: of AdamW.
        clip: largest norm of one parameter's gradient; None does not clip.
    """

    name: Literal["adamw", "sgd", "lars", "larc"]
    lr: float
    scaling: Literal["linear", "sqrt", "none"] = "linear"
    warmup_epochs: float = 10.0
    end_lr: float = 0.0
    end_share: float = 0.0
    share_of_peak: Scalar | None = None
    weight_decay: Scalar = 0.0
    decay_all: bool = False
    momentum: float = 0.9
    nesterov: bool = False
    arc: float | None = None
    trust: float = 0.001
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """All parts of a way of learning; built for what is `Given`.

    Args:
        views: what is made of each item; names are what outputs refer to.
        heads: what sits on the backbone, by name, each after the one that it sits on.
        teacher: None for methods that have none.
        terms: the loss is their weighted sum.
        memory: queues, banks and centres by name.
        remember: what is written into them after each step.
        prepare: changes made to the backbone once, before the teacher is copied from it.
        drop_path: rate of stochastic depth in the student's backbone.
        together: which views share a pass, and with it the statistics of batch norm: each has
            its own ("view"), those of one size share one ("size"), or those of one size share
            the backbone's and all of them the heads' ("all"), as SwAV and DINO do. Views that
            nothing learns from are apart from the others, but for "step", which is "all" with
            them, as in FixMatch; no gradient flows from their outputs then.
        mixed_apart: whether mixed views share no pass with clean ones.
        optimisation: defaults for the optimiser.
        batch_size: the paper's, over all devices.
        encoder: which network is kept as the encoder.
        mixable: how mixes change this method.
        derived: views that are made from these and from one another, in the order in which they
            are made; mixes are among them.
        places: whether any part of it asks where in its image a row lies.
        facts: names of what the method must know of items, such as ``label``, and the share of
            the known values of each that it may see.
        sampling: by which facts the items of a batch are drawn; None is a random order of all.
        pseudo: predictions of another network that it takes as labels; whoever opens the data
            reads them. None is none.

    Raises:
        ValueError: a head, view, network or memory that is referred to is not there.
    """

    views: tuple[View, ...]
    heads: Mapping[str, Head]
    teacher: EMA | Pretrained | None = None
    terms: tuple[Term, ...]
    memory: Mapping[str, nn.Module] = field(default_factory=dict)
    remember: tuple[Remember, ...] = ()
    prepare: tuple[Callable[[nn.Module], None], ...] = ()
    drop_path: float = 0.0
    together: Together = "view"
    mixed_apart: bool = True
    optimisation: Optimisation
    batch_size: int
    encoder: Literal["student", "teacher"] = "student"
    mixable: Mixable
    derived: tuple[DerivedView, ...] = ()
    places: bool = False
    facts: Mapping[str, float] = field(default_factory=dict)
    sampling: Sampling | None = None
    pseudo: PseudoLabels | None = None

    def __post_init__(self) -> None:
        """Look up every name that views, terms, kin rules and memories refer to."""
        names = {view.name for view in self.views}
        for view in self.derived:
            if missing := set(view.of) - names:
                raise ValueError(
                    f"Method: {view} must be made from views that there are, "
                    f"{', '.join(sorted(names))}, got {', '.join(sorted(missing))}"
                )
            names |= set(view.names)
        if LABEL not in self.facts and any(view.subset != "all" for view in self.views):
            raise ValueError(
                "Method.facts must name 'label', for a view is of some items alone"
            )
        check_heads(self.heads)
        outputs = {name: head for name, head in self.heads.items() if head.on != HIDDEN}
        learning = [*SHOWN, *outputs]
        teaching: list[str] = []
        if isinstance(self.teacher, EMA):
            teaching = [*SHOWN, *(n for n, head in outputs.items() if head.teacher)]
        elif isinstance(self.teacher, Pretrained):
            teaching = [FEATURE]
        check_references(
            (self.terms, self.remember, self.derived),
            heads={"student": learning, "teacher": teaching, "start": learning},
            views=self.all_views,
            memory=self.memory,
        )

    @property
    def all_views(self) -> tuple[str, ...]:
        """All views, each once: those of images, then those that are made from others."""
        derived = (name for view in self.derived for name in view.names)
        return tuple(dict.fromkeys((*(view.name for view in self.views), *derived)))

    @property
    def mixes(self) -> dict[str, MixedView]:
        """Derived views that are mixes of another one, by name."""
        return {view.name: view for view in self.derived if isinstance(view, MixedView)}

    @property
    def adversarial(self) -> dict[str, AdversarialView]:
        """Derived views that are moved by the student's gradient, by name."""
        return {view.name: view for view in self.derived if isinstance(view, AdversarialView)}
