"""What of a given backbone learns, and how fast: one table, by images and network.

The sizes and rates are drawn together from what papers and people report, not measured here:
ExPLoRA (Khanna et al., ICML 2025, https://arxiv.org/abs/2406.10973) for LoRA and the last
blocks, BEiT (Bao et al., ICLR 2022, https://arxiv.org/abs/2106.08254) for rates by layer.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ilk.core import Progress, Scalar, value
from ilk.method import Optimisation
from ilk.networks import possible_parts
from ilk.networks.backbone import backbone_without_weights
from ilk.networks.tuning import Parts
from ilk.train.assemble import named_backbone
from ilk.train.planning.defaults import Limit
from ilk.train.planning.facts import Facts
from ilk.train.settings import Settings

FEW, SOME, MANY, VERY_MANY = 1_000, 10_000, 100_000, 1_000_000  # images
MOST_HEAD_STEPS = 2_000
LEAST_MOMENTUM = 0.996
MOST_DECAY, MOST_CLIP = 0.05, 3.0
GIVEN = "weights to begin with, and tune"


@dataclass(frozen=True, kw_only=True, slots=True)
class PartsRow:
    """A row that chooses what learns; the first that holds and fits the network is taken.

    Args:
        parts: what learns.
        when: the condition in words.
        fewer: number of images below which it holds.
        why: the reason in words.
    """

    parts: Parts
    when: str
    fewer: float
    why: str


PARTS: Sequence[PartsRow] = (
    PartsRow(
        parts="norms",
        when="fewer than 1,000 images",
        fewer=FEW,
        why="so few can teach little; compare with the network as it is",
    ),
    PartsRow(
        parts="lora",
        when="fewer than 1,000,000 images, and attention below the last block",
        fewer=VERY_MANY,
        why="ExPLoRA gained more by it than by training everything",
    ),
    PartsRow(
        parts="last",
        when="fewer than 100,000 images, and no such attention",
        fewer=MANY,
        why="LoRA was not tried on such networks",
    ),
    PartsRow(
        parts="norms",
        when="likewise, and a network whose layers are not known",
        fewer=MANY,
        why="the least that adapts to other images",
    ),
    PartsRow(
        parts="full",
        when="more images",
        fewer=math.inf,
        why="enough images to move all of it",
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberRow:
    """A row that chooses a field of `ilk.networks.Tuning`; each that holds is taken.

    Args:
        field: its name.
        when: the condition in words.
        holds: the condition.
        value: what it becomes.
        words: that value in words.
        why: the reason in words.
    """

    field: str
    when: str
    holds: Callable[[Facts], bool]
    value: Callable[[Facts], float]
    words: str
    why: str


def _small_changes(facts: Facts) -> bool:
    return facts.tune in {"lora", "norms"}


def _rank(facts: Facts) -> int:
    return 8 if facts.images < SOME else 16 if facts.images < MANY else 64


def _rate(facts: Facts) -> float:
    return 0.03 if not _small_changes(facts) and facts.images < SOME else 0.1


def _head_steps(facts: Facts) -> int:
    epoch = facts.steps / facts.epochs
    return int(min(max(epoch, facts.steps / 10), MOST_HEAD_STEPS, facts.steps / 4))


NUMBERS: Sequence[NumberRow] = (
    NumberRow(
        field="rank",
        when="lora",
        holds=lambda facts: facts.tune == "lora",
        value=_rank,
        words="8; 16 from 10,000 images, 64 from 100,000",
        why="more images can fill more parameters; 64 is the paper's",
    ),
    NumberRow(
        field="blocks",
        when="lora or last",
        holds=lambda facts: facts.tune in {"lora", "last"},
        value=lambda facts: 1 if facts.images < MANY else 2,
        words="1; 2 from 100,000 images",
        why="ExPLoRA trains one or two",
    ),
    NumberRow(
        field="rate",
        when="always",
        holds=lambda facts: True,
        value=_rate,
        words="0.1; 0.03 for full and last below 10,000 images",
        why="10 to 100 times below the rate from scratch, which destroys what was learned",
    ),
    NumberRow(
        field="layer_decay",
        when="full",
        holds=lambda facts: facts.tune == "full",
        value=lambda facts: 0.75,
        words="0.75",
        why="low layers are the most general; BEiT's for fine-tuning",
    ),
    NumberRow(
        field="head_steps",
        when="always",
        holds=lambda facts: math.isfinite(facts.steps),
        value=_head_steps,
        words="an epoch or a tenth of the run; at most 2,000 steps and a quarter of the run",
        why="random heads would send the backbone a gradient that says nothing",
    ),
)


def _tuned(facts: Facts) -> bool:
    return facts.tune is not None


LIMITS: Sequence[Limit] = (
    Limit(
        fields=("prototypes",),
        when=GIVEN,
        holds=_tuned,
        most=lambda facts: 8192,
        words="8,192",
        why="a continued run is short; with more of them than images features collapse",
    ),
    Limit(
        fields=("drop_path",),
        when=GIVEN,
        holds=_tuned,
        most=lambda facts: 0.1,
        words="0.1",
        why="given weights need less of it than random ones",
    ),
)


def tuned(settings: Settings) -> str | None:
    """What learns of given weights; None where they are trained as random ones are."""
    return None if settings.weights is None else settings.tune


def with_parts(settings: Settings, images: int) -> Settings:
    """Settings with ``auto`` replaced by what fits.

    Args:
        settings: with backbone and image size decided.
        images: in the data.
    """
    if settings.tune != "auto":
        return settings
    assert settings.image_size is not None, "the image size must be decided"
    network = backbone_without_weights(
        named_backbone(settings),
        image_size=settings.image_size,
        channels=settings.channels,
        options=settings.backbone_options,
    )
    fits = possible_parts(network)
    parts = next(row.parts for row in PARTS if images < row.fewer and row.parts in fits)
    return replace(settings, tune=parts)


def tune_options(facts: Facts, named: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the tuning; none of those that a person named."""
    if facts.tune is None:
        return {}
    return {
        row.field: row.value(facts)
        for row in NUMBERS
        if row.holds(facts) and row.field not in named
    }


def tuned_optimisation(paper: Optimisation, named: Mapping[str, Any]) -> dict[str, Any]:
    """Weight decay and clipping for given weights; none that a person named.

    Args:
        paper: the method's.
        named: fields of the optimisation that a person gave.
    """
    out: dict[str, Any] = {}
    if _most(paper.weight_decay) > MOST_DECAY:
        out["weight_decay"] = MOST_DECAY
    if paper.clip is None or paper.clip > MOST_CLIP:
        out["clip"] = MOST_CLIP
    return {name: chosen for name, chosen in out.items() if name not in named}


def rows() -> list[tuple[str, str, str, str]]:
    """The table as text: what is chosen, when, what it becomes, and why."""
    out = [("tune=auto", row.when, row.parts, row.why) for row in PARTS]
    out += [(f"tune.{row.field}", row.when, row.words, row.why) for row in NUMBERS]
    return [
        *out,
        *(row.as_text() for row in LIMITS),
        ("momentum", GIVEN, f"at least {LEAST_MOMENTUM}",
         "the teacher begins as good as the student, and is to hold it"),
        ("optimiser.weight_decay", GIVEN, f"at most {MOST_DECAY:g}",
         "it pulls given weights to zero as well"),
        ("optimiser.clip", GIVEN, f"at most {MOST_CLIP:g}",
         "one bad batch must not undo them"),
    ]  # fmt: skip


def _most(scalar: Scalar) -> float:
    """The largest value of a schedule, as far as tenths of a run show it."""
    return max(value(scalar, Progress(step, 10, 1.0)) for step in range(11))
