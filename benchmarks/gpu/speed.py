"""Images a second of whole steps: with data, alone, compiled, and beside lightly's modules.

Ratios come from one process in which both take turns; a time is that of several steps, at the
end of which the device is waited for.
"""

import functools
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import torch

from benchmarks.gpu.peers import PEERS
from benchmarks.gpu.place import Place, Scale, Unit
from ilk.train import Settings
from ilk.train.loop.loader import Batch
from ilk.train.setup import Setup

METHODS: Mapping[str, dict[str, Any]] = {
    "moco-v3": {"method": "moco-v3"},
    "sdmp": {"method": "moco-v3", "mix": "sdmp"},
    # Stochastic depth would make the two engines' networks others.
    "dino": {"method": "dino", "method_options": {"local_views": 8, "drop_path": 0.0}},
}
Work = Callable[[], object]


def units(scale: Scale) -> dict[str, Unit]:
    """First all steps as they are, then whole runs, then what has to be compiled for long."""
    found: dict[str, Unit] = {}
    for size in scale.batches:
        for name in METHODS:
            found[f"step/{name}/{size}"] = functools.partial(stepped, name, size)
        if size == scale.batches[0]:
            for name in METHODS:
                found[f"run/{name}/{size}"] = functools.partial(streamed, name, size)
                found[f"profile/{name}/{size}"] = functools.partial(profiled, name, size)
    for name in ("moco-v3", "dino") if scale.compiles else ():
        size = scale.batches[0]
        found[f"compiled/{name}/{size}"] = functools.partial(stepped, name, size, compiled=True)
    return found


def built(name: str, batch: int, place: Place, **further: Any) -> Setup:
    """All parts of a run on photos."""
    scale, chosen = place.scale, METHODS[name]
    options = {**scale.method_options.get(chosen["method"], {})}
    options |= chosen.get("method_options", {})
    settings = Settings(
        backbone=scale.backbone, backbone_options=scale.backbone_options,
        image_size=scale.size, batch_size=batch, steps=10_000, device=place.device,
        defaults="paper", knn_every=0, seed=place.seed,
        **{**chosen, "method_options": options}, **further,
    )  # fmt: skip
    return Setup(settings, place.photos())


def stepped(name: str, size: int, place: Place, *, compiled: bool = False) -> dict[str, Any]:
    """Steps on views that are there already, beside lightly's where it has the method."""
    held = allocated(place)
    setup = built(name, size, place, compile=compiled)
    with closing(setup.loader.batches(0, 1)) as batches:
        views = next(batches)
    works: dict[str, Work] = {"ilk": step(setup, views)}
    row = {"precision": setup.precision, "compiled": compiled}
    peaks = {"ilk": peak(works["ilk"], held, place)}
    if name in PEERS:
        held = allocated(place)
        try:
            works["lightly"] = PEERS[name](setup, views, compiled)
            peaks["lightly"] = peak(works["lightly"], held, place)
        except ImportError as error:
            row["skipped"] = f"lightly is not there: {error}"
    seconds = interleaved(works, place)
    for engine, spent in seconds.items():
        row[engine] = {
            "images_per_second": size / statistics.median(spent),
            "seconds": spent,
            "peak_bytes": peaks[engine],
        }
    if "lightly" in seconds:
        pairs = zip(seconds["lightly"], seconds["ilk"], strict=True)
        row["times_as_fast"] = statistics.median(theirs / ours for theirs, ours in pairs)
    return row


def step(setup: Setup, views: Batch) -> Work:
    """Everything but decoding and rendering; pixels go to the device in every step."""
    trainer = setup.trainer
    return lambda: trainer.take_step([views], setup.length.progress(trainer.step))


def interleaved(works: Mapping[str, Work], place: Place) -> dict[str, list[float]]:
    """Seconds of a step of every work in every round."""
    spent: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(place.scale.rounds):
        for name, work in works.items():
            place.wait()
            began = time.perf_counter()
            for _ in range(place.scale.steps):
                work()
            place.wait()
            spent[name].append((time.perf_counter() - began) / place.scale.steps)
    return spent


def allocated(place: Place) -> int:
    """Bytes held on the device."""
    return torch.cuda.memory_allocated() if place.device == "cuda" else 0


def peak(work: Work, held: int, place: Place) -> int | None:
    """The most bytes on the device in the second step, beside those held before it was built.

    The first step also builds kernels and the optimiser's state.
    """
    work()
    if place.device != "cuda":
        work()
        return None
    torch.cuda.reset_peak_memory_stats()
    work()
    place.wait()
    return torch.cuda.max_memory_allocated() - held


def streamed(name: str, size: int, place: Place) -> dict[str, Any]:
    """A run with its data: decoding and rendering by threads beside the steps."""
    setup = built(name, size, place)
    return stream(setup, place) | {"precision": setup.precision, "workers": setup.workers}


def profiled(name: str, size: int, place: Place) -> dict[str, Any]:
    """Where the time of such a run goes; it is slower, as the device is waited for often."""
    setup = built(name, size, place, profile=True)
    found = stream(setup, place)
    assert setup.profile is not None
    return found | {"profile": setup.profile.table()}


def stream(setup: Setup, place: Place, steps: int = 0) -> dict[str, Any]:
    """Images a second and the share of waiting, after some steps that are not counted."""
    trainer, steps = setup.trainer, steps or 3 * place.scale.steps
    skipped, waited, began = 2 + steps // 4, 0.0, 0.0
    with closing(setup.loader.batches(0, skipped + steps)) as batches:
        for number in range(skipped + steps):
            if number == skipped:
                place.wait()
                waited, began = 0.0, time.perf_counter()
            with trainer.clock("waiting"):
                taken = next(batches)
            trainer.take_step([taken], setup.length.progress(trainer.step))
            waited += taken.waited
            if setup.profile is not None:
                setup.profile.on_step()
    place.wait()
    seconds = time.perf_counter() - began
    return {
        "images_per_second": steps * setup.batch_size / seconds,
        "data_wait": waited / seconds,
    }
