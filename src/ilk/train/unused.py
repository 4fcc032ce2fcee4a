"""Settings that would change nothing are refused: a person would believe that they did."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ilk.core import UserError
from ilk.train.assemble import method_without_weights
from ilk.train.settings import Settings

# Fields of the optimisation that not every optimiser has.
OPTIMISERS_WITH: Mapping[str, Sequence[str]] = {
    "momentum": ("sgd", "lars", "larc"),
    "nesterov": ("sgd",),
    "trust": ("lars", "larc"),
    "betas": ("adamw",),
    "decay_all": ("adamw", "sgd"),
}


def check_used(settings: Settings) -> None:
    """Refuse options of a mix, kin rule, tuning, guard or optimiser that the run does not have.

    Args:
        settings: as a person gave them.

    Raises:
        UserError: there are some.
    """
    for line in _unused(settings):
        raise UserError(f"{line}, or leave it out")


def _unused(settings: Settings) -> Iterator[str]:
    given = settings.weights is not None or settings.backbone_options.get("pretrained")
    needed: Sequence[tuple[bool, str, Mapping[str, Any], str]] = (
        (settings.mix is not None, "mix_options", settings.mix_options,
         'a mix, got none; give mix="NAME"'),
        (settings.kin is not None, "kin_options", settings.kin_options,
         'a kin rule, got none; give kin="NAME"'),
        (settings.tune is not None, "tune_options", settings.tune_options,
         'to know what is tuned, got no tune; give weights="FILE" and tune="auto"'),
        (bool(given), "tune_options", settings.tune_options,
         'given weights, got none; give weights="FILE"'),
    )  # fmt: skip
    for there, options, fields, what in needed:
        if not there:
            yield from (f"{options}: {field} needs {what}" for field in fields)
    if settings.guard_every is not None and not given:
        yield (
            f"guard_every: {settings.guard_every:g} needs given weights, with which a guard "
            'compares the run, got none; give weights="FILE"'
        )
    if OPTIMISERS_WITH.keys() & settings.optimiser_options.keys():
        yield from _of_another(settings)


def _of_another(settings: Settings) -> Iterator[str]:
    """Fields of another optimiser than the one that is named or the method's."""
    paper = method_without_weights(settings).optimisation
    name = str(settings.optimiser_options.get("name", paper.name))
    for field in settings.optimiser_options:
        known = OPTIMISERS_WITH.get(field, (name,))
        if name not in known:
            yield (
                f"optimiser_options: {field} is of {' and '.join(known)}, got it with {name}; "
                f'give optimiser_options={{"name": "{known[0]}"}}'
            )
