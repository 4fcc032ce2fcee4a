"""Runs and scores of every cell and seed; what is finished is kept, so it can be stopped."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ilk.core import UserError
from ilk.data import Source
from ilk.embedding import cached
from ilk.evaluate import Images, Ledger, Result, evaluate, load_encoder_or_baseline
from ilk.networks import Encoder, load_encoder
from ilk.study.cells import PIXELS, Cell
from ilk.train import Settings, Watcher, read_record, resume, train

FILE = "evaluation.json"
FREE = ("seed", "workers", "device", "checkpoint_every")  # may differ between starts

Watch = Callable[[str], AbstractContextManager[Watcher]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """Cells and seeds in a directory.

    Every cell and seed has a folder of its own, ``CELL/seed0``, with the run and its
    ``evaluation.json``. Calling `finish` again goes on where it stopped; more cells and more
    seeds may be added.

    Args:
        directory: of the study.
        cells: what is compared.
        seeds: how many runs each cell has; raw pixels have one.
        learned: images that are learned from.
        names: what the person called the labelled sets, by ``train`` and ``test``.
        train: labelled images for probes.
        test: labelled images that are scored.
        protocols: how they are scored.
    """

    directory: Path
    cells: tuple[Cell, ...]
    seeds: int
    learned: Source
    names: dict[str, str]
    train: Source
    test: Source
    protocols: tuple[str, ...]

    def places(self) -> Iterator[tuple[Cell, int, Path]]:
        """Every cell and seed and its folder: first all cells of the first seed."""
        for seed in range(self.seeds):
            for cell in self.cells:
                if cell.name != PIXELS or seed == 0:
                    yield cell, seed, self.directory / cell.name / f"seed{seed}"

    def finish(self, watch: Watch) -> None:
        """Train and score what is not finished yet.

        Args:
            watch: opens a watcher for what a title names.

        Raises:
            UserError: a folder holds a run of other settings, or something cannot be trained
                or measured as asked.
            Interrupted: by SIGTERM or Ctrl-C, after a checkpoint.
        """
        for cell, seed, place in self.places():
            if cell.settings is not None:
                self._train(replace(cell.settings, seed=seed), place, watch)
        # Scores come last: what stops early leaves networks to look at.
        for cell, seed, place in self.places():
            if not set(self.protocols) <= set(self.results(place)):
                self._score(cell, seed, place, watch)

    def results(self, place: Path) -> dict[str, Result]:
        """What was measured in a folder, by protocol, on the test images of this study."""
        path = place / FILE
        if not path.exists():
            return {}
        found = (result for result, _ in Ledger(path).entries)
        return {r.protocol: r for r in found if r.test_data == self.test.fingerprint}

    def _train(self, settings: Settings, place: Path, watch: Watch) -> None:
        title = f"{place.parent.name}, seed {settings.seed}"
        if not (place / "run.json").exists():
            with watch(title) as watcher:
                train(settings, self.learned, place, watcher)
            return
        record = read_record(place)
        _check_same(settings, record, place)
        if record["status"] != "finished":
            with watch(title) as watcher:
                resume(place, watcher, self.learned)

    def _score(self, cell: Cell, seed: int, place: Path, watch: Watch) -> None:
        encoder = self._encoder(cell, seed, place)
        with watch(f"{cell.name}, seed {seed}: embed") as watcher:
            train, test = (
                cached(encoder, part, progress=lambda done, of: watcher.stepped(done, of, {}))
                for part in (self.train, self.test)
            )
        ledger = Ledger(place / FILE)
        called = str(place) if cell.settings is not None else cell.name
        ledger.names = {"encoder": called, **self.names}
        images = Images(encoder=encoder, train=self.train, test=self.test)
        for name in self.protocols:
            with watch(f"{cell.name}, seed {seed}: {name}") as watcher:
                evaluate(
                    train, test, [name], seed, images=images, ledger=ledger,
                    progress=lambda done, of, to=watcher: to.stepped(done, of, {}),
                )  # fmt: skip

    def _encoder(self, cell: Cell, seed: int, place: Path) -> Encoder:
        if cell.name == PIXELS:
            return load_encoder_or_baseline(PIXELS)
        if cell.settings is not None:
            return load_encoder(place)
        like = next((other for other in self.cells if other.settings is not None), None)
        if like is None:
            raise UserError("compare: the untrained network needs a method beside it, got none")
        trained = load_encoder(self.directory / like.name / f"seed{seed}")
        return load_encoder_or_baseline("random", ours=trained, seed=seed)


def _check_same(wanted: Settings, record: dict[str, Any], place: Path) -> None:
    """What was asked for by name must be what the run was started with."""
    kept = record["settings"]
    if "legs" in record["length"]:
        raise UserError(
            f"compare: {place} holds a run that was lengthened, which is not the same as one "
            f"of that length; choose another -o"
        )
    for name, asked in wanted.as_record().items():
        if name in FREE or asked is None:
            continue
        if not _holds(_plain(kept.get(name)), _plain(asked)):
            raise UserError(
                f"compare: {place} holds a run with {name} {kept.get(name)}, got {asked}; "
                f"choose another -o, or ask for what it was started with"
            )


def _holds(kept: Any, asked: Any) -> bool:
    """Whether a recorded value is what was asked for; of options, those that were named."""
    if isinstance(asked, dict) and isinstance(kept, dict):
        return all(name in kept and kept[name] == inner for name, inner in asked.items())
    return bool(kept == asked)


def _plain(value: Any) -> Any:
    """The same as JSON gives it back."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
