"""What a run is given where a person names nothing: one table.

``docs/choices.md`` prints it. The rows for small networks are the settings of the learning
check and of the table of all methods (``benchmarks/mini.py``, ``benchmarks/family.py``), which
were chosen on other images than those reported. ``--defaults paper`` goes by none of it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ilk.train.planning.facts import Facts, short, small

PAPER_BACKBONE = "vit_small_patch16_224"
PAPER_EPOCHS, PAPER_BATCH = 100, 256
LARGE = 160  # pixels; images with a longer shorter side are photos, which papers train at 224
MOST_EPOCHS = 800
DEFAULT_MINUTES = 20.0  # on processors
GPU_STEPS = 20_000
LONGEST_WARMUP = 0.15  # of a run; MoCo v3's is 40 of 300 epochs
CATCH_UP = 9.0  # TensorFlow's moving average begins so
PER_EPOCH = 4  # steps that an epoch has at least, where the batch is chosen

# Settings that decide together: where one of them is named, the others stay the paper's.
OPTIMISERS = frozenset({"optimiser", "recipe", "base_lr", "weight_decay"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Network:
    """A row that chooses the network; the first that holds is taken.

    Args:
        when: the condition in words.
        holds: the condition.
        backbone: its name.
        largest: side of the views at most, in pixels; smaller images keep their own size.
        batch: images of a step at most.
        minutes: length of the run; None goes by epochs.
        why: the reason in words.
    """

    when: str
    holds: Callable[[Facts], bool]
    backbone: str
    largest: int
    batch: int
    minutes: float | None
    why: str


NETWORKS: Sequence[Network] = (
    Network(
        when="a processor",
        holds=lambda facts: facts.device == "cpu",
        backbone="resnet_mini",
        largest=64,
        batch=128,
        minutes=DEFAULT_MINUTES,
        why="it learns in minutes; 96 px learned less in the same time",
    ),
    Network(
        when=f"a GPU; images below {LARGE} px, or fewer than 50,000",
        holds=lambda facts: facts.side < LARGE or facts.images < 50_000,
        backbone="resnet18",
        largest=128,
        batch=PAPER_BATCH,
        minutes=None,
        why="convolutions need fewer images than transformers; not measured here",
    ),
    Network(
        when="a GPU; 50,000 photos or more",
        holds=lambda facts: True,
        backbone=PAPER_BACKBONE,
        largest=224,
        batch=PAPER_BATCH,
        minutes=None,
        why="the papers' network and size",
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """A row that lowers fields of a method, whatever the method.

    Args:
        fields: by name.
        when: the condition in words.
        holds: the condition.
        most: the largest value; the method's own stays where it is smaller.
        words: that value in words.
        why: the reason in words.
    """

    fields: tuple[str, ...]
    when: str
    holds: Callable[[Facts], bool]
    most: Callable[[Facts], float]
    words: str
    why: str

    def as_text(self) -> tuple[str, str, str, str]:
        """What is chosen, when, what it becomes, and why."""
        return ", ".join(self.fields), self.when, f"at most {self.words}", self.why


def _always(facts: Facts) -> bool:
    return True


def _on_processor(facts: Facts) -> bool:
    return facts.device == "cpu"


def _half(facts: Facts) -> int:
    """Half of the images, as a power of two."""
    return 2 ** int(math.log2(max(facts.images / 2, 1)))


def _groups(facts: Facts) -> int:
    return max(facts.images // 50, 10)


LIMITS: Sequence[Limit] = (
    Limit(
        fields=("hidden", "predictor_hidden"),
        when="a network below 5 M parameters",
        holds=small,
        most=lambda facts: 1024,
        words="1,024",
        why="heads of paper size cost more than the network itself",
    ),
    Limit(
        fields=("projector_layers",),
        when="a network below 5 M parameters",
        holds=small,
        most=lambda facts: 2,
        words="2",
        why="likewise",
    ),
    Limit(
        fields=("queue_size",),
        when="always",
        holds=_always,
        most=lambda facts: max(_half(facts), 4 * facts.batch),
        words="half of the images, as a power of two, but four batches at least",
        why="a longer queue holds old rows of the same images; FNC writes four views at once",
    ),
    Limit(
        fields=("clusters",),
        when="always",
        holds=_always,
        most=_groups,
        words="one for 50 images, but 10 at least",
        why="a cluster needs images of its own",
    ),
    Limit(
        fields=("prototypes",),
        when="always",
        holds=_always,
        most=lambda facts: max(facts.images // 10, 10),
        words="one for 10 images, but 10 at least",
        why="likewise; DINO learned as much with one for 10 photos as with one for 50",
    ),
    Limit(
        fields=("classes",),
        when="always",
        holds=_always,
        most=lambda facts: max(facts.images // 400, 10),
        words="one for 400 images, but 10 at least",
        why="UIC learned more with one for 400 images than with one for 50",
    ),
    Limit(
        fields=("smallest",),
        when="always",
        holds=_always,
        most=lambda facts: max(facts.images / min(_groups(facts), 10_000) / 6, 2),
        words="a sixth of the mean cluster, but 2 at least",
        why="larger ones would dissolve all clusters",
    ),
    Limit(
        fields=("pool", "hardest"),
        when="always",
        holds=_always,
        most=lambda facts: max(facts.images / 10, 16),
        words="a tenth of the images, but 16 at least",
        why="negatives drawn from all images are not hard",
    ),
    Limit(
        fields=("negatives", "pairs", "own"),
        when="always",
        holds=_always,
        most=lambda facts: max(facts.images / 40, 8),
        words="a 40th of the images, but 8 at least",
        why="likewise",
    ),
    Limit(
        fields=("momentum",),
        when="a network below 5 M parameters, or a run below 20,000 steps; no tune",
        holds=lambda facts: not facts.tune and short(facts),
        most=lambda facts: 0.99,
        words="0.99",
        why="a slower teacher would still be half random at the end of a short run",
    ),
    Limit(
        fields=("warmup_epochs", "warmup_teacher_epochs", "last_layer_epochs", "from_epoch"),
        when="always",
        holds=_always,
        most=lambda facts: facts.epochs * LONGEST_WARMUP,
        words="15 % of the run",
        why="a warm-up must never outlast the run",
    ),
    Limit(
        fields=("ramp_epochs", "rise_epochs"),
        when="always",
        holds=_always,
        most=lambda facts: 0.4 * facts.epochs,
        words="two fifths of the run",
        why="a ramp must end",
    ),
    Limit(
        fields=("queue_steps",),
        when="a network below 5 M parameters, or a run below 20,000 steps",
        holds=short,
        most=lambda facts: max(0.4 * facts.steps, 1),
        words="two fifths of the run",
        why="a queue used before anything is learned made SwAV collapse",
    ),
    Limit(
        fields=("average_from",),
        when="always",
        holds=_always,
        most=lambda facts: 0.5 * facts.epochs,
        words="half of the run",
        why="a mean of weights needs many of them",
    ),
    Limit(
        fields=("frozen_steps",),
        when="always",
        holds=_always,
        most=lambda facts: facts.steps // 10 if math.isfinite(facts.steps) else math.inf,
        words="a tenth of the run",
        why="prototypes must learn for most of the run",
    ),
    Limit(
        fields=("local_views", "large_views"),
        when="a processor",
        holds=_on_processor,
        most=lambda facts: 2,
        words="2",
        why="more passes over fewer images learn less in the same time",
    ),
    Limit(
        fields=("view_count",),
        when="a processor",
        holds=_on_processor,
        most=lambda facts: 4,
        words="4",
        why="likewise",
    ),
)

SMALL_TOKENS: Mapping[str, Any] = {
    "hidden": 512, "dim": 128, "teacher_temperature": 0.04, "drop_path": 0.0,
    "norm_last_layer": True, "min_local_scale": 0.2,
}  # fmt: skip
# What a small network is trained with, by method: other values than a limit gives.
SMALL_METHODS: Mapping[str, Mapping[str, Any]] = {
    "moco-v3": {"dim": 128, "momentum": 0.95, "min_scale": 0.2},
    "dino": {
        "hidden": 512, "dim": 128, "batch_norm": True, "teacher_temperature": 0.04,
        "drop_path": 0.0, "norm_last_layer": True, "min_local_scale": 0.2,
    },
    "swav": {"queue_size": 1024, "min_local_scale": 0.2},
    "barlow-twins": {"dim": 1024},
    "vicreg": {"dim": 1024},
    "vicregl": {"dim": 1024, "local_dim": 256},
    "simsiam": {"dim": 1024, "predictor_hidden": 256},
    "w-mse": {"dim": 32, "sub_batch": 64},
    "mae": {"decoder_dim": 32, "decoder_depth": 1, "decoder_heads": 4},
    "context": {"dim": 128},
    "jigsaw": {"dim": 128},
    "exemplar": {"dim": 128},
    "ibot": SMALL_TOKENS,
    "dinov2": SMALL_TOKENS | {"patch_dim": 128},
    "msn": {"hidden": 512, "dim": 128, "min_local_scale": 0.2},
    "i-jepa": {"predictor_dim": 32, "predictor_depth": 2, "predictor_heads": 4},
}  # fmt: skip
SMALL_OPTIMISER: Mapping[str, Any] = {
    "name": "adamw",
    "lr": 8e-3,
    "end_lr": 0.0,
    "end_share": 0.0,
    "scaling": "linear",
    "weight_decay": 0.01,
}
PATCHES_RATE = 1e-3  # of small networks that cut images into patches
SMALL_WARMUP = 0.1  # of the run
