"""``ilk train``: a folder of images in, a run directory with an encoder out."""

from pathlib import Path
from time import monotonic as clock
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console

from ilk.cli.arguments import (
    check_data,
    check_names,
    literals,
    minutes,
    split_options,
    with_field,
)
from ilk.cli.follow import answer_first, follow, planner, speaker, speaks
from ilk.cli.terminal import terminal

if TYPE_CHECKING:
    from ilk.train import Settings

Pairs = Annotated[tuple[str, ...], Parameter(negative=(), consume_multiple=True)]


def train(
    data: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    method: str = "moco-v3",
    mix: str | None = None,
    kin: str | None = None,
    augment: Literal["full", "no-hue", "crops"] = "full",
    background: str | None = None,
    masks: str | None = None,
    backbone: str | None = None,
    backbone_set: Pairs = (),
    weights: Annotated[str | None, Parameter(name="--from")] = None,
    teacher: str | None = None,
    rounds: int | None = None,
    labelled: str | None = None,
    labels: str | None = None,
    subset: str | None = None,
    anchor: str | None = None,
    tune: Literal["auto", "lora", "last", "norms", "full"] | None = None,
    guard: Literal["auto", "off"] = "auto",
    guard_every: float | None = None,
    set: Pairs = (),
    epochs: float | None = None,
    steps: int | None = None,
    time: str | None = None,
    image_size: int | None = None,
    channels: int = 3,
    batch_size: int | None = None,
    accumulate: int = 1,
    lr: float | None = None,
    seed: int = 0,
    workers: int | None = None,
    checkpoint_every: int | None = None,
    knn_every: float | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto",
    strategy: Literal["auto", "ddp", "fsdp"] = "auto",
    compile: bool = False,
    max_bad_share: float = 0.1,
    stop_on_collapse: bool = False,
    profile: bool = False,
    defaults: Literal["fitted", "paper"] = "fitted",
    dry_run: bool = False,
    resume: Path | None = None,
) -> None:
    """Train an encoder on unlabelled images: `ilk train photos/` is enough.

    Ctrl-C and SIGTERM save a checkpoint and exit with status 130 and 143; a collapse that ends
    the run exits with status 3.

    Parameters
    ----------
    data
        Learn from these images: a folder, several folders, a zip, tar shards or a parquet
        file; file.parquet:train chooses a split.
    output
        Write the run to this directory; it is runs/METHOD-KIN-MIX when not given.
    method
        Train with this method; `ilk methods` lists them.
    mix
        Mix images in this way: sdmp, i-mix, un-mix, mixco or dacl; auto decides by the regimes
        that were measured, and says why; nothing is mixed when not given.
    kin
        Add this rule for further positives or for fewer negatives: neighbours:5, fnc,
        fnc-eliminate, labels:0.1 or table:pairs.parquet, pairs marked by hand in ilk view;
        `ilk methods --table` shows which method takes which.
    augment
        Change images as much as this says: full as in the paper, no-hue without changes of
        colour, crops with crops and flips alone.
    background
        Replace the background of a view in this way and with this probability: remove:0.2
        (grey), random:0.2 (the background of another image) or swap:0.2 (the same, with a
        further negative that has the image's own background).
    masks
        Find the foreground by this: a folder with a mask for each image, or saliency, which
        estimates it; --background needs it unless the data have masks.
    backbone
        Train this network: any timm model, or one of our own small ones; it is fitted to
        images and machine when not given.
    backbone_set
        Set any argument of the backbone, as field=value.
    weights
        Begin with these weights: a safetensors file, a .pth of tensors, a run, a hub folder or
        timm:NAME. Image size and normalisation are theirs; what does not fit is named. The run
        keeps them, as start.safetensors.
    teacher
        Learn from this trained network, which stays as it is: a run, NAME@FILE, a hub folder
        or timm:NAME. --method distill makes a small network of it, see also rekd; it is the
        same as --set teacher=NAME.
    rounds
        Train so many students one after the other, of which each labels the images for the
        next, with --method noisy-student; it is the same as --set rounds=NUMBER. The last one
        is the run, the others are kept in stages/ below it.
    labelled
        Take the labels of these images and of no others: a folder with a folder for each
        class, or any other images with labels. Methods that learn from few labels have these
        images among the unlabelled ones too, unless pooled=false is set.
    labels
        Read from this table which images of DATA are labelled: CSV or parquet with the columns
        path and label; an empty label is none.
    subset
        Take the images that this list leaves: none that it drops and, where it selects any,
        only those; ilk issues, duplicates and select and the page of ilk view write it.
    anchor
        Keep features near those of the weights to begin with: cosine (of each image) or gram
        (similarities of its patches), perhaps with a weight as in gram:0.5.
    tune
        Train this much of the backbone, with --from: full is all of it, more slowly the
        lower the layer; last its last blocks and its norms; norms these alone; lora as last,
        with small changes to the attention below; auto what fits network and number of
        images. The heads learn alone at first. All of it learns as usual, at a lower
        rate, when not given.
    guard
        Go back to the best weights so far when the encoder becomes worse than those to begin
        with, and stop at the second time; off scores them and goes on whatever comes.
    guard_every
        Look for that every so many epochs; it is a twentieth of the run when not given.
    set
        Set any field of the method as field=value, of the mix as mix.field=value, of the kin
        rule as kin.field=value, of the tuning as tune.field=value, such as tune.rank=8, and of
        the optimiser as optimiser.field=value, such as optimiser.name=adamw.
    epochs
        Train for so many passes over the images. When none of epochs, steps and time is given,
        a run takes twenty minutes at most on a processor, and at least 100 epochs on a GPU.
    steps
        Train for so many optimiser steps.
    time
        Train for so long that the whole command takes this time, loading and scores included:
        90s, 10m or 2.5h. It goes by the pace that is measured at the start.
    image_size
        Make views with sides of so many pixels; it is fitted to images and backbone when not
        given. A network that cuts images into patches needs a multiple of its patch.
    channels
        Read images with so many channels.
    batch_size
        Take so many images in a step, over all devices; it is what method, images and memory
        allow when not given.
    accumulate
        Split a step into so many micro-batches.
    lr
        Use this peak learning rate; it is the method's, scaled to the batch, when not given.
    seed
        Draw all random numbers from this seed.
    workers
        Make views in so many threads; there is one per core when not given.
    checkpoint_every
        Save a checkpoint every so many steps; it is about once an epoch when not given.
    knn_every
        Measure k-NN accuracy every so many epochs where labels exist; 0 means never.
    device
        Train on this device.
    precision
        Compute in numbers of this kind; auto is bf16-mixed on GPUs that have it, and on
        processors that have it for networks that are faster so, else 32-true.
    strategy
        Share the work of several devices, started by torchrun or Slurm, in this way.
    compile
        Compile the backbones.
    max_bad_share
        Go on while no more than this share of the files is unreadable.
    stop_on_collapse
        End the run when features collapse.
    profile
        Measure where the time of a step goes: there is a table at the end, and in run.json.
    defaults
        Fit settings that are not given to images, machine and length, or take the paper's.
    dry_run
        Print the plan and what was chosen, and stop; with --json, print the record too.
    resume
        Continue the run in this directory. DATA may be given where the images have moved,
        and --workers and --device. --epochs, --steps or --time lengthen it: that is the length
        of the whole run, and a new schedule runs from the present step to there. Other
        arguments that would change the run are refused.
    """
    if resume is not None:
        _resume(resume)
        return
    check_data("train", data)
    began = clock()
    asked = with_field(set, method, "teacher", teacher, "learns from a trained network")
    asked = with_field(asked, method, "rounds", rounds, "is trained in rounds")
    options = split_options(asked)
    own, mixed, added, moved, tuned = options
    check_names(method, mix, kin, options)
    from ilk.train import Settings

    settings = Settings(
        method=method, method_options=own, mix=mix, mix_options=mixed,
        augment=augment, background=background, masks=masks, kin=kin, kin_options=added,
        optimiser_options=moved,
        backbone=backbone, backbone_options=literals(backbone_set), weights=weights,
        anchor=anchor, tune=tune, tune_options=tuned, guard=guard, guard_every=guard_every,
        labelled=labelled, labels=labels, subset=subset,
        epochs=epochs, steps=steps, minutes=None if time is None else minutes(time),
        image_size=image_size, channels=channels, batch_size=batch_size, accumulate=accumulate,
        lr=lr, seed=seed, workers=workers, checkpoint_every=checkpoint_every,
        knn_every=knn_every, device=device, precision=precision, strategy=strategy,
        compile=compile, max_bad_share=max_bad_share, stop_on_collapse=stop_on_collapse,
        profile=profile, defaults=defaults,
    )  # fmt: skip
    spec = data[0] if len(data) == 1 else list(data)
    console = terminal(quiet=not speaks())
    speaker(console)(f"reading {', '.join(data)}")
    if dry_run:
        _print_plan(console, settings, spec, began)
        return
    parts = [part for part in (method, kin, mix) if part]
    name = "-".join(parts).replace(":", "-").replace("/", "-")  # kin may name a path
    directory = output or Path("runs") / name
    follow(
        console, name, directory,
        lambda run, display: run.train(
            settings, spec, directory, display, planner(console), began=began
        ),
    )  # fmt: skip


def _resume(directory: Path) -> None:
    """Go on with a run; beside another length, only what changes no result is taken."""
    from ilk.cli.resume import check_same, given_now, taken

    given = given_now()
    data: tuple[str, ...] = given.pop("data", ())
    options = taken(given)
    check_same(directory, given)
    spec = None if len(data) == 0 else data[0] if len(data) == 1 else list(data)
    follow(
        terminal(quiet=not speaks()), directory.name, directory,
        lambda run, display: run.resume(directory, display, spec, **options),
    )  # fmt: skip


def _print_plan(console: Console, settings: "Settings", spec: Any, began: float) -> None:
    from ilk.train import dry_run

    record = dry_run(settings, spec, planner(console), began=began)
    for name, choice in record["plan"]["chosen"].items():
        speaker(console)(f"chosen  {name}={choice}")
    answer_first(record)
