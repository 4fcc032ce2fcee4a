"""Why methods do worse than labels alone in so few steps: one change each, on validation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SAME_AVERAGE = {"momentum": 0.99}  # of all cells with a moving average
RATES = {"pseudo-label": 3e-5, "supervised": 0.003, "mixmatch": 2e-4}  # a tenth of their own
# What a method's name alone gives, with none of the options of its cell: AdamW.
BY_NAME: Mapping[str, Any] = {
    "defaults": "fitted", "lr": None, "method_options": {}, "optimiser_options": {},
}  # fmt: skip
WHOLE = {"supervised": 2e-3, "mixmatch": 4e-3}  # peak of the rate for the batch, from scratch
TITLES = {
    "supervised": "labels alone",
    "mixmatch": "MixMatch",
    "pseudo-label": "Pseudo-Label",
    "pi-model": "Pi-Model",
    "temporal-ensembling": "Temporal Ensembling",
    "mean-teacher": "Mean Teacher",
    "fast-swa": "fast-SWA",
    "vat": "VAT",
    "uda": "UDA",
    "fixmatch": "FixMatch",
    "flexmatch": "FlexMatch",
    "noisy-student": "Noisy Student, 400 steps each,",
    "s4l-rotation": "S4L's rotations",
    "s4l-exemplar": "S4L's exemplars",
    "s4l-moam": "S4L-MOAM, 400 steps each,",
}


@dataclass(frozen=True, kw_only=True)
class Reason:
    """A cell with 400 labels a class, beside one that differs in one thing.

    Args:
        name: of the cell.
        words: what it is.
        method: of those in the tables.
        start: ``scratch`` or ``encoder``.
        changes: of its settings.
    """

    name: str
    words: str
    method: str
    start: str = "scratch"
    changes: Mapping[str, Any] = field(default_factory=dict)


REASONS = (
    Reason(
        name="supervised-64",
        words="labels alone, 64 labelled images a step",
        method="supervised",
    ),
    Reason(
        name="supervised-16",
        words="labels alone, 16 labelled images a step",
        method="supervised",
        changes={"batch_size": 16},
    ),
    Reason(
        name="fixmatch-16",
        words="FixMatch, 16 labelled images a step of 128",
        method="fixmatch",
    ),
    Reason(
        name="fixmatch-64",
        words="FixMatch, 64 labelled images a step of 128",
        method="fixmatch",
        changes={"method_options": SAME_AVERAGE | {"ratio": 1.0}},
    ),
    Reason(
        name="fixmatch-64-of-512",
        words="FixMatch, 64 labelled images a step of 512, as the authors have",
        method="fixmatch",
        changes={"batch_size": 512},
    ),
    *(
        Reason(
            name=f"{method}-encoder{name}",
            words=f"{TITLES[method]} from the encoder, at {words} rate",
            method=method,
            start="encoder",
            changes=changes,
        )
        for method, tenth in RATES.items()
        for name, words, changes in (
            ("", "a tenth of its", {"lr": tenth}),
            ("-rate", "its", {}),
        )
    ),
    Reason(
        name="noisy-student-400",
        words="Noisy Student, 400 steps each for the teacher and two students",
        method="noisy-student",
    ),
    Reason(
        name="noisy-student-1200",
        words="Noisy Student, 1,200 steps each",
        method="noisy-student",
        changes={"steps": 1_200},
    ),
    Reason(
        name="noisy-student-quiet",
        words="Noisy Student, 400 steps each, no dropout, whole depth, magnitude 0",
        method="noisy-student",
        changes={
            "method_options": SAME_AVERAGE
            | {"rounds": 2, "min_scale": 0.2, "magnitude": 0, "dropout": 0.0, "drop_path": 0.0}
        },
    ),
    Reason(
        name="s4l-moam-encoder",
        words="S4L-MOAM from the encoder",
        method="s4l-moam",
        start="encoder",
    ),
    Reason(
        name="s4l-moam-encoder-unsure",
        words="S4L-MOAM from the encoder, without its entropy",
        method="s4l-moam",
        start="encoder",
        changes={"method_options": SAME_AVERAGE | {"entropy": 0.0}},
    ),
    *(
        Reason(
            name=f"{method}-fitted",
            words=f"{title} by fitted defaults",
            method=method,
            changes=BY_NAME,
        )
        for method, title in TITLES.items()
    ),
    *(
        Reason(
            name=f"{method}-encoder-{name}",
            words=f"{TITLES[method]} from the encoder, by fitted defaults at {words} rate",
            method=method,
            start="encoder",
            changes=BY_NAME | {"lr": lr},
        )
        for method, whole in WHOLE.items()
        for name, words, lr in (
            ("fitted", "a tenth of their", whole / 10),
            ("fitted-rate", "their", whole),
        )
    ),
)
