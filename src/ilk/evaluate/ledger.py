"""``evaluation.json``: results kept as soon as they are there, and used again."""

import contextlib
import json
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ilk.core import UserError, check_writable, lock, sweep, write_whole
from ilk.core.fields import (
    ANYTHING,
    Kind,
    check_fields,
    fixed,
    keyed,
    listed,
    parse_json,
    read_plain,
    text,
    whole,
)
from ilk.evaluate.comparisons.paired import SUBJECT, Comparison
from ilk.evaluate.result import Identity, Result

FORMAT = 2
MOST = 2**30  # bytes of such a file: some thousand results on 50,000 images each
ROW: Mapping[str, Kind] = {"names": keyed(text(10**5)), "scores": ANYTHING}
FIELDS: Mapping[str, Kind] = {
    "format": whole(FORMAT, FORMAT),
    "results": listed(fixed(ROW), 10**6),
    "comparisons": listed(fixed({"protocol": text(10**4), "against": text(10**5)}), 10**6),
    "notes": keyed(ANYTHING),
}
PATIENCE = 60.0  # seconds to wait for another process, which holds the file for moments


class Ledger:
    """Results of one file, every one with what the person called its parts.

    The file holds ``results``, each with ``names`` (of encoder, train, test) and ``scores``,
    one a test item; ``comparisons``, each with the fingerprints of what was compared; and
    ``notes``. It is written whole or not at all, and read again
    before that: processes that evaluate into one file at once lose nothing.

    Args:
        path: of the file, which need not exist; None keeps nothing.

    Raises:
        UserError: the file is not one of these.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.names: Mapping[str, str] = {}
        self.notes: dict[str, object] = {}
        self._results: dict[Identity, tuple[Result, Mapping[str, str]]] = {}
        self._comparisons: list[dict[str, object]] = []
        if path is not None and path.exists():
            self._read(path)

    def find(self, wanted: Identity) -> Result | None:
        """The result of a measurement that was made before."""
        return self._results[wanted][0] if wanted in self._results else None

    @property
    def entries(self) -> list[tuple[Result, Mapping[str, str]]]:
        """All results, each with what the person called encoder and sets."""
        return list(self._results.values())

    def add(self, result: Result) -> None:
        """Keep a result, under the ``names`` of now."""
        with self._current():
            self._results[result.identity] = (result, dict(self.names))

    def compared(self, comparisons: Sequence[Comparison]) -> None:
        """Keep comparisons, in place of earlier ones of the same encoders on the same data.

        What earlier versions wrote does not say whose it is, and is left as it stands.
        """
        new = [comparison.to_dict() for comparison in comparisons]
        made = [_chosen(entry, SUBJECT) for entry in new]
        with self._current():
            kept = [one for one in self._comparisons if _chosen(one, SUBJECT) not in made]
            self._comparisons = kept + new

    def note(self, name: str, content: object, of: Mapping[str, object] | None = None) -> None:
        """Keep a fact.

        Args:
            name: of the kind of fact.
            content: as JSON can hold it; an object where ``of`` is given.
            of: what the fact is about. The note is then a list, one object for each such
                subject; None for a fact about the whole, which replaces the earlier one.
        """
        with self._current():
            if of is None:
                self.notes[name] = content
                return
            before = self.notes.get(name, [])
            entries = cast("list[Any]", before if isinstance(before, list) else [before])
            kept = [one for one in entries if _chosen(one, of) != list(of.values())]
            self.notes[name] = [*kept, {**of, **cast("Mapping[str, object]", content)}]

    def check(self) -> None:
        """Find out before long work whether results can be kept, and tidy up.

        Raises:
            UserError: the file cannot be written, or its lock is held for long.
        """
        if self.path is not None:
            with lock(self.path, "output", wait=PATIENCE):
                sweep(self.path)
                check_writable(self.path, "output", "choose another one")

    @contextlib.contextmanager
    def _current(self) -> Generator[None]:
        """Change what the file holds now: other processes may have added to it."""
        if self.path is None:
            yield
            return
        with lock(self.path, "output", wait=PATIENCE):
            if self.path.exists():
                self._read(self.path)
            yield
            self._write(self.path)

    def _read(self, path: Path) -> None:
        """Take in what the file holds, once all of it is checked: it may come from anybody."""
        data = read_plain(path, "output", MOST)
        try:
            where = f"{path}"
            content = check_fields(parse_json(data, where), FIELDS, where)
            found: dict[Identity, tuple[Result, Mapping[str, str]]] = {}
            for row in content["results"]:
                rest = {name: entry for name, entry in row.items() if name not in ROW}
                result = Result.of_dict(rest, row["scores"], where)
                found[result.identity] = (result, row["names"])
        except UserError as error:
            raise UserError(
                f"output: {path} must be a file that this version of ilk evaluate wrote, it is"
                f" not: {error}; choose another or delete it"
            ) from error
        self._results.update(found)
        self._comparisons, self.notes = content["comparisons"], content["notes"]

    def _write(self, path: Path) -> None:
        rows: list[dict[str, object]] = []
        lines: dict[str, str] = {}  # scores stand on one line: there may be thousands
        for number, (result, names) in enumerate(self._results.values()):
            mark = f"scores of result {number}"
            lines[json.dumps(mark)] = json.dumps(result.rounded_scores())
            rows.append({"names": names, **result.to_dict(), "scores": mark})
        content = {
            "format": FORMAT, "results": rows, "comparisons": self._comparisons,
            "notes": self.notes,
        }  # fmt: skip
        text = json.dumps(content, indent=2, allow_nan=False) + "\n"
        for mark, line in lines.items():
            text = text.replace(f'"scores": {mark}', f'"scores": {line}')
        write_whole(path, text, "output")


def _chosen(entry: object, names: Iterable[str]) -> list[object]:
    """The fields of these names; None for each that an entry of another version lacks."""
    given = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
    return [given.get(name) for name in names]
