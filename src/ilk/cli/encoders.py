"""Encoders that an evaluation names."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ilk.cli.terminal import plain, say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ilk.networks import Encoder

BEFORE = "before"


def apart(specs: tuple[str, ...]) -> list[str]:
    """Specs that commas join, but for what is a path as it stands."""
    return [
        part
        for spec in specs
        for part in ([spec] if Path(spec).exists() else spec.split(","))
        if part
    ]


def named_encoder(
    console: Console, spec: str, first: str, ours: "Encoder | None",
    image_size: int | None, seed: int,
) -> "Encoder":  # fmt: skip
    """An encoder by what a person calls it.

    Args:
        console: prints what was changed in weights that did not fit as they were.
        spec: ``before`` for the network of ``first`` before its training, or what
            `ilk.evaluate.load_encoder_or_baseline` takes.
        first: spec of the encoder that is evaluated.
        ours: that encoder, where it is read already.
        image_size: of networks by name.
        seed: of random weights.

    Raises:
        UserError: there is no such encoder.
    """
    from ilk.evaluate import load_encoder_or_baseline

    if spec == BEFORE:
        from ilk.train import before

        return before(Path(first))
    return load_encoder_or_baseline(
        spec, ours=ours, image_size=image_size, seed=seed,
        tell=lambda words: say(console, plain(words)),
    )  # fmt: skip


def tell_unfinished(console: Console, specs: "Iterable[str]") -> None:
    """Say which of some encoders are of runs that have not finished.

    Args:
        console: to print on.
        specs: encoders as a person calls them.
    """
    from ilk.train.records.record import FINISHED, RECORD, read_record, run_state

    for spec in specs:
        if not (Path(spec) / RECORD).is_file():
            continue
        record = read_record(Path(spec))
        if record["status"] != FINISHED:
            state = run_state(record, Path(spec))
            say(console, f"[yellow]note:[/] the run in {plain(spec)} is {plain(state)}")
