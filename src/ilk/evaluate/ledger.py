"""``evaluation.json``: results kept as soon as they are there, and used again."""

import contextlib
import json
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ilk.core import UserError, check_writable, lock, sweep, write_whole
from ilk.evaluate.paired import Comparison
from ilk.evaluate.result import Identity, Result

FORMAT = 2
PATIENCE = 60.0  # seconds to wait for another process, which holds the file for moments


class Ledger:
    """Results of one file, every one with what the person called its parts.

    The file holds ``results``, each with ``names`` (of encoder, train, test) and ``scores``,
    one a test item; and ``comparisons``. It is written whole or not at all, and read again
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
        """Keep comparisons, in place of earlier ones by the same protocol with the same."""
        new = [comparison.to_dict() for comparison in comparisons]
        made = {_subject(entry) for entry in new}
        with self._current():
            kept = [entry for entry in self._comparisons if _subject(entry) not in made]
            self._comparisons = kept + new

    def note(self, name: str, content: object) -> None:
        """Keep a fact about the whole, as JSON can hold it."""
        with self._current():
            self.notes[name] = content

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
        try:
            if not path.is_file():  # a device may have no end
                raise OSError(None, "not a plain file")
            content: dict[str, Any] = json.loads(path.read_text())
            if content["format"] != FORMAT:
                raise KeyError(content["format"])
            for row in content["results"]:
                names, scores = row.pop("names"), row.pop("scores")
                result = Result.of_dict(row, scores)
                self._results[result.identity] = (result, names)
            self._comparisons = content["comparisons"]
            self.notes = content["notes"]
        except OSError as error:
            raise UserError(
                f"output: {path} must be readable, got '{error.strerror}'"
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UserError(
                f"output: {path} must be a file that this version of ilk evaluate wrote, it is "
                f"not; choose another or delete it"
            ) from error

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


def _subject(comparison: Mapping[str, object]) -> tuple[object, object]:
    return comparison["protocol"], comparison["against"]
