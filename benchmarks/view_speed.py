"""Views per second beside lightly and albumentations: one thread, interleaved, as ratios.

    .venv/bin/python -m benchmarks.view_speed

Peers are measured where they can be imported. Every engine makes the same views, by the same
parameters, of the same images, and ends with normalised float32 tensors: ours a whole batch,
the peers' one image at a time, which spares them a copy. Packed images are read by ilk, and the
originals by the peers, which have nothing like it. Rounds take turns, and
a ratio is the median over rounds of two times measured next to each other. Times are of the
thread, so that other work on the machine counts less.
"""

import io
import json
import os
import statistics
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from importlib.util import find_spec

import cv2
import numpy as np
import simplejpeg
import torch
from PIL import Image

from ilk import views
from ilk.data import Packing, decode
from ilk.data.packing import prepared
from ilk.views import ImageView, normalise

BATCH = 32  # images that one round of an engine looks at
JPEG_BYTES, JPEG_SIDES = 114_000, (375, 500)  # of a usual ImageNet file
PHOTO_SIDES = (3000, 4000)
CIFAR_SIDE = 32
Engine = Callable[[], object]


def rows(runs: int = 15) -> list[dict[str, object]]:
    """One row for each kind of work and engine, with its time and its ratio to ours."""
    cv2.setNumThreads(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [
            {"work": work, **row}
            for work, (files, ours, pair, kind) in works().items()
            for row in _compared(engines(files, ours, pair, kind), len(files), runs)
        ]
    finally:
        torch.set_num_threads(threads)


def shares(runs: int = 15) -> list[dict[str, object]]:
    """What each part of two BYOL views takes, in milliseconds an image, and its share."""
    files, pair = jpegs(), views.byol_pair(interpolation="bilinear")
    images = [decode(file) for file in files]
    items, (mean, std) = np.arange(len(files)), views.moments(3)
    made = views.render(pair, images, items, 0, 0).values()
    parts: dict[str, Engine] = {
        "libjpeg-turbo alone": lambda: [simplejpeg.decode_jpeg(file) for file in files],
        "decoding": lambda: [decode(file) for file in files],
        "rendering": lambda: views.render(pair, images, items, 0, 0),
        "normalising": lambda: [normalise(pixels, mean, std) for pixels in made],
    }
    cv2.setNumThreads(0)
    found = _compared({"ilk": lambda: _ours(files, pair)} | parts, len(files), runs)
    return [
        {
            "work": str(row["engine"]),
            "against": "decode + 2 x 224 BYOL",
            "ratio": row["times_slower_than_ilk"],
            "milliseconds": 1000 / row["images_per_second"],
        }
        for row in found
    ]


def works() -> dict[str, tuple[list, list, Sequence[ImageView], str]]:
    """Images, the same as ilk is given them, its views and those of peers, by name."""
    byol, dino = views.byol_pair(interpolation="bilinear"), views.dino_multicrop()
    usual, large, small = jpegs(), photos(), arrays()
    packed_usual, packed_large = packed(usual, 256), packed(large, 512)
    pixels = "12 megapixels"
    return {
        "decode + 2 x 224 BYOL": (usual, usual, byol, "byol"),
        "decode + 2 x 224 + 8 x 96 DINO": (usual, usual, dino, "dino"),
        "2 x 32 BYOL of arrays": (small, small, views.cifar_pair(), "cifar"),
        f"decode + 2 x 224 BYOL of {pixels}": (large, large, byol, "byol"),
        f"decode + 2 x 224 + 8 x 96 DINO of {pixels}": (large, large, dino, "dino"),
        "packed at 256 + 2 x 224 BYOL": (usual, packed_usual, byol, "byol"),
        "packed at 256 + 2 x 224 + 8 x 96 DINO": (usual, packed_usual, dino, "dino"),
        f"packed at 512 + 2 x 224 BYOL of {pixels}": (large, packed_large, byol, "byol"),
        f"packed at 512 + 2 x 224 + 8 x 96 DINO of {pixels}": (
            large, packed_large, dino, "dino",
        ),
    }  # fmt: skip


def packed(files: list[bytes], shorter_side: int) -> list[bytes]:
    """The same images as ``ilk pack`` makes them."""
    packing = Packing(shorter_side=shorter_side)
    return [prepared(file, packing).data for file in files]


def _compared(engines: dict[str, Engine], count: int, runs: int) -> list[dict[str, object]]:
    times: dict[str, list[float]] = {name: [] for name in engines}
    for run in range(runs + 1):
        for name, engine in engines.items():
            began = time.thread_time()
            engine()
            if run:  # the first fills caches
                times[name].append(time.thread_time() - began)
    return [
        {
            "engine": name,
            "images_per_second": count / statistics.median(spent),
            "times_slower_than_ilk": statistics.median(
                theirs / ours for theirs, ours in zip(spent, times["ilk"], strict=True)
            ),
        }
        for name, spent in times.items()
    ]


def engines(files: list, ours: list, pair: Sequence[ImageView], kind: str) -> dict[str, Engine]:
    """What makes all views of all images, by name; the peers that are installed.

    Args:
        files: images, as files or arrays.
        ours: the same for ilk; others where they are packed.
        pair: the views.
        kind: lightly's name for such views.
    """
    found: dict[str, Engine] = {"ilk": lambda: _ours(ours, pair)}
    if find_spec("lightly") is not None:
        theirs = _lightly(kind)
        found["lightly"] = lambda: [theirs(_pillow(file)) for file in files]
    if find_spec("albumentations") is not None:
        chains = [_albumentations(view) for view in pair]
        found["albumentations"] = lambda: [_albumented(p, chains) for p in files]
    return found


def _ours(files: list, pair: Sequence[ImageView]) -> list[torch.Tensor]:
    detail = views.needed(pair)
    images = [decode(file, detail=detail) for file in files]
    items = np.arange(len(files))
    mean, std = views.moments(3)
    made = views.render(pair, images, items, 0, 0)
    return [normalise(pixels, mean, std) for pixels in made.values()]


def _pillow(file: bytes | np.ndarray) -> Image.Image:
    if isinstance(file, bytes):
        return Image.open(io.BytesIO(file)).convert("RGB")
    return Image.fromarray(file)


def _lightly(kind: str) -> Callable[[Image.Image], object]:
    from lightly import transforms as T
    from lightly.transforms.byol_transform import BYOLView1Transform, BYOLView2Transform

    if kind == "dino":
        return T.DINOTransform(n_local_views=8)
    if kind == "byol":
        return T.BYOLTransform()
    small = {"input_size": CIFAR_SIDE, "gaussian_blur": 0.0}
    return T.BYOLTransform(
        BYOLView1Transform(**small), BYOLView2Transform(**small, solarization_prob=0.2)
    )


def _albumentations(view: ImageView) -> Callable[..., dict]:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it asks the network otherwise
    import albumentations as A
    from albumentations.pytorch import ToTensorV2

    brightness, contrast, saturation, hue = view.jitter
    cubic = view.interpolation == "bicubic"
    chain = [
        A.RandomResizedCrop(
            (view.size, view.size), scale=view.scale, ratio=view.ratio,
            interpolation=cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR,
        ),
        A.HorizontalFlip(p=view.flip),
        A.ColorJitter(
            brightness=(1 - brightness, 1 + brightness), contrast=(1 - contrast, 1 + contrast),
            saturation=(1 - saturation, 1 + saturation), hue=(-hue, hue), p=view.jitter_p,
        ),
        A.ToGray(p=view.gray_p),
        A.GaussianBlur(blur_limit=0, sigma_limit=view.blur_sigma, p=view.blur_p),
        A.Solarize(threshold_range=(0.5, 0.5), p=view.solarize_p),
        A.Normalize(),
        ToTensorV2(),
    ]  # fmt: skip
    return A.Compose([step for step in chain if getattr(step, "p", 1) > 0])


def _albumented(file: bytes | np.ndarray, chains: list[Callable[..., dict]]) -> list:
    if isinstance(file, bytes):
        encoded = np.frombuffer(file, np.uint8)
        file = cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    return [chain(image=file)["image"] for chain in chains]


def jpegs(count: int = BATCH) -> list[bytes]:
    """Windows of scikit-learn's two photographs, each coded into about 114 kB."""
    from sklearn.datasets import load_sample_images

    rng, (height, width) = np.random.default_rng(0), JPEG_SIDES
    coded: list[bytes] = []
    for number in range(count):
        photo = load_sample_images().images[number % 2][:, :: -1 if number % 4 > 1 else 1]
        top, left = (
            rng.integers(a - b + 1) for a, b in zip(photo.shape, JPEG_SIDES, strict=False)
        )
        window = np.ascontiguousarray(photo[top : top + height, left : left + width])
        qualities = [(window, quality) for quality in range(60, 101)]
        enough = bisect_left(qualities, JPEG_BYTES, key=lambda pair: len(_coded(*pair)))
        coded.append(_coded(*qualities[min(enough, 40)]))
    return coded


def photos(count: int = 4) -> list[bytes]:
    """The same photographs at the size of a telephone's, with the noise of a sensor: 2.7 MB."""
    from sklearn.datasets import load_sample_images

    rng, (height, width) = np.random.default_rng(0), PHOTO_SIDES
    coded: list[bytes] = []
    for number in range(count):
        photo = load_sample_images().images[number % 2][:, :: -1 if number % 4 > 1 else 1]
        large = cv2.resize(
            np.ascontiguousarray(photo), (width, height), interpolation=cv2.INTER_CUBIC
        )
        noise = rng.normal(0, 4, large.shape)
        coded.append(_coded((large + noise).clip(0, 255).astype(np.uint8), 92))
    return coded


def _coded(window: np.ndarray, quality: int) -> bytes:
    return simplejpeg.encode_jpeg(window, quality, "RGB", "420")


def arrays(count: int = 512) -> list[np.ndarray]:
    """Windows of the same photographs, shrunk to the size of CIFAR's."""
    from sklearn.datasets import load_sample_images

    photos, rng = load_sample_images().images, np.random.default_rng(0)
    made: list[np.ndarray] = []
    for number in range(count):
        photo, side = photos[number % 2], int(rng.integers(60, 400))
        top, left = (int(rng.integers(extent - side + 1)) for extent in photo.shape[:2])
        window = photo[top : top + side, left : left + side]
        made.append(cv2.resize(window, (CIFAR_SIDE, CIFAR_SIDE), interpolation=cv2.INTER_AREA))
    return made


if __name__ == "__main__":
    print(json.dumps(rows(), indent=1))
