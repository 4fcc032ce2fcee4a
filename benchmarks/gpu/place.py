"""Where a run of `benchmarks.gpu` takes place and how large it is."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.grid import RUNS, opened
from ilk.core import replacing
from ilk.data import Source, open_source
from ilk.rendered import Rendered

CARRIED = Path(__file__).parents[2] / "build" / "gpu"
IMAGES = "cifar10.parquet"
NOISES = 7  # different ones, over the photos


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How large the parts are that are measured.

    Args:
        backbone: the network whose steps are timed.
        backbone_options: what that network is built with.
        size: the side of a view, in pixels.
        batches: images in a step.
        steps: how many a round has, and a stream of data.
        rounds: how often engines take turns.
        photos: images on the disk that are decoded.
        pixels: height and width of each.
        vectors: queries, gallery and dimensions of the search for neighbours.
        method_options: for each method what differs from the paper's.
        cells: options of the network of the cells.
        batch: images in a step of a cell.
        epochs: how many a cell may have at most.
        laws: the cases that are checked; () is all.
        side: processes that check laws side by side.
        compiles: whether compiled networks are measured as well.
    """

    backbone: str = "vit_small_patch16_224"
    backbone_options: Mapping[str, Any] = field(default_factory=dict)
    size: int = 224
    batches: tuple[int, ...] = (256, 512)
    steps: int = 10
    rounds: int = 4
    photos: int = 2048
    pixels: tuple[int, int] = (375, 500)
    vectors: tuple[int, int, int] = (10_000, 1_000_000, 384)
    method_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cells: Mapping[str, Any] = field(
        default_factory=lambda: {"widths": [64, 128, 256, 512], "depths": [2, 2, 2, 2]}
    )
    batch: int = 512
    epochs: int = 200
    laws: tuple[str, ...] = ()
    side: int = 6
    compiles: bool = True


FULL = Scale()
TINY = Scale(
    backbone="vit_tiny_patch16_224",
    backbone_options={"patch_size": 8, "embed_dim": 16, "depth": 1, "num_heads": 2},
    size=32,
    batches=(8,),
    steps=2,
    rounds=1,
    photos=32,
    pixels=(48, 64),
    vectors=(50, 2_000, 8),
    method_options={
        "moco-v3": {"hidden": 16, "dim": 8},
        "dino": {"hidden": 16, "dim": 8, "prototypes": 32},
    },
    cells={"widths": [8, 16], "depths": [1, 1]},
    batch=16,
    epochs=2,
    laws=("moco-v3+sdmp", "dino", "deepcluster-v2"),
    side=1,
    compiles=False,
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a unit is given.

    Args:
        device: where the unit computes.
        tiny: whether sizes are those of a toy.
        data: folder with the carried images.
        runs: folder for runs and for photos.
        seen: images that a cell of the map sees; 0 where that is not known yet.
        seed: the seed of every part.
    """

    device: str
    tiny: bool
    data: Path = CARRIED
    runs: Path = RUNS / "gpu"
    seen: int = 0
    seed: int = 0

    @property
    def scale(self) -> Scale:
        """Its sizes."""
        return TINY if self.tiny else FULL

    def opened(self) -> tuple[Source, Source]:
        """Images to learn from and images to be scored on; a toy draws its own."""
        if self.tiny:
            return Rendered(80, size=32, split="train"), Rendered(40, size=32, split="test")
        path = self.data / IMAGES
        return opened(path, "train"), opened(path, "test")

    def photos(self) -> Source:
        """A folder of JPEG files as cameras make them, in size and in entropy; made if absent.

        They are enlarged images of the data with noise on top: a decoder has as much to do as
        for a photo, and a network has no view to memorise.
        """
        folder, (images, _) = self.runs / "photos", self.opened()
        folder.mkdir(parents=True, exist_ok=True)
        chance, (height, width) = np.random.default_rng(0), self.scale.pixels
        noises = chance.normal(0, 8, (NOISES, height, width, 3)).astype(np.float32)

        def plant(number: int) -> None:
            path = folder / f"{number:05d}.jpg"
            if path.exists():
                return
            item = images.item(number % len(images))
            small = decoded(item) if isinstance(item, bytes) else item
            large = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
            pixels = (large + noises[number % NOISES]).clip(0, 255).astype(np.uint8)
            code = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
            with replacing(path, "photo") as beside:
                beside.write_bytes(code.tobytes())

        with ThreadPoolExecutor() as pool:
            list(pool.map(plant, range(self.scale.photos)))
        return open_source(folder)

    def wait(self) -> None:
        """Let the device finish what it was given."""
        if self.device == "cuda":
            torch.cuda.synchronize()


Unit = Callable[[Place], dict[str, Any]]


def decoded(item: bytes) -> np.ndarray:
    """Pixels of an encoded image, in the decoder's order of channels."""
    return cv2.imdecode(np.frombuffer(item, np.uint8), cv2.IMREAD_COLOR)
