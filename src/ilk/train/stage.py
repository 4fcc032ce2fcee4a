"""One stage of a method: its settings, and what is known of it before it begins."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ilk.core import UserError
from ilk.data import labels
from ilk.method import Stage, Staged, largest
from ilk.methods import recipe
from ilk.train import fit
from ilk.train.assemble import method_without_weights
from ilk.train.images import shared_images
from ilk.train.planning.plan import Say
from ilk.train.processes.ranks import launched_processes, processes
from ilk.train.settings import Settings, placed
from ilk.train.unused import check_used

TABLE = "pseudo-labels.parquet"


def stages_of(settings: Settings) -> tuple[Stage, ...]:
    """The stages of a method, none where it is trained in one go."""
    made = recipe(settings.method, settings.method_options)
    if not isinstance(made, Staged) or settings.method_options.get("pseudo_labels"):
        return ()
    return made.stages()


def settings_of(settings: Settings, stage: Stage, place: Callable[[str], Path]) -> Settings:
    """Settings of one stage: what the method says, and what earlier stages left.

    Args:
        settings: what was asked of the whole.
        stage: one of it.
        place: the directory of a stage, by its name.
    """
    options = {**settings.method_options, **stage.options}
    changes = dict(stage.settings)
    if stage.labels:
        options["pseudo_labels"] = str(place(stage.labels) / TABLE)
    if stage.weights:
        changes["weights"] = str(place(stage.weights))
    if settings.lr is not None:
        changes["lr"] = settings.lr * stage.lr_share
    return replace(settings, **changes, method_options=options)


def going_on(settings: Settings, before: Settings, share: float) -> Settings:
    """The same with the optimiser of the stage whose weights are gone on with.

    Args:
        settings: those of the stage.
        before: what the stage before it had decided.
        share: of its learning rate.
    """
    options = dict(before.optimiser_options)
    if "lr" in options:
        options["lr"] = float(options["lr"]) * share
    return replace(settings, optimiser_options=options)


def with_batch(settings: Settings, known: int, others: int) -> Settings:
    """The same with a batch that was named, or as much of it as the images of a stage fill.

    Args:
        settings: those of the stage.
        known: labelled images.
        others: that the stage sees beside them.
    """
    if settings.batch_size is None:
        return settings
    rule = method_without_weights(settings).sampling
    most = largest(rule, known, known + others)
    parts = launched_processes()[0] * settings.accumulate
    fits = max(min(settings.batch_size, most) // parts, 1) * parts
    return replace(settings, batch_size=fits)


def check_others(settings: Settings, stages: Sequence[Stage], known: int, others: int) -> None:
    """Refuse stages that label images where each has a label, before the first is trained.

    Args:
        settings: what was asked of the whole.
        stages: all of them.
        known: labelled images.
        others: without a label.

    Raises:
        UserError: there are no others.
    """
    labelling = [stage.labels for stage in stages if stage.labels]
    if labelling and not others:
        raise UserError(
            f"{settings.method}: must have images without a label, to be labelled by "
            f"{labelling[0]}, got {known} that all have one"
        )


def dry_run(
    settings: Settings, data: Any, say: Say | None = None, *, began: float | None = None
) -> dict[str, Any]:
    """The record that a run would have; what it would take is measured on a few steps.

    Of several stages it is the record of the first, with the names of all as ``stages``: what
    the others learn from is not known before.

    Args:
        settings: what was asked of the run.
        data: anything that `ilk.data.open_source` takes.
        say: is given the plan, line by line.
        began: as in `train`.
    """
    check_used(settings)
    stages = stages_of(settings)
    if not stages:
        return fit.dry_run(settings, data, say, began=began)
    names = [stage.name for stage in stages]
    if say is not None:
        say(
            f"{'stages':<7} {len(names)}, one after the other: {', '.join(names)}; the first "
            "is planned here, the others need what it leaves"
        )
    first = settings_of(placed(settings), stages[0], Path)
    if first.minutes is not None:
        first = replace(first, minutes=first.minutes / len(names))
    with processes():
        labelled = labels(shared_images(settings, data)) >= 0
        known, others = int(labelled.sum()), int((~labelled).sum())
        check_others(settings, stages, known, others)
        first = with_batch(first, known, others)
        return fit.dry_run(first, data, say, began=began) | {"stages": names}
