"""The page of what an encoder sees: each image once, names escaped, lines in their place."""

import numpy as np

from ilk.embedding import ImageLook, Looks
from ilk.train.previews.answers import Coloured, TaskAnswer
from ilk.train.previews.pairs import PlacePairs
from ilk.viewer import (
    Report,
    colour_chapters,
    look_chapters,
    page,
    pair_chapters,
    task_chapters,
)
from tests.viewer.conftest import EVIL
from tests.viewer.reading import kind, text, tree

VIEW = np.full((8, 8, 3), 200, np.uint8)


def looks() -> Looks:
    weights = np.array([[0, 1], [0.5, 0.25]], np.float32)
    colours = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    one = ImageLook(
        item=3, key=f"a/{EVIL}", view=VIEW, weights=weights, components=colours
    )  # fmt: skip
    return Looks(images=(one, one), kind="attention", explained=(0.5, 0.25, 0.1), bad=())


def test_each_image_stands_beside_what_was_made_of_it():
    (chapter,) = look_chapters(looks())
    root = tree(page(Report(title="t", verdict="v", chapters=(chapter,))))
    (grid,) = kind(root, "div", "trios")
    assert len(grid) == 2
    assert len(list(grid.iter("img"))) == 6
    assert not list(root.iter("script"))
    assert EVIL in next(iter(grid.iter("img"))).get("alt")
    assert "50 %, 25 %, 10 %" in text(root)


def test_places_that_count_more_are_lighter():
    (chapter,) = look_chapters(looks())
    lit, components = chapter.looks[0].made
    assert lit.pixels.shape[0] >= 160
    half = lit.pixels.shape[0] // 2
    light = lit.pixels[::half, ::half].sum(2)[:2, :2].astype(int)
    assert light[0, 0] < light[1, 1] < light[1, 0] < light[0, 1]
    half = components.pixels.shape[0] // 2
    assert components.pixels[::half, ::half].tolist() == looks().images[0].components.tolist()


def test_answers_are_in_words_and_counted():
    words = ("upright: found", "half turn: taken for upright")
    row = tuple(
        TaskAnswer(item=1, pixels=VIEW, words=said, right=right)
        for said, right in zip(words, (1, 0), strict=True)
    )
    (chapter,) = task_chapters((row,))
    assert "1 of 2 answers are right" in chapter.lead
    captions = [image.caption for image in chapter.images[0][1]]
    assert captions == list(words)
    (chapter,) = colour_chapters((Coloured(item=1, original=VIEW, seen=VIEW, drawn=VIEW),))
    made = (chapter.looks[0].image, *chapter.looks[0].made)
    assert [image.caption for image in made] == ["original", "seen", "coloured"]
    assert task_chapters(()) == colour_chapters(()) == pair_chapters(()) == ()


def test_lines_lead_from_one_view_to_the_other():
    pair = PlacePairs(item=1, left=VIEW, right=VIEW, lines=(((0.25, 0.75), (1.0, 0.5)),))
    root = tree(page(Report(title="t", verdict="v", chapters=pair_chapters([pair]))))
    (link,) = kind(root, "line", "link")
    assert [link.get(name) for name in ("x1", "y1", "x2", "y2")] == ["25", "75", "216", "50"]
    assert [image.get("href")[:10] for image in root.iter("image")] == ["data:image"] * 2
