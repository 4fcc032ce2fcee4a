"""Tables of labels: a path and a class in each row, as CSV or parquet."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ilk.core.errors import UserError
from ilk.data.leavings import same
from ilk.data.source import one_line

COLUMNS = ("path", "label")
WORD = "labels"


def read_labels(table: Path) -> Mapping[str, str]:
    """The label of each path; an empty one is none. Rows may repeat, but must agree.

    Args:
        table: CSV, with commas, or parquet; with the columns ``path`` and ``label``.

    Raises:
        UserError: there is no such table, it cannot be read, or two rows disagree.
    """
    wanted: dict[str, str] = {}
    for path, name in _rows(table):
        before = wanted.setdefault(path, name)
        if before != name:
            raise UserError(
                f"{WORD}: rows of {table} must agree, got {before!r:.60} and {name!r:.60} for "
                f"{path!r:.200}"
            )
    return wanted


def _rows(table: Path) -> Iterator[tuple[str, str]]:
    reader = {".csv": _csv, ".parquet": _parquet}.get(table.suffix.lower())
    if reader is None:
        raise UserError(f"{WORD}: must be a .csv or .parquet file, got {table}")
    if not table.is_file():
        raise UserError(f"{WORD}: {table} must be a file, found none; check the path")
    for path, name in reader(table):
        cleaned = path.strip(), same(name.strip())
        if any(cleaned):  # programs for tables leave empty rows behind
            yield cleaned


def _csv(table: Path) -> Iterator[tuple[str, str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            # Strict, for a quote that is never closed would swallow the rows after it.
            rows = csv.DictReader(file, skipinitialspace=True, strict=True)
            _check_columns(table, rows.fieldnames or ())
            for row in rows:
                if None in row:  # the values beyond the last column
                    raise UserError(
                        f"{WORD}: a row of {table} must have at most as many values as its "
                        f"first line, got more in line {rows.line_num}; "
                        "put what holds a comma between quotes"
                    )
                yield row["path"] or "", row["label"] or ""
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{WORD}: {table} must be CSV in UTF-8: {one_line(error)}") from error


def _parquet(table: Path) -> Iterator[tuple[str, str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from ilk.data.column_labels import labels_of_column

    try:
        with pq.ParquetFile(table) as file:
            _check_columns(table, file.schema_arrow.names)
            known = labels_of_column(file, "label")
            paths = file.read(columns=["path"]).column(0).cast(pa.string()).to_pylist()
        names = (*known.names, "")  # the last one for -1
        for path, value in zip(paths, known.values.tolist(), strict=True):
            yield path or "", names[value]
    except UserError:
        raise
    except Exception as error:  # a damaged file raises whatever Arrow comes upon
        raise UserError(
            f"{WORD}: {table} must be a parquet file of paths and labels: {one_line(error)}"
        ) from error


def _check_columns(table: Path, found: Sequence[str]) -> None:
    if any(list(found).count(name) != 1 for name in COLUMNS):
        raise UserError(
            f"{WORD}: {table} must have one column path and one column label, with commas "
            f"between them in CSV, got {', '.join(map(repr, found))[:200] or 'none'}"
        )
