"""One image, or several of any sizes, is never taken for rows of pixels."""

import io
import os
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ilk.core.errors import UserError
from ilk.data import BadItem, Reader, decode, labels, open_source
from tests.data.zoo import encoded, smooth, written

COLOUR = smooth(0, 37, 52)
GREY = COLOUR[..., 0]
PNG = encoded(Image.fromarray(COLOUR), "PNG")
TENSOR = torch.from_numpy(COLOUR).permute(2, 0, 1)


def file(path: Path) -> Path:
    return written(path / "x", {"photo.PNG": PNG}) / "photo.PNG"


@pytest.mark.parametrize(
    ("spec", "pixels"),
    [
        (lambda _: COLOUR, COLOUR),
        (lambda _: COLOUR / 255, COLOUR),
        (lambda _: COLOUR[..., :1], GREY[..., None]),
        (lambda _: GREY[None], GREY[..., None]),
        (lambda _: Image.fromarray(COLOUR), COLOUR),
        (lambda _: PNG, COLOUR),
        (lambda _: TENSOR[None], COLOUR),
        (lambda _: [TENSOR], COLOUR),
        (lambda _: [GREY], GREY[..., None]),
        (file, COLOUR),
        (lambda path: str(file(path)), COLOUR),
        (lambda path: [file(path)], COLOUR),
        (lambda path: f"{file(path).parent}/*.PNG", COLOUR),
    ],
)
def test_one_image_is_one_item(tmp_path: Path, spec, pixels: np.ndarray) -> None:
    source = open_source(spec(tmp_path))
    assert len(source) == 1
    channels = pixels.shape[-1]
    np.testing.assert_array_equal(decode(source.item(0), channels=channels), pixels)
    assert source.fingerprint == open_source(spec(tmp_path)).fingerprint


def test_images_of_several_kinds_and_sizes_come_in_order(tmp_path: Path) -> None:
    small = smooth(1, 20, 30)
    images = [
        COLOUR, small, Image.fromarray(small), TENSOR, file(tmp_path), PNG, small[..., 0],
        str(file(tmp_path)), torch.from_numpy(small[..., 1]),
    ]  # fmt: skip
    wanted = [
        COLOUR,
        small,
        small,
        COLOUR,
        COLOUR,
        COLOUR,
        small[..., 0],
        COLOUR,
        small[..., 1],
    ]
    for given in (images, np.array([*images, None], object)[:-1]):
        source = open_source(given)
        assert len(source) == len(wanted)
        for index, pixels in enumerate(wanted):
            grey = np.repeat(pixels[..., None], 3, -1) if pixels.ndim == 2 else pixels
            np.testing.assert_array_equal(decode(source.item(index)), grey)
    assert source.key(4) == str(file(tmp_path))
    assert source.key(3) == "3"
    assert set(labels(source)) == {-1}
    again = pickle.loads(pickle.dumps(source))
    assert again.fingerprint == source.fingerprint != open_source(images[::-1]).fingerprint


def test_a_column_of_paths_is_a_list_of_images(tmp_path: Path) -> None:
    import pandas

    one = str(file(tmp_path))
    columns = [
        np.array([one, one]), np.array([Path(one), COLOUR, None], object)[:2],
        pandas.Series([one, one], index=["a", "b"]), pandas.DataFrame({"x": [one] * 2})["x"],
    ]  # fmt: skip
    for column in columns:
        source = open_source(column)
        assert len(source) == 2
        np.testing.assert_array_equal(decode(source.item(1)), COLOUR)
        assert labels(open_source((column, ["b", "a"]))).tolist() == [1, 0]


def test_a_file_that_has_gone_is_a_bad_image_among_others(tmp_path: Path) -> None:
    here = file(tmp_path)
    source = open_source([here, tmp_path / "gone.jpg", COLOUR])
    assert len(source) == 3
    with pytest.raises(BadItem, match="vanished"):
        source.item(1)
    with pytest.raises(UserError, match="must be an existing folder or file"):
        open_source([tmp_path / "gone.jpg", tmp_path / "too.jpg"])
    with pytest.raises(UserError, match="must be an existing folder or file"):
        open_source([here, tmp_path / "folder"])


def test_images_with_labels() -> None:
    for spec in (([COLOUR, PNG], ["b", "a"]), [(COLOUR, "b"), (Image.fromarray(COLOUR), "a")]):
        source = open_source(spec)
        assert source.classes == ("a", "b")
        assert labels(source).tolist() == [1, 0]
    with pytest.raises(UserError, match="one label for each of 2"):
        open_source(([COLOUR, COLOUR], [1]))


@pytest.mark.parametrize(
    "shape", [(5, 28, 28), (3, 28, 28), (5, 28, 14, 3), (9, 8, 8), (1797, 8, 8)]
)
def test_many_images_stay_many(shape) -> None:
    assert len(open_source(np.zeros(shape, np.uint8))) == shape[0]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            np.zeros((28, 28), np.uint8),
            r"got shape \(28, 28\), which is one grey image or rows",
        ),
        (np.zeros((100, 512), np.float32), r"got shape \(100, 512\), .* give image\[None\]"),
        (torch.zeros(28, 28), r"shape \(28, 28\), which is one grey image"),
        (TENSOR, r"a tensor of shape \(3, 37, 52\), which is one image \[C, H, W\] or 3 grey"),
        (np.zeros((64, 64, 13)), "one image of 13 channels or 64 grey ones"),
        ([np.zeros((5, 3, 32, 32)), np.zeros((3, 32, 32))], r"looks like \[N, C, H, W\]"),
        (
            [np.zeros((3, 32, 32)), np.zeros((3, 32, 32))],
            r"images\[0\]: .* looks like \[C, H, W\]",
        ),
        ([np.zeros(5), np.zeros(5)], r"images\[0\]: must be one image .* shape \(5,\)"),
        ([np.zeros((0, 5, 3))], r"images\[0\]: must be one image"),
        ([COLOUR, np.array([["a"]])], r"images\[1\]: must be one image .* <U1"),
        ({"images": COLOUR}, "got dict"),
        ({1, 2}, "got set"),
        (iter([COLOUR]), "got list_iterator"),
    ],
)
def test_what_may_mean_either_is_refused(spec, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        open_source(spec)
    assert "\n" not in str(caught.value)


def test_stored_arrays_follow_the_same_rule(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", COLOUR)
    assert len(open_source(tmp_path / "one.npy")) == 1
    np.save(tmp_path / "flat.npy", GREY)
    np.savez(tmp_path / "flat.npz", images=GREY)
    for name in ("flat.npy", "flat.npz"):
        with pytest.raises(UserError, match="one grey image or rows of numbers"):
            open_source(tmp_path / name)
    np.save(tmp_path / "objects.npy", np.array([COLOUR, None], object))
    with pytest.raises(UserError, match="written by NumPy"):
        open_source(tmp_path / "objects.npy")


def test_tensors_of_any_kind_are_their_numbers() -> None:
    many = torch.from_numpy(np.stack([COLOUR] * 3)).permute(0, 3, 1, 2) / 255
    for made in (many.clone().requires_grad_(), many.double(), many.half(), many.bfloat16()):
        for spec in (made, list(made), (made, [0, 1, 0])):
            assert np.abs(decode(open_source(spec).item(1)) - COLOUR.astype(float)).max() <= 1
    for odd in (many.to_sparse(), many.to("meta")):
        with pytest.raises(UserError, match="^array: must be numbers that NumPy can hold"):
            open_source(odd)


def test_floats_of_bytes_are_refused_with_what_to_do() -> None:
    for values, says in ((COLOUR.astype(np.float32), "; divide by 255"), (COLOUR - 0.5, "")):
        with pytest.raises(BadItem, match=rf"^floats must lie in \[0, 1\], found .*{says}$"):
            decode(values)


def test_an_image_that_cannot_be_read_is_a_bad_item(tmp_path: Path) -> None:
    lazy = Image.open(io.BytesIO(PNG[: len(PNG) // 2]))
    missing = file(tmp_path)
    source = open_source([COLOUR, lazy, Image.new("LAB", (9, 9)), missing, b""])
    missing.unlink()
    for index, reason in (
        (1, "unreadable|truncated"),
        (2, "LAB"),
        (3, "vanished"),
        (4, "empty"),
    ):
        with pytest.raises(BadItem, match=reason):
            decode(source.item(index))
    assert Reader(source, max_bad_share=0.9).read(1)[1] == 0


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("notes.txt", "a file that ends in .txt; name images so that they end in .jpg"),
        ("LIST", "a file without an ending; name images"),
        ("film.mp4", "a file that ends in .mp4; name images"),
        ("table.csv", "a file that ends in .csv; name images"),
        ("photos.7z", "an archive of another kind (.7z); unpack it into a folder"),
        ("photos.tgz", "a compressed file; undo its compression: gunzip photos.tgz"),
    ],
)
def test_a_file_that_is_no_image_is_refused_in_a_line(tmp_path: Path, name, says) -> None:
    (tmp_path / name).write_text("no image\n")
    (tmp_path / "photo.png").write_bytes(PNG)
    for spec in (tmp_path / name, [tmp_path / "photo.png", tmp_path / name]):
        with pytest.raises(UserError, match=re.escape(f"{name}: must be a folder, ")) as caught:
            open_source(spec)
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(UserError, match="got a device or pipe; copy it into a file"):
            open_source(place)


@pytest.mark.parametrize("ending", ["npy", "npz"])
@pytest.mark.parametrize("content", [b"", b"no numbers", b"\x80\x04K\x01."])
def test_a_file_that_numpy_did_not_write_is_not_advised_to_be_trusted(
    tmp_path: Path, ending, content
) -> None:
    (tmp_path / f"x.{ending}").write_bytes(content)
    with pytest.raises(UserError, match="must be numbers written by NumPy, got") as caught:
        open_source(tmp_path / f"x.{ending}")
    assert "allow_pickle" not in str(caught.value)
    assert "another kind of file" in str(caught.value)
