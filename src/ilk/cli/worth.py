"""What a run was worth, in a sentence: its encoder beside raw pixels and no training."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SURE = 1.96  # standard errors
FEW = 0.02  # share of unlabelled images with a target


def worth(directory: Path, record: Mapping[str, Any]) -> str:
    """A sentence for a person; it asks for labels where there are none.

    Args:
        directory: of the run.
        record: its run.json, which names the images it learned from.
    """
    import torch

    from ilk.core.facts import LABEL
    from ilk.data import default_workers
    from ilk.evaluate import load_encoder_or_baseline, raw_pixels
    from ilk.networks import load_encoder
    from ilk.networks.classifier import CLASSIFIER
    from ilk.train import online_probe, open_images
    from ilk.train.assemble import facts_learned
    from ilk.train.records.record import recorded_settings

    if (directory / CLASSIFIER).exists():
        known = (
            "photos/ --train-labels labels.csv" if record["settings"]["labels"] else "labelled/"
        )
        return (
            f"its classifier is kept beside it; ilk evaluate {directory} --train {known} "
            f"--test val/ --protocols classify says how often it is right, and ilk predict "
            f"writes the classes of images{few_targets(directory)}"
        )
    settings = record["settings"]
    probe = online_probe(
        open_images(recorded_settings(record), record["data"]["spec"]),
        seed=settings["seed"],
        workers=settings["workers"] or default_workers(),
        device=torch.device(record["device"]),
    )
    if probe is None:
        return (
            f"there are no labels to judge it by; with some labelled images, ilk evaluate "
            f"{directory} --train labelled/train --test labelled/val --against random "
            f"--against pixels says what it is worth"
        )
    encoder = load_encoder(directory)
    untrained = load_encoder_or_baseline("random", ours=encoder, seed=settings["seed"])
    scores = {
        "raw pixels": probe(raw_pixels(channels=encoder.channels)),
        "the same network untrained": probe(untrained),
    }
    taught = LABEL in facts_learned(recorded_settings(record))
    return verdict(probe(encoder), scores, len(probe.queries), taught=taught)


def few_targets(directory: Path) -> str:
    """A further sentence where unlabelled images taught little; else nothing.

    Args:
        directory: that of a run that has ended.
    """
    from ilk.train.records.metrics import METRICS
    from ilk.viewer.learning import metrics

    shares = [
        row["pseudo_share"] for row in metrics(directory / METRICS) if "pseudo_share" in row
    ]
    last = shares[-max(len(shares) // 10, 1) :]
    if not last or sum(last) / len(last) >= FEW:
        return ""
    return (
        f". At its end {sum(last) / len(last):.1%} of the unlabelled images had a target above "
        f"the threshold, so they taught little: a longer run, --from an encoder of yours, or a "
        f"lower threshold, set by --set, may help"
    )


def verdict(
    ours: float, others: Mapping[str, float], images: int, *, taught: bool = False
) -> str:
    """Whether an accuracy beats others that were measured on as many images.

    Args:
        ours: in [0, 1].
        others: likewise, by name.
        images: that were classified.
        taught: whether the encoder learned from their labels.
    """
    text = ", ".join(f"{name} {100 * score:.1f} %" for name, score in others.items())
    unbeaten = [name for name, score in others.items() if not _beats(ours, score, images)]
    line = (
        f"k-NN accuracy on {images:,} of its labelled images: {100 * ours:.1f} %; {text}; "
        f"labels were {'' if taught else 'not '}learned from"
    )
    if taught:
        line += ", so that only other images say what it is worth, by ilk evaluate"
    if not unbeaten:
        return f"{line}. The encoder beats both"
    return (
        f"{line}. The encoder does not beat {' and '.join(unbeaten)} by more than chance: more "
        f"images or a longer run, such as --time 2h, may help"
    )


def _beats(ours: float, theirs: float, images: int) -> bool:
    spread = sum(score * (1 - score) for score in (ours, theirs)) / images
    return ours - theirs > SURE * math.sqrt(spread)
