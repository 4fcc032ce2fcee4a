"""Which column of a table is which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ilk.core.errors import UserError

IMAGES = ("image", "img", "images", "picture", "photo", "jpg", "png", "image_bytes", "bytes")
LABELS = ("label", "labels", "fine_label", "target", "class", "category", "cls", "class_id")
NAMED = ("images", "labels")
_LONGEST = 80  # characters of a column and its type
_SHOWN = 20  # names of columns
SPLITS = ("split", "subset", "partition", "fold")


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Which rows and columns of a table a person wants.

    Args:
        rows: columns and the value each must have; no column is the one of splits.
        image: the column of images; None to find it.
        label: the column of labels; None to find it.
        facts: columns by the name of the fact that is read from each.
    """

    rows: tuple[tuple[str | None, str], ...] = ()
    image: str | None = None
    label: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


def choice(text: str, every: Sequence[str]) -> Choice:
    """From ``train``, or ``split=train,domain=web,labels=species`` and the like.

    ``images`` and ``labels`` name columns. Anything else is a column and its value, or, where
    there is no column of the first name but one of the second, a fact and its column.

    Args:
        text: what a person wrote.
        every: all columns.
    """
    pairs = [part.rpartition("=") for part in text.split(",") if part]
    named = {
        name: column
        for name, _, column in pairs
        if name in NAMED or (name and name not in every and column in every)
    }
    return Choice(
        rows=tuple((name or None, value) for name, _, value in pairs if name not in named),
        image=named.pop("images", named.pop("image", None)),
        label=named.pop("labels", named.pop("label", None)),
        facts=named,
    )


def image_column(
    fitting: Sequence[str], every: Mapping[str, str], asked: str | None, table: str
) -> str:
    """The column of images that was asked for, or the only fitting one, or a usual name.

    Args:
        fitting: columns whose type fits.
        every: all columns and their types.
        asked: by the caller, None to find it.
        table: what the person called the table.
    """
    if asked is not None:
        return existing(asked, list(every), table)
    if len(fitting) == 1:
        return fitting[0]
    for name in IMAGES:
        if name in fitting:
            return name
    columns = [f"{name} ({kind})"[:_LONGEST] for name, kind in every.items()][:_SHOWN]
    found = f"{', '.join(fitting)} all do" if fitting else f"only found {', '.join(columns)}"
    raise UserError(
        f"{table}: one column must hold encoded images, {found}; say which with image=...,"
        " or by :images=COLUMN after the path"
    )


def label_columns(every: Sequence[str], asked: str | None, table: str) -> list[str]:
    """The column of labels that was asked for, or all with a usual name, likeliest first."""
    if asked is not None:
        return [existing(asked, every, table)]
    return [name for name in LABELS if name in every]


def no_label_column(others: Sequence[str], option: str) -> str:
    """Why a table has no labels where no column is called so, and what to do.

    Args:
        others: its columns without that of the images.
        option: how a person names another one.
    """
    found = ", ".join(others[:_SHOWN]) or "none"
    return (
        f"no column is called {', '.join(LABELS[:4])} or the like; beside images there are "
        f"{found}; name the one with labels by {option}COLUMN"
    )


def existing(column: str, every: Sequence[str], table: str) -> str:
    """The column, if it is there."""
    if column not in every:
        raise UserError(f"{table}: must have a column {column!r}, found {', '.join(every)}")
    return column
