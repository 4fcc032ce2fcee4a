"""What the grid of places learns from, is taught by and is scored on."""

import numpy as np
import pytest
from PIL import Image

from benchmarks import places, token_speed
from benchmarks.places_data import prepared, tiles
from ilk.data import labels
from ilk.train import Settings
from ilk.train.assemble import assemble


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Tiles as they are published: a mask beside each, with soft edges."""
    folder = tmp_path_factory.mktemp("tiles")
    chance = np.random.default_rng(0)
    for kind, count in (("Blowhole", 6), ("Crack", 4), ("Free", 5)):
        place = folder / f"MT_{kind}" / "Imgs"
        place.mkdir(parents=True)
        for number in range(count):
            mask = np.zeros((20, 16), np.uint8)
            if kind != "Free":
                mask[4:9, 4], mask[4:9, 5] = 60, 200
            pixels = chance.integers(0, 256, mask.shape, np.uint8)
            Image.fromarray(pixels).save(place / f"exp1_num_{number}.jpg")
            Image.fromarray(mask).save(place / f"exp1_num_{number}.png")
    prepared(folder, folder / places.FILE)
    return folder


def test_scored_tiles_are_not_learned_from_and_all_of_them_show_a_defect(published):
    data = tiles(published / places.FILE)
    keys = {
        name: {part.key(i) for i in range(len(part))}
        for name, part in (
            ("learned", data.learned),
            ("train", data.train),
            ("test", data.test),
        )
    }
    assert [len(part) for part in keys.values()] == [10, 5, 5]
    assert keys["train"] < keys["learned"]
    assert not keys["test"] & keys["learned"]
    free = data.test.classes.index("Free")
    assert free not in {*labels(data.test).tolist(), *labels(data.train).tolist()}
    for name in ("train", "test"):
        mask = data.masks[name](0, (20, 16))
        assert np.argwhere(mask == 255).tolist() == [[row, 5] for row in range(4, 9)]
        assert set(np.unique(mask)) == {0, 255}


def test_all_cells_see_equally_many_images_and_end_on_as_many_places(published):
    grid = places.grid("tiles", published)
    assert grid.shared["epochs"] * len(grid.learned) == places.SEEN
    for cell in grid.cells:
        if cell.settings:
            settings = Settings(**{**grid.shared, **cell.settings})
            _, student = assemble(settings, places.SIZE, 10, 0)
            assert student.backbone.stride == places.SIZE / 8, cell.name


@pytest.mark.filterwarnings("default")
def test_a_peer_s_step_of_dinov2_multiplies_what_ours_does():
    pytest.importorskip("lightly", reason="the peers have an environment of their own")
    found = token_speed.row("vit_mini", 32, 8, runs=1)
    ours, theirs = found["operations"].values()
    assert ours == pytest.approx(theirs, rel=0.05)
