"""What an encoder sees of some images, and what a run answers, as pages. Axes: H W C pixels."""

from collections.abc import Sequence
from pathlib import PurePath

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from ilk.embedding.looks import ImageLook, Looks
from ilk.train.previews.answers import Coloured, TaskAnswer
from ilk.train.previews.look import LookAnswers
from ilk.train.previews.pairs import PlacePairs
from ilk.viewer.names import shortened
from ilk.viewer.reconstructions import reconstruction_chapters
from ilk.viewer.report import CaptionedImage, Chapter, CropPair, ImageViews

DRAWN = 160  # pixels of a side at least, so that each place is a square with sharp edges
NAME = 40  # letters of a file's name that fit below an image
IMAGE = 0.4  # share of the grey image below the colours of weights


def answer_chapters(found: LookAnswers) -> tuple[Chapter, ...]:
    """All that a run answers of some images; no chapter of what its method does not ask.

    Args:
        found: what `ilk.train.look_answers` found.
    """
    return (
        *reconstruction_chapters(found.drawings),
        *colour_chapters(found.colours),
        *task_chapters(found.tasks),
        *pair_chapters(found.pairs),
    )


def look_chapters(looks: Looks) -> tuple[Chapter, ...]:
    """Images, what counts in them, and the components of their places.

    Args:
        looks: what `ilk.embedding.look` found.
    """
    shares = ", ".join(f"{share:.0%}".replace("%", " %") for share in looks.explained)
    lead = (
        f"Each image is shown as the encoder was given it. Beside it stands the {looks.kind}, "
        "from violet for the places of an image that count least to yellow for those that "
        "count most. Then the first three principal components of the features of all places, "
        "as red, green and blue: places of one colour are similar to the encoder, on whichever "
        f"image of this page they are. The components have {shares} of the variance."
    )
    rows = tuple(_views(look, looks.kind) for look in looks.images)
    title = f"{looks.kind.partition(' ')[0].capitalize()} and components"
    return (Chapter(title=title, lead=lead, looks=rows),)


def task_chapters(found: Sequence[Sequence[TaskAnswer]]) -> tuple[Chapter, ...]:
    """Images to which something was done, and the answers; none where there are none.

    Args:
        found: what `ilk.train.previews.answers.task_answers` found.
    """
    if not found:
        return ()
    every = [answer for row in found for answer in row]
    right, asked = (sum(getattr(one, name) for one in every) for name in ("right", "asked"))
    lead = (
        "Here are images to which something was done, and what the network takes that "
        f"for: {right} of {asked} answers are right."
    )
    single = len(every) == len(found)  # answers of one image each stand side by side
    rows = tuple(("", tuple(map(_answer, row))) for row in ([every] if single else found))
    return (Chapter(title="Tasks and answers", lead=lead, images=rows),)


def colour_chapters(found: Sequence[Coloured]) -> tuple[Chapter, ...]:
    """Images with the colours that were given to them; none where there are none.

    Args:
        found: what `ilk.train.previews.answers.colours_found` found.
    """
    if not found:
        return ()
    lead = (
        "Each group of three shows an image, what the network saw of it, and its brightness "
        "with the colours that the network gave to it."
    )
    rows: list[ImageViews] = []
    for one in found:
        original, *made = (
            CaptionedImage(pixels=pixels, caption=name, alt=f"{name}, item {one.item}")
            for name, pixels in (
                ("original", one.original), ("seen", one.seen), ("coloured", one.drawn)
            )
        )  # fmt: skip
        rows.append(ImageViews(image=original, made=tuple(made)))
    return (Chapter(title="Colours", lead=lead, looks=tuple(rows)),)


def pair_chapters(found: Sequence[PlacePairs]) -> tuple[Chapter, ...]:
    """Two views of each image with lines between places; none where there are none.

    Args:
        found: what `ilk.train.previews.pairs.place_pairs` found.
    """
    if not found:
        return ()
    lead = (
        "Each pair shows two views of an image. Lines lead from places of the first to those "
        "places of the second that the loss treats as their positives (kin)."
    )
    pairs = tuple(
        CropPair(
            left=one.left, right=one.right, lines=one.lines, caption=_lines(len(one.lines)),
            alt=f"two views of item {one.item}, {_lines(len(one.lines))}",
        )
        for one in found
    )  # fmt: skip
    return (Chapter(title="Places that are kin", lead=lead, pairs=pairs),)


def _lines(count: int) -> str:
    return f"{count or 'no'} {'line' if count == 1 else 'lines'}"


def _answer(answer: TaskAnswer) -> CaptionedImage:
    alt = f"item {answer.item}, {answer.words}"
    return CaptionedImage(pixels=answer.pixels, caption=answer.words, alt=alt)


def _views(look: ImageLook, kind: str) -> ImageViews:
    name = look.key
    return ImageViews(
        image=CaptionedImage(
            pixels=look.view, caption=shortened(PurePath(name).name or name, NAME), alt=name
        ),
        made=(
            CaptionedImage(
                pixels=_heat(look.view, look.weights),
                caption=kind.partition(" ")[0],
                alt=f"{kind} in {name}",
            ),
            CaptionedImage(
                pixels=_large(look.components, DRAWN),
                caption="components",
                alt=f"principal components of the places of {name} as colours",
            ),
        ),
    )


def _heat(
    view: UInt8[np.ndarray, "S S C"], weights: Float32[np.ndarray, "H W"]
) -> UInt8[np.ndarray, "_ _ 3"]:
    """The image in grey, in the colours of the weights of its places."""
    shown = _large(view, DRAWN)
    grey = shown[..., :3].mean(axis=2, keepdims=True)
    levels = (255 * weights).round().astype(np.uint8)
    large = cv2.resize(levels, shown.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    colours = cv2.applyColorMap(large, cv2.COLORMAP_VIRIDIS)[..., ::-1]
    return (IMAGE * grey + (1 - IMAGE) * colours).round().astype(np.uint8)


def _large(pixels: UInt8[np.ndarray, "H W C"], side: int) -> UInt8[np.ndarray, "_ _ C"]:
    """Each pixel as a square, so that the longer side is of so many pixels at least."""
    times = max(-(-side // max(pixels.shape[:2])), 1)
    return pixels.repeat(times, axis=0).repeat(times, axis=1)
