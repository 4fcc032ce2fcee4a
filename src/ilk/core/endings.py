"""What is written by the ending of a file: tables of vectors, and pages."""

import re
from pathlib import Path
from typing import Literal

from ilk.core.errors import UserError

Format = Literal["parquet", "csv", "npz"]
TABLES: dict[str, Format] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".npz": "npz",
}
_OTHER = re.compile(r"\.[a-z]\w*")  # a version in a name, such as run-v1.2, is no ending


def check_page(path: Path, option: str = "-o") -> None:
    """Refuse to write a page under a name of anything else, such as of an image.

    Args:
        path: where the page is to be.
        option: that names it; what the message of an error begins with.

    Raises:
        UserError: the name does not end in .html.
    """
    if path.suffix.lower() != ".html":
        raise UserError(f"{option}: must end in .html, got {path}")


def table_and_page(path: Path, option: str = "-o") -> tuple[Path, Path | None]:
    """Where a table is written, and beside it a page where the name asks for one.

    Args:
        path: FILE.parquet for the table alone, FILE.html for both.
        option: that names it; what the message of an error begins with.

    Raises:
        UserError: the name ends otherwise.
    """
    ending = path.suffix.lower()
    if ending not in {".html", ".parquet"}:
        raise UserError(f"{option}: must end in .html or .parquet, got {path}")
    return path.with_suffix(".parquet"), path if ending == ".html" else None


def table_format(path: Path, subject: str = "embed") -> Format:
    """The format that the name of a table asks for.

    Args:
        path: of a file or directory. A directory, and a name without an ending, is parquet.
        subject: what the message of an error begins with.

    Raises:
        UserError: the name ends as a file of another kind does.
    """
    ending = path.suffix.lower()
    if ending in TABLES:
        return TABLES[ending]
    if _OTHER.fullmatch(ending) and not path.is_dir():
        raise UserError(
            f"{subject}: must end in .parquet, .csv or .npz, or be a directory for shards of"
            f" parquet, got {path}"
        )
    return "parquet"
