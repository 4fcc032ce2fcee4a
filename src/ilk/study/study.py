"""Runs and scores of every cell and seed; what is finished is kept, so it can be stopped."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ilk.core import Busy, UserError, lock
from ilk.data import LabelMaps, Source
from ilk.embedding import cached
from ilk.evaluate import (
    PROTOCOLS,
    Images,
    Ledger,
    Result,
    evaluate,
    load_encoder_or_baseline,
)
from ilk.networks import Classifier, Encoder, load_classifier, load_encoder
from ilk.study.cells import PIXELS, Cell
from ilk.study.same import check_images, check_same
from ilk.train import (
    Watcher,
    Worsened,
    begun,
    open_images,
    read_record,
    resume,
    train,
)
from ilk.train.records.record import DONE, RECORD, recorded_settings

FILE = "evaluation.json"
Watch = Callable[[str], AbstractContextManager[Watcher]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """Cells and seeds in a directory.

    Every cell and seed has a folder of its own, ``CELL/seed0``, with the run and its
    ``evaluation.json``. Calling `finish` again goes on where it stopped; more cells and more
    seeds may be added. Several processes may work on one study: each takes the next cell that
    no other works on.

    Args:
        directory: of the study.
        cells: what is compared.
        seeds: how many runs each cell has; raw pixels have one.
        learned: images that are learned from.
        names: what the person called the labelled sets, by ``train`` and ``test``.
        train: labelled images for probes.
        test: labelled images that are scored.
        protocols: how they are scored.
        first_seed: the smallest seed.
        other_tests: labelled images in place of ``test``, by the name of the protocol.
        masks: what the pixels of ``train`` and ``test`` show, by these names, for protocols
            that ask.
    """

    directory: Path
    cells: tuple[Cell, ...]
    seeds: int
    learned: Source
    names: dict[str, str]
    train: Source
    test: Source
    protocols: tuple[str, ...]
    first_seed: int = 0
    other_tests: Mapping[str, Source] = field(default_factory=dict[str, Source])
    masks: Mapping[str, LabelMaps | None] = field(default_factory=dict[str, LabelMaps | None])

    def places(self) -> Iterator[tuple[Cell, int, Path]]:
        """Every cell and seed and its folder: first all cells of the first seed."""
        for seed in range(self.first_seed, self.first_seed + self.seeds):
            for cell in self.cells:
                if cell.name != PIXELS or seed == self.first_seed:
                    yield cell, seed, self.place(cell, seed)

    def place(self, cell: Cell, seed: int) -> Path:
        """The folder of a cell and seed."""
        return self.directory / cell.name / f"seed{seed}"

    def finish(self, watch: Watch) -> tuple[str, ...]:
        """Train and score what is not finished yet.

        Args:
            watch: opens a watcher for what a title names.

        Returns:
            Titles of what another process works on, which was left to it.

        Raises:
            UserError: a folder holds a run of other settings, or something cannot be trained
                or measured as asked.
            Interrupted: by SIGTERM or Ctrl-C, after a checkpoint.
        """
        busy: list[str] = []
        # Scores come last: what stops early leaves networks to look at.
        for work in (self.learn, self.score):
            for cell, seed, _ in self.places():
                title = _title(cell, seed)
                if title in busy:
                    continue
                try:
                    work(cell, seed, watch)
                except Busy:
                    busy.append(title)
        return tuple(busy)

    def learn(self, cell: Cell, seed: int, watch: Watch) -> None:
        """Train one cell with one seed, unless it is finished or a baseline.

        Args:
            cell: of this study.
            seed: likewise.
            watch: as for `finish`.

        Raises:
            Busy: another process works on it.
            UserError: as for `finish`.
            Interrupted: as for `finish`.
        """
        place = self.place(cell, seed)
        if cell.settings is None or self.trained(cell, seed):
            return
        with lock(place, "compare"):
            if self.trained(cell, seed):  # by another process, while this one asked
                return
            images = self._images(cell)
            # What the guard stops has an encoder no worse than its start.
            with watch(_title(cell, seed)) as watcher, suppress(Worsened):
                if begun(place):
                    resume(place, watcher, images)
                else:
                    train(replace(cell.settings, seed=seed), images, place, watcher)

    def trained(self, cell: Cell, seed: int) -> bool:
        """Whether a cell's run is finished, or its guard has stopped it.

        Raises:
            UserError: its folder holds a run of other settings or images.
        """
        place = self.place(cell, seed)
        if cell.settings is None or not (place / RECORD).exists():
            return False
        record = read_record(place)
        check_same(replace(cell.settings, seed=seed), record, place)
        check_images(open_images(recorded_settings(record), self._images(cell)), record, place)
        return record["status"] in DONE

    def score(self, cell: Cell, seed: int, watch: Watch) -> None:
        """Measure one cell with one seed by every protocol that it was not measured by.

        Args:
            cell: of this study.
            seed: likewise.
            watch: as for `finish`.

        Raises:
            Busy: another process works on it or on the run that it needs.
            UserError: as for `finish`.
        """
        place = self.place(cell, seed)
        left = self._left(cell, seed)
        if not left:
            return
        with lock(place, "compare"):
            encoder = self._encoder(cell, seed)
            asks = any("classifier" in PROTOCOLS[name].needs for name in left)
            classifier = load_classifier(place, encoder) if asks else None
            ledger = Ledger(place / FILE)
            called = str(place) if cell.settings is not None else cell.encoder or cell.name
            ledger.names = {"encoder": called, **self.names}
            for name in left:
                with watch(f"{_title(cell, seed)}: {name}") as watcher:
                    self._measure(encoder, classifier, name, seed, ledger, watcher)

    def _left(self, cell: Cell, seed: int) -> list[str]:
        """Protocols by which a cell was not measured, less those that it cannot be.

        Pixels have no weights to train and no places, and what was not trained here has no
        classifier. The untrained network is the first method's, which may be another one now.
        """
        done = self.results(self.place(cell, seed))
        if done and cell.settings is None and cell.name != PIXELS and not cell.encoder:
            now = self._encoder(cell, seed).fingerprint
            done = {name: result for name, result in done.items() if result.encoder == now}
        lacking = {"classifier"} if cell.settings is None else set[str]()
        lacking |= {"weights", "places"} if cell.name == PIXELS else set[str]()
        return [
            name
            for name in self.protocols
            if name not in done and not lacking & PROTOCOLS[name].needs
        ]

    def _measure(
        self, encoder: Encoder, classifier: Classifier | None, protocol: str, seed: int,
        ledger: Ledger, watcher: Watcher,
    ) -> None:  # fmt: skip
        def stepped(done: int, of: int) -> None:
            watcher.on_step(done, of, {})

        test = self._test(protocol)
        known, asked = (cached(encoder, part, progress=stepped) for part in (self.train, test))
        images = Images(
            encoder=encoder, train=self.train, test=test, classifier=classifier,
            train_masks=self.masks.get("train"), test_masks=self.masks.get("test"),
        )  # fmt: skip
        evaluate(known, asked, [protocol], seed, images=images, ledger=ledger, progress=stepped)

    def _images(self, cell: Cell) -> Source:
        return self.learned if cell.learned is None else cell.learned

    def _test(self, protocol: str) -> Source:
        return self.other_tests.get(protocol, self.test)

    def results(self, place: Path) -> dict[str, Result]:
        """What was measured in a folder by protocols and on labelled images as they are now."""
        path = place / FILE
        if not path.exists():
            return {}
        train, test = self.train.fingerprint, self.test.fingerprint
        others = {name: source.fingerprint for name, source in self.other_tests.items()}
        return {
            r.protocol: r
            for r, _ in Ledger(path).entries
            if r.test_data == others.get(r.protocol, test)
            and r.train_data in ("", train)
            and r.protocol in PROTOCOLS
            and r.protocol_hash == PROTOCOLS[r.protocol].hash
        }

    def _encoder(self, cell: Cell, seed: int) -> Encoder:
        if cell.name == PIXELS:
            return load_encoder_or_baseline(PIXELS)
        if cell.encoder:
            return load_encoder(cell.encoder)
        like = cell
        if cell.settings is None:
            like = next((other for other in self.cells if other.settings is not None), cell)
        if like.settings is None:
            raise UserError("compare: the untrained network needs a method beside it, got none")
        if not self.trained(like, seed):
            raise Busy(f"compare: {self.place(like, seed)} must be trained before {cell.name}")
        encoder = load_encoder(self.place(like, seed))
        return (
            encoder
            if like is cell
            else load_encoder_or_baseline("random", ours=encoder, seed=seed)
        )


def _title(cell: Cell, seed: int) -> str:
    return f"{cell.name}, seed {seed}"
