"""Images that are given one by one: files, Pillow images, arrays. Axes: N images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ilk.core.errors import UserError
from ilk.data.arrays import given_labels
from ilk.data.classes import nothing_known
from ilk.data.encoded import stored
from ilk.data.leavings import ending
from ilk.data.source import ENDINGS, BadItem, digest, read_file, spread
from ilk.data.values import over_white

_FEW = 4  # channels
_HASHED = 1024  # images whose content enters the fingerprint


class Loose:
    """Images in the order in which they are given, of any sizes.

    Keys are the paths of files, else the positions. The fingerprint covers the paths and sizes
    of files, and the content of 1024 other images, evenly spread.

    Args:
        images: each a path of a file, an encoded file as bytes, a Pillow image, an array [H, W]
            or [H, W, C], or a tensor [C, H, W] or [H, W].
        labels: one for each; None for none.
        name: what the person called them.

    Raises:
        UserError: one of them is no image.
    """

    def __init__(self, images: Sequence[Any], labels: Any = None, name: str = "images") -> None:
        self.name = name
        self._images = [_kept(image, f"{name}[{at}]") for at, image in enumerate(images)]
        self.roots = _roots(self._images)
        why = "images are given one by one; give folders, or a pair (images, labels)"
        known = nothing_known(len(images), why)
        if labels is not None:
            known = given_labels(labels, len(images), name)
        self.classes, self._labels = known.names, known.values
        self.unlabelled_because = known.reason

    def __len__(self) -> int:
        """N, the number of images."""
        return len(self._images)

    def item(self, index: int) -> bytes | np.ndarray:
        """The file or the pixels."""
        image = self._images[index]
        if isinstance(image, BadItem):
            raise image
        return read_file(image) if isinstance(image, Path) else image

    def label(self, index: int) -> int:
        """As given."""
        return int(self._labels[index])

    def key(self, index: int) -> str:
        """The path, or the position."""
        image = self._images[index]
        return str(image) if isinstance(image, Path) else str(index)

    @property
    def fingerprint(self) -> str:
        """Of paths, sizes and content."""
        hashed = {*spread(len(self), _HASHED).tolist()}
        marks = (_mark(image, at in hashed) for at, image in enumerate(self._images))
        return digest([self._labels.astype("<i4"), *marks])


def is_loose(spec: Any) -> bool:
    """Whether something is one image by itself, or meant to be one."""
    if isinstance(spec, str | Path):
        try:
            return is_named(spec) and Path(spec).expanduser().is_file()
        except (OSError, RuntimeError):  # too long, forbidden, a home that is not known
            return False
    return isinstance(spec, bytes | Image.Image) or (is_array(spec) and spec.ndim <= 3)


def is_named(spec: Any) -> bool:
    """Whether something is the path of an image by its name, and no folder."""
    if not isinstance(spec, str | Path):
        return False
    name = Path(spec).name.encode(errors="surrogateescape")
    return ending(name) in ENDINGS and not Path(spec).expanduser().is_dir()


def is_array(spec: object) -> bool:
    """Whether something is NumPy's, or a tensor of another library."""
    return hasattr(spec, "__array__") and hasattr(spec, "dtype") and hasattr(spec, "shape")


def is_tensor(spec: object) -> bool:
    """Whether channels come first, by the custom of the library."""
    return type(spec).__module__.split(".")[0] == "torch" or hasattr(spec, "is_cuda")


def as_array(given: Any, name: str) -> np.ndarray:
    """The numbers of an array or tensor, wherever they lie and whether they have a gradient.

    Raises:
        UserError: NumPy cannot hold them.
    """
    try:
        if not is_tensor(given):
            return np.asarray(given)
        here = given.detach().cpu()
        return np.asarray(here.float() if str(here.dtype) == "torch.bfloat16" else here)
    except (TypeError, ValueError, RuntimeError) as error:  # of another kind, sparse, meta
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{name}: must be numbers that NumPy can hold, got '{reason}'"
        ) from error


def pixels_of_pillow(image: Image.Image) -> np.ndarray:
    """The pixels of a Pillow image, its alpha laid over white."""
    pixels, alpha = stored(image)
    return over_white(pixels) if alpha else pixels


_Kept = Path | bytes | np.ndarray | BadItem


def _kept(image: Any, name: str) -> _Kept:
    if isinstance(image, str | Path):
        return Path(image).expanduser()
    if isinstance(image, bytes):
        return image
    if isinstance(image, Image.Image):
        try:
            return pixels_of_pillow(image)
        except BadItem as reason:
            return reason
        except Exception as error:  # what a plugin of Pillow raises for a damaged file
            return BadItem(f"unreadable: {type(error).__name__}: {error}")
    return _array(image, name)


def _roots(images: Sequence[_Kept]) -> dict[str, str]:
    """Where the keys of files lead back to.

    Beside images without a file, whose keys are positions, relative paths have no root.
    """
    starts = {image.anchor for image in images if isinstance(image, Path)}
    if not all(isinstance(image, Path) for image in images):
        starts.discard("")
    return {start: start or str(Path.cwd()) for start in sorted(starts)}


def _array(image: Any, name: str) -> np.ndarray:
    pixels = as_array(image, name)
    shape = pixels.shape
    if len(shape) not in (2, 3) or not pixels.size or pixels.dtype.kind not in "uifb":
        raise UserError(
            f"{name}: must be one image [H, W] or [H, W, C] of numbers, got {pixels.dtype} of "
            f"shape {shape}; join batches with numpy.concatenate"
        )
    if len(shape) == 3 and shape[0] <= _FEW < min(shape[1:]):
        if not is_tensor(image):
            raise UserError(
                f"{name}: must be one image [H, W, C], got shape {shape}, which looks like "
                "[C, H, W]; give numpy.moveaxis(image, 0, -1)"
            )
        pixels = np.moveaxis(pixels, 0, -1)
    return pixels


def _mark(image: _Kept, whole: bool) -> bytes:
    """What of an image enters the fingerprint."""
    if isinstance(image, BadItem):
        return str(image).encode()
    if isinstance(image, Path):
        size = image.stat().st_size if image.is_file() else -1
        return f"{image} {size}".encode(errors="surrogateescape")
    if isinstance(image, bytes):
        return image if whole else str(len(image)).encode()
    head = f"{image.dtype.str} {image.shape}".encode()
    return head + np.ascontiguousarray(image).tobytes() if whole else head
