"""``ilk look``: an encoder and images in, a page of what it sees out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from ilk.cli.arguments import check_data
from ilk.cli.terminal import answer, plain, say, terminal
from ilk.core.counts import count
from ilk.core.errors import UserError

if TYPE_CHECKING:
    from ilk.data import Source
    from ilk.viewer import Chapter

MOST = 200  # images of a page: some 10 MB at 32 px, and a few times that at 224


def look(
    encoder: str,
    data: Annotated[tuple[str, ...], Parameter(negative=())],
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("look.html"),
    images: int = 12,
    seed: int = 0,
    image_size: int | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
) -> None:
    """Make one page of what an encoder sees in some images, place by place.

    For each image, the attention of a transformer's class token or pooling query, or else how
    similar each place is to the feature; and the first three principal components of the
    features of places as colours. Of a run, also what it answers: pixels or colours that it
    draws in the place of what it did not see, tasks, and places of two views that are kin.

    Parameters
    ----------
    encoder
        Look with this encoder: a run directory, timm:NAME for any timm model, NAME@FILE for one
        with weights of yours, or random:NAME for one without training.
    data
        Look at these images: a folder, several folders, a zip, tar shards, a parquet file or
        single images; file.parquet:train chooses a split.
    output
        Write the page to this file, which ends in .html.
    images
        Show so many images, drawn from all of them, 200 at most.
    seed
        Draw them from this seed.
    image_size
        Give an encoder that is named by its network images of this size; it is the network's
        own when not given.
    device
        Compute on this device.
    """
    from ilk.core import check_writable
    from ilk.core.endings import check_page

    check_data("look", data)
    if not 1 <= images <= MOST:
        raise UserError(f"--images: must be 1 to {MOST}, which one page can show, got {images}")
    check_page(output)
    check_writable(output, "-o")
    from ilk.data import open_source
    from ilk.embedding import drawn_items
    from ilk.embedding import look as looked
    from ilk.networks import load_encoder
    from ilk.viewer import Report, look_chapters, write_report

    console = terminal()
    source = open_source(data[0] if len(data) == 1 else list(data))
    items = drawn_items(len(source), images, seed)
    named = None if Path(encoder).exists() else image_size
    network = load_encoder(encoder, image_size=named, seed=seed)
    seen = looked(network, source, items, {"device": device})
    if seen.bad:
        lost = count(len(seen.bad), "unreadable image")
        say(console, f"[yellow]note:[/] {lost} left out, the first is {plain(seen.bad[0].key)}")
    answers, notes = _answers(console, encoder, source, [one.item for one in seen.images])
    rows, columns = seen.images[0].weights.shape
    shown = count(len(seen.images), "image")
    report = Report(
        title=f"What {encoder} sees",
        verdict=f"This page shows {shown} of {source.name} as {network.name} sees them at "
        f"{network.image_size} px, in {rows} x {columns} places. {notes}".strip(),
        chapters=(*look_chapters(seen), *answers),
    )
    place = write_report(output, report)
    say(console, f"The page is in {plain(place)}")
    answer({"page": str(place), "encoder": encoder, "images": [one.key for one in seen.images]})


def _answers(
    console: Console, encoder: str, source: "Source", items: list[int]
) -> "tuple[tuple[Chapter, ...], str]":
    """What a run answers of these images, or why that is not shown."""
    import numpy as np

    from ilk.data import Subset
    from ilk.train import look_answers
    from ilk.train.records.record import RECORD
    from ilk.viewer import answer_chapters

    run = Path(encoder)
    if not (run / RECORD).is_file():
        return (), ""
    try:
        found = look_answers(run, Subset(source, np.array(items)))
    except UserError as reason:
        say(console, f"[yellow]note:[/] what the run answers is not shown: {plain(reason)}")
        return (), f"What the run answers is not shown: {reason}."
    return answer_chapters(found), ""
