"""Everything that decides a run, as plain values that go into its record."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from ilk.core import UserError
from ilk.train.ranges import RANGES

AUTO = "auto"  # in place of the name of a mix
PAIRS = "table"  # the kin rule that goes by a table of pairs
PLACES = ("labelled", "labels", "masks", "subset")  # settings that are paths


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What a person sets; None means that `ilk` decides and records what it decided.

    Args:
        method: name of the method; ``ilk methods`` lists them.
        method_options: fields of the method that differ from the paper's.
        mix: name of the mix; None mixes no images, ``auto`` decides by the measured regimes,
            see `ilk.train.planning.mixing`.
        mix_options: fields of the mix that differ from its defaults.
        kin: name of a kin rule to add, perhaps with its number as in ``neighbours:5``; None
            adds none.
        kin_options: fields of the kin rule that differ from its defaults.
        optimiser_options: fields of the method's optimisation that differ from the paper's.
        augment: ``full`` for the paper's views, ``no-hue`` without changes of colour, ``crops``
            for crops and flips alone.
        background: what replaces the background of a view: remove, random or swap, perhaps
            with a probability as in ``random:0.2``; None leaves it as it is.
        masks: source of the foreground of an image: a folder of masks, saliency, or None for
            data that have masks of their own.
        backbone: any timm model, or one of our own small ones; None fits data and device.
        backbone_options: further arguments of the backbone.
        weights: weights to begin with: a file, a run, a hub folder or ``timm:NAME``, see
            `ilk.networks.read_given`; None begins with random ones.
        labelled: images that alone count as labelled, with a folder for each class or any other
            source; None takes the labels of the data.
        labels: table that alone says labels of the data, CSV or parquet with the columns path
            and label; None takes the data's own.
        subset: list of decisions, as `ilk.curate.decisions` writes it: images that it drops are
            left out, and where it selects any, all others; None takes all of the data.
        anchor: what keeps features near those of the weights to begin with: ``cosine`` (of each
            image) or ``gram`` (similarities of its patches), perhaps with a weight as in
            ``gram:0.5``; None lets them go.
        tune: what of the backbone learns where the run begins with weights: ``full`` all of it,
            more slowly the lower the layer, ``last`` its last blocks and norms, ``norms`` these
            alone, ``lora`` the same as last and a change of low rank to the attention below,
            ``auto`` what fits network and number of images; see `ilk.networks.Tuning`. None
            trains all of it as if its weights were random, at a lower rate.
        tune_options: fields of `ilk.networks.Tuning` that differ from those that are chosen.
        guard: whether a run that begins with given weights turns back when its encoder becomes
            worse than they are: ``auto`` or ``off``; they are scored in either case.
        guard_every: epochs between looks of the guard; None is a twentieth of the run.
        image_size: side of the full-size views in pixels; None fits images and backbone.
        channels: number of channels of an image.
        epochs: length of the run; give one of epochs, steps and minutes, or none for a length
            that suits the machine, some twenty minutes on a processor.
        steps: length of the run in optimiser steps.
        minutes: time of the whole command, loading and scores included; the schedule is fitted
            to it.
        batch_size: images in a step, over all devices; None takes what method, data and memory
            allow.
        accumulate: number of micro-batches in a step.
        lr: peak learning rate; None takes the method's, scaled to the batch.
        seed: seed of all random numbers.
        workers: number of threads that make views; None is one per core.
        checkpoint_every: steps between checkpoints; None is once an epoch.
        device: where to compute; auto takes a GPU where there is one.
        precision: numbers to compute in; auto is bf16-mixed on GPUs that have it, and on
            processors that have it for networks that are faster so, else 32-true.
        compile: whether the backbones are compiled.
        knn_every: epochs between online k-NN scores where labels exist; 0 is never, None about
            twenty in a run.
        max_bad_share: largest share of unreadable images, in [0, 1], with which a run goes on.
        stop_on_collapse: whether the run ends when its features collapse.
        strategy: how several devices share the work.
        profile: whether it is measured where the time of a step goes.
        defaults: where settings that are not given come from: ``fitted`` to images, machine and
            length (see ``ilk.train.planning.defaults``), or the ``paper``.
    """

    method: str = "moco-v3"
    method_options: Mapping[str, Any] = field(default_factory=dict)
    mix: str | None = None
    mix_options: Mapping[str, Any] = field(default_factory=dict)
    kin: str | None = None
    kin_options: Mapping[str, Any] = field(default_factory=dict)
    optimiser_options: Mapping[str, Any] = field(default_factory=dict)
    augment: Literal["full", "no-hue", "crops"] = "full"
    background: str | None = None
    masks: str | None = None
    backbone: str | None = None
    backbone_options: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None
    labelled: str | None = None
    labels: str | None = None
    subset: str | None = None
    anchor: str | None = None
    tune: Literal["auto", "lora", "last", "norms", "full"] | None = None
    tune_options: Mapping[str, Any] = field(default_factory=dict)
    guard: Literal["auto", "off"] = "auto"
    guard_every: float | None = None
    image_size: int | None = None
    channels: int = 3
    epochs: float | None = None
    steps: int | None = None
    minutes: float | None = None
    batch_size: int | None = None
    accumulate: int = 1
    lr: float | None = None
    seed: int = 0
    workers: int | None = None
    checkpoint_every: int | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    compile: bool = False
    knn_every: float | None = None
    max_bad_share: float = 0.1
    stop_on_collapse: bool = False
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    profile: bool = False
    defaults: Literal["fitted", "paper"] = "fitted"

    def __post_init__(self) -> None:
        lengths = {"epochs": self.epochs, "steps": self.steps, "minutes": self.minutes}
        given = {name: length for name, length in lengths.items() if length is not None}
        if len(given) > 1:
            raise UserError(
                f"length of the run: only one of epochs, steps and time can be given, got "
                f"{', '.join(f'{name} {length:g}' for name, length in given.items())}"
            )
        _check_mix(self)
        if self.masks is not None and self.background is None:
            raise UserError(
                "masks: need a background to replace, got none; give background "
                "random, or leave masks out"
            )
        _check_tune(self)
        for name, kind in RANGES.items():
            number = _plain(getattr(self, name))
            if number is not None and not kind.fits(number):
                raise UserError(f"{name}: must be {kind.says}, got {number}")

    @property
    def guard_scores(self) -> bool:
        """Whether online k-NN is what the guard measures, so that it is measured once."""
        return self.weights is not None and self.guard == "auto" and self.knn_every is None

    def as_record(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def _check_mix(settings: Settings) -> None:
    if settings.mix == AUTO and settings.mix_options:
        raise UserError(
            f"mix_options: need a mix by its name, got {', '.join(settings.mix_options)} with "
            f'mix="auto"; name the mix, or leave them out'
        )


def _check_tune(settings: Settings) -> None:
    """Refuse to keep weights that there are none of; ``full`` then is what is done anyway."""
    given = settings.weights is not None or settings.backbone_options.get("pretrained")
    if settings.tune not in {None, "full"} and not given:
        raise UserError(
            f"tune: {settings.tune} keeps most of the weights that a run begins with, and must "
            f'have some, got none; give weights="FILE", or leave tune out'
        )


_SAYS = {
    bool: "True or False", int: "a whole number", float: "a number", str: "text",
    NoneType: "None",
}  # fmt: skip


def checked_settings(given: Mapping[str, Any]) -> Settings:
    """Settings from values of any type, as a person gives them in Python.

    NumPy's numbers, such as searches over parameters give, become Python's, paths become text,
    and None stands for no options.

    Args:
        given: a value for each setting, by its name.

    Raises:
        UserError: a value is not of its type or not in its range.
    """
    plain: dict[str, Any] = {}
    for name, hint in get_type_hints(Settings).items():
        value = _plain(given[name])
        if value is None and get_origin(hint) is Mapping:
            value = {}
        kinds = get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,)
        if not any(_fits(value, kind) for kind in kinds):
            says = " or ".join(map(_words, kinds))
            raise UserError(f"{name}: must be {says}, got {value!r}")
        plain[name] = value
    return Settings(**plain)


def _plain(given: Any) -> Any:
    """A value as a record can hold it."""
    if getattr(given, "shape", None) == ():  # a number of NumPy's
        return given.item()
    if isinstance(given, Path):
        return str(given)
    if isinstance(given, Mapping):
        return {name: _plain(value) for name, value in cast("Mapping[str, Any]", given).items()}
    return given


def _fits(given: object, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return isinstance(given, str) and given in get_args(kind)
    if kind in {int, float}:
        return isinstance(given, int | kind) and not isinstance(given, bool)
    return isinstance(given, get_origin(kind) or kind)


def _words(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    return _SAYS.get(kind, "a mapping of fields")


def placed(settings: Settings) -> Settings:
    """Settings whose paths hold from any directory."""
    pairs = pairs_of(settings)
    if pairs is not None:
        settings = replace(settings, kin=f"{PAIRS}:{pairs}", kin_options={})
    named = {name: placed_setting(name, getattr(settings, name)) for name in ("kin", *PLACES)}
    return replace(settings, method_options=placed_options(settings.method_options), **named)


def placed_setting(name: str, value: Any) -> Any:
    """The value of a setting; where it names a path, one that holds from any directory."""
    rule, colon, pairs = str(value).partition(":")
    if name == "kin":
        return f"{PAIRS}:{absolute(pairs)}" if (rule, colon) == (PAIRS, ":") else value
    if value is None or name not in PLACES or (name, value) == ("masks", "saliency"):
        return value
    return absolute(value)


def placed_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a method whose paths hold from any directory."""
    places = {"teacher": absolute_encoder, "pseudo_labels": absolute}
    return {k: places[k](str(v)) if k in places and v else v for k, v in options.items()}


def pairs_of(settings: Settings) -> str | None:
    """The path of the table of pairs that the kin rule asks for; None where it asks for none.

    Raises:
        UserError: it does not say which.
    """
    name, _, path = (settings.kin or "").partition(":")
    if name != PAIRS:
        return None
    path = path or str(settings.kin_options.get("table", ""))
    if not path:
        raise UserError("kin: table must name its pairs, as in table:pairs.parquet, got none")
    return path


def absolute_encoder(spec: str) -> str:
    """An encoder as `ilk.networks.load_encoder` reads it, whose path holds from anywhere."""
    if spec.startswith(("timm:", "random:")):
        return spec
    name, at, file = spec.partition("@")
    own = at and "/" not in name and not Path(spec).exists()  # NAME@FILE
    return f"{name}@{absolute(file)}" if own else absolute(spec)


def absolute(path: str | Path) -> str:
    """A path that holds from any directory."""
    return str(Path(path).expanduser().absolute())


def absolute_places(data: Any) -> str | list[str] | None:
    """Paths that hold from any directory, whatever follows a colon; None for data in memory."""
    if isinstance(data, list):
        places: list[Any] = data
        paths = [absolute(part) for part in places if isinstance(part, str | Path)]
        return paths if len(paths) == len(places) else None
    return absolute(data) if isinstance(data, str | Path) else None
