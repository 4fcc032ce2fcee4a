"""Protocols of places, as a person asks for them."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ilk.rendered import Rendered

PARTS = ("train", "test")


@pytest.fixture
def masked(tmp_path: Path) -> Path:
    """Images in one folder, and masks of the same names in another."""
    for part, count in zip(PARTS, (12, 6), strict=True):
        source = Rendered(count, size=32, split=part)
        for item in range(count):
            for kind, pixels in (
                ("images", source.item(item)[..., ::-1]),
                ("masks", np.uint8(255) * source.mask(item)),
            ):
                place = tmp_path / part / kind / f"{item}.png"
                place.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(place), np.ascontiguousarray(pixels))
    return tmp_path


def test_masks_are_given_by_folder_and_kept_with_the_result(ilk, masked):
    words = [
        *("evaluate", "random:vit_mini", "--image-size", "32", "-o", "found.json"),
        *("--protocols", "patch-knn,segment-linear", "--against", "pixels"),
        *(word for part in PARTS for word in (f"--{part}", masked / part / "images")),
    ]
    refused = ilk(*words)
    assert refused.code == 2
    assert "train_masks: must be given for patch-knn@1" in refused.err
    given = [word for part in PARTS for word in (f"--{part}-masks", masked / part / "masks")]
    unused = ilk(*(word.replace("patch-knn,segment-linear", "quality") if isinstance(word, str)
                   else word for word in words), *given)  # fmt: skip
    assert unused.code == 2
    assert "are for protocols of places, got quality@1" in unused.err
    said = ilk(*words, *given)
    assert said.code == 0, said.err
    assert (
        "note: pixels has no places, it is left out of patch-knn@1, segment-linear@1"
        in said.out
    )
    assert "2 classes in the masks of test: IoU of background" in said.out
    first, second = json.loads(Path("found.json").read_text())["results"]
    assert first["masks_data"] == second["masks_data"] != ""
    cv2.imwrite(str(masked / "test/masks/0.png"), np.zeros((32, 32), np.uint8))
    (masked / "test/masks/0.png").touch()
    again = ilk(*words, *given)
    assert again.code == 0, again.err
    kept = json.loads(Path("found.json").read_text())["results"]
    assert len(kept) == 4, "other masks are another measurement"


def test_a_comparison_refuses_protocols_of_masks_before_it_trains(ilk, masked):
    images = {part: masked / part / "images" for part in PARTS}
    refused = ilk(
        "compare", images["train"], "--methods", "moco-v3", "--train", images["train"],
        "--test", images["test"], "--protocols", "segment-linear", "-o", masked / "grid",
    )  # fmt: skip
    assert refused.code == 2
    assert "segment-linear needs masks, and ilk compare takes none" in refused.err
    assert not (masked / "grid").exists()
