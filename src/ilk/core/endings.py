"""What a table of vectors is written as, by the ending of its file."""

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
