"""From the table of defaults to the values of a run."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ilk.method import asks_for_places, drops_patches, encodes_patches, typed_changes
from ilk.methods import recipe
from ilk.networks import OWN, VIT, check_patches, patch_side
from ilk.train.assemble import method_without_weights
from ilk.train.planning import tuning
from ilk.train.planning.defaults import (
    CATCH_UP,
    GPU_STEPS,
    LIMITS,
    LONGEST_WARMUP,
    MOST_EPOCHS,
    NETWORKS,
    OPTIMISERS,
    PAPER_BACKBONE,
    PAPER_EPOCHS,
    PATCHES_RATE,
    PER_EPOCH,
    SMALL_METHODS,
    SMALL_OPTIMISER,
    SMALL_WARMUP,
    Network,
)
from ilk.train.planning.facts import SMALL_NETWORK, Facts, short, small
from ilk.train.planning.survey import PHOTO, natural_size
from ilk.train.settings import Settings


def network_for(facts: Facts) -> Network:
    """The first row that holds."""
    return next(row for row in NETWORKS if row.holds(facts))


def batch_for(facts: Facts, most: int) -> int:
    """An even number of images, so that an epoch has four steps where there are enough."""
    largest = max(facts.images // PER_EPOCH, min(facts.images, 32))
    return max(min(most, largest) // 2 * 2, 1)


def epochs_for(steps_per_epoch: float) -> tuple[float, bool]:
    """The length of a run that is not timed, and whether it is the longest that is chosen."""
    return at_most(max(PAPER_EPOCHS, GPU_STEPS / steps_per_epoch))


def at_most(epochs: float) -> tuple[float, bool]:
    """Epochs as far as they are known to help, and whether there could have been more."""
    return min(epochs, MOST_EPOCHS), epochs > MOST_EPOCHS


def with_network(asked: Settings, row: Network, side: float) -> Settings:
    """Backbone and image size.

    Args:
        asked: as a person gave them.
        row: of the table, that holds.
        side: median of the shorter sides of the images, in pixels.

    Raises:
        UserError: the backbone cuts images into patches, which do not cover the named size.
    """
    fitted = asked.defaults == "fitted"
    backbone = asked.backbone or (_network(asked, row) if fitted else PAPER_BACKBONE)
    own = fitted and backbone in {row.backbone, *OWN}
    patch = patch_side(backbone, channels=asked.channels, options=asked.backbone_options)
    size = asked.image_size or natural_size(side, row.largest if own else PHOTO, patch)
    check_patches(backbone, patch, size)
    return replace(asked, backbone=backbone, image_size=size)


def _network(asked: Settings, row: Network) -> str:
    """The row's network, or a transformer where a method needs patches on their own."""
    method = method_without_weights(asked)
    if not any(needs(method) for needs in (drops_patches, asks_for_places, encodes_patches)):
        return row.backbone
    return VIT if row.backbone in OWN else PAPER_BACKBONE


def with_method(asked: Settings, settings: Settings, facts: Facts) -> Settings:
    """Fields of the method and its optimisation that a person did not name.

    Args:
        asked: as a person gave them.
        settings: with network and batch decided.
        facts: of images, machine and run.
    """
    if settings.defaults == "paper":
        return settings
    made = recipe(asked.method, asked.method_options)
    fields = method_options(asked.method, made, facts, asked.method_options)
    settings = replace(settings, method_options={**fields, **asked.method_options})
    warmup = method_without_weights(settings).optimisation.warmup_epochs
    moved = optimiser_options(facts, warmup, asked.optimiser_options, asked.method_options)
    continued = tuning.tune_options(facts, asked.tune_options)
    if facts.tune is not None:
        paper = typed_changes(method_without_weights(settings).optimisation, "optimiser", moved)
        moved |= tuning.tuned_optimisation(paper, asked.optimiser_options)
    return replace(
        settings,
        optimiser_options={**moved, **asked.optimiser_options},
        tune_options={**continued, **asked.tune_options},
    )


def method_options(
    name: str, settings: Any, facts: Facts, named: Mapping[str, Any]
) -> dict[str, Any]:
    """Fields of a method that are to be others; none of those that a person named.

    Args:
        name: of the method.
        settings: of the method, a dataclass, as a person gave them.
        facts: of images, machine and run.
        named: fields that a person gave; a named recipe counts as a large network's.
    """
    if "recipe" in named:
        facts = replace(facts, parameters=SMALL_NETWORK)
    own = SMALL_METHODS.get(name, {}) if small(facts) else {}
    out: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        before = getattr(settings, field.name)
        chosen = _lowered(field.name, own.get(field.name, before), facts)
        if facts.tune is not None and field.name == "momentum":
            chosen = max(before, tuning.LEAST_MOMENTUM)
        if field.name == "catch_up" and short(facts):
            chosen = CATCH_UP
        if chosen != before and field.name not in named:
            out[field.name] = chosen
    return out


def optimiser_options(
    facts: Facts, warmup_epochs: float, named: Mapping[str, Any], of_method: Mapping[str, Any]
) -> dict[str, Any]:
    """Fields of the optimisation that differ from the paper's.

    Args:
        facts: of images, machine and run.
        warmup_epochs: the method's.
        named: fields of the optimisation that a person gave.
        of_method: fields of the method that a person gave.
    """
    out: dict[str, Any] = {}
    warmup = min(warmup_epochs, facts.epochs * LONGEST_WARMUP)
    if small(facts) and not (set(named) - {"warmup_epochs"}) | (set(of_method) & OPTIMISERS):
        out = dict(SMALL_OPTIMISER)
        if facts.patches and facts.tune is None:
            out["lr"] = PATCHES_RATE
        tenth = facts.epochs * SMALL_WARMUP
        warmup = tenth if math.isfinite(tenth) else warmup_epochs
    if warmup != warmup_epochs:
        out["warmup_epochs"] = round(warmup, 4)
    if "warmup_epochs" in {*named, *of_method}:
        out.pop("warmup_epochs", None)
    return out


def table() -> list[tuple[str, str, str, str]]:
    """Every row as text: what is chosen, when, what it becomes, and why."""
    rows = [
        (
            "network",
            row.when,
            f"{row.backbone}, views of {row.largest} px at most, batch {row.batch} at most, "
            + (f"{row.minutes:g} minutes" if row.minutes else "100 epochs or 20,000 steps"),
            row.why,
        )
        for row in NETWORKS
    ]
    rows += [row.as_text() for row in LIMITS]
    rows.append(
        (
            "catch_up",
            "a network below 5 M parameters, or a run below 20,000 steps",
            f"{CATCH_UP:g}",
            "the average that is kept would be its random start in a short run",
        )
    )
    small = "a network below 5 M parameters"
    rows += [
        (name, small, ", ".join(f"{field}={value}" for field, value in fields.items()),
         "the settings of the benchmarks mini and family")
        for name, fields in SMALL_METHODS.items()
    ]  # fmt: skip
    rows.append(
        (
            "optimiser",
            f"{small}; optimiser_options name no field but warm-up (lr is the rate alone)",
            f"{', '.join(f'{field}={value}' for field, value in SMALL_OPTIMISER.items())}, "
            "warm-up for a tenth of the run",
            "the papers' are for large networks and batches",
        )
    )
    rows.append(
        (
            "learning rate",
            "likewise, and the network cuts images into patches, as transformers do; no tune",
            f"{PATCHES_RATE:g}",
            "at the rate of convolutions MAE and I-JEPA ended below the untrained network",
        )
    )
    rows.append(
        (
            "batch",
            "always",
            "as many images as leave four steps in an epoch and 40 % of the memory free",
            "a run must not be killed for want of memory",
        )
    )
    rows.append(
        (
            "length",
            "always",
            f"{MOST_EPOCHS} epochs at most where neither epochs, steps nor time is named",
            "200 photos learned more up to there, and longer was not tried",
        )
    )
    return rows + tuning.rows()


def _lowered(field: str, value: Any, facts: Facts) -> Any:
    for row in (*LIMITS, *tuning.LIMITS):
        if field in row.fields and row.holds(facts):
            value = _at_most(value, row.most(facts))
    return value


def _at_most(value: Any, most: float) -> Any:
    if isinstance(value, tuple):
        return tuple(_at_most(entry, most) for entry in value)
    if value <= most:
        return value
    whole = isinstance(value, int) and (most >= 1 or most == 0)
    return int(most) if whole else round(most, 4)


def differences(asked: Settings, settings: Settings) -> dict[str, Any]:
    """What was left open and is now decided, by name."""
    out: dict[str, Any] = {}
    for name in ("backbone", "image_size", "batch_size"):
        if getattr(asked, name) is None:
            out[name] = getattr(settings, name)
    if asked.mix != settings.mix:
        out["mix"] = settings.mix or "none"
        out |= {f"mix.{key}": value for key, value in settings.mix_options.items()}
    if asked.tune == "auto":
        out["tune"] = settings.tune
    places = {"method_options": "", "optimiser_options": "optimiser.", "tune_options": "tune."}
    for name, place in places.items():
        before: Mapping[str, Any] = getattr(asked, name)
        after: Mapping[str, Any] = getattr(settings, name)
        out |= {f"{place}{key}": after[key] for key in after if key not in before}
    return out
