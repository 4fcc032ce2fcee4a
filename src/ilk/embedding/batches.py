"""From images to vectors, a batch at a time.

Axes: B images, N rows, D features, C channels, S side of a view in pixels.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float32, Int64, Shaped, UInt64
from torch import Tensor, nn

from ilk.core import stored
from ilk.core.items import ItemKind
from ilk.core.prefetch import mapped_ahead
from ilk.data import (
    MEMORY,
    Bad,
    BadItem,
    Source,
    decode,
    read_item,
    unlabelled_because,
)
from ilk.embedding.checks import all_finite, check_batch_size, nothing_readable
from ilk.embedding.record import Embeddings
from ilk.networks import FEATURE, Encoder, Field, field_shape, showing
from ilk.views import View, normalise, plain_view

# Pixels that go through a network at once on a processor, where more of them are no faster: 41
# images of 224 x 224. The first maps of a small convolutional network then take 200 MB, of 256
# images 1.2 GB each.
IN_ONE_PASS = 2**21


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """The vectors of some consecutive items, of those that could be read.

    Args:
        items: which were asked for.
        vectors: one row for each item that could be read; of other fields than ``feature``,
            one map [D, H, W] or the tokens [N, D] of each.
        labels: of those; -1 when not known.
        keys: of those.
        bad: the items without a row.
        contents: a 64-bit digest of the bytes of each.
        sizes: width and height of each, upright, in pixels; of windows, samples and channels.
    """

    items: range
    vectors: Float32[np.ndarray, "B ..."]
    labels: Int64[np.ndarray, " B"]
    keys: list[str]
    bad: tuple[Bad, ...]
    contents: UInt64[np.ndarray, " B"]
    sizes: Int64[np.ndarray, "B 2"]


def embed(
    encoder: Encoder,
    source: Source,
    *,
    batch_size: int = 256,
    device: str = "auto",
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Embeddings:
    """The vectors of a whole source, held in memory.

    Unreadable items have no row and are listed.

    Args:
        encoder: stays as it is.
        source: of images.
        batch_size: images read at once; on a processor they may pass the encoder in parts.
        device: ``auto`` is where the encoder is, or an accelerator if there is one.
        workers: threads that read and decode.
        progress: called with the items done and their number.

    Raises:
        UserError: nothing could be read, or a vector has NaN or infinity.
    """
    vectors = np.empty((len(source), encoder.feature_dim), np.float32)
    labels = np.empty(len(source), np.int64)
    contents = np.empty(len(source), np.uint64)
    keys = [pa.array([], pa.large_string())]
    bad: list[Bad] = []
    rows = 0
    for batch in embed_batches(
        encoder, source, batch_size=batch_size, device=device, workers=workers
    ):
        place = slice(rows, rows + len(batch.keys))
        vectors[place], labels[place] = batch.vectors, batch.labels
        contents[place] = batch.contents
        keys.append(pa.array(batch.keys, pa.large_string()))
        bad += batch.bad
        rows = place.stop
        if progress:
            progress(batch.items.stop, len(source))
    if not rows:
        raise nothing_readable(source, bad)
    joined = pa.concat_arrays(keys)
    all_finite(encoder, vectors[:rows], lambda row: str(joined[row]))
    return Embeddings(
        vectors=vectors[:rows],
        labels=labels[:rows],
        keys=joined,
        classes=source.classes,
        encoder=encoder.fingerprint,
        data=source.fingerprint,
        bad=tuple(bad),
        contents=contents[:rows],
        unlabelled_because=unlabelled_because(source),
    )


def embed_batches(
    encoder: Encoder,
    source: Source,
    *,
    items: range | None = None,
    batch_size: int = 256,
    device: str = "auto",
    workers: int = 2,
    field: Field = FEATURE,
) -> Iterator[Batch]:
    """Vectors in order, batch after batch; no more than ``workers`` + 1 batches wait in memory.

    Args:
        encoder: stays as it is, but for its device while the iteration lasts.
        source: of images.
        items: consecutive items to embed; all when None.
        batch_size: items in a batch; the last has the rest.
        device: as for ``embed``.
        workers: as for ``embed``.
        field: what of the images, as in `ilk.networks.showing`.

    Raises:
        UserError: the size of a batch is below 1.
    """
    check_batch_size(batch_size)
    items = range(len(source)) if items is None else items
    view = plain_view(encoder.kind, encoder.image_size, encoder.frames)
    parts = (items[start : start + batch_size] for start in range(0, len(items), batch_size))
    batches = mapped_ahead(
        lambda part: _read(source, part, view, encoder.channels),
        parts, workers=workers, name="ilk-embed",
    )  # fmt: skip
    with closing(batches), moved(encoder.module, device) as place:
        for batch in batches:
            yield _encoded(encoder, field, batch, place)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    items: range
    views: list[Shaped[Tensor, "1 C *axes"]]
    labels: list[int]
    keys: list[str]
    bad: tuple[Bad, ...]
    contents: list[int]
    sizes: list[tuple[int, int]]


def _read(source: Source, items: range, view: View, channels: int) -> _Read:
    views: list[Tensor] = []
    good: list[int] = []
    contents: list[int] = []
    sizes: list[tuple[int, int]] = []
    bad: list[Bad] = []
    for index in items:
        try:
            with MEMORY.turn():
                item = read_item(source, index)
                pixels = decode(item, channels=channels, kind=view.kind)
                # One large image at a time.
                views.append(view.render([pixels], np.array([index]), 0, 0))
        except BadItem as error:
            bad.append(Bad(index=index, key=_key(source, index), reason=str(error)))
            continue
        good.append(index)
        contents.append(content_of(item))
        sizes.append(_extent(view.kind, pixels))
    return _Read(
        items=items,
        views=views,
        labels=[source.label(index) for index in good],
        keys=[_key(source, index) for index in good],
        bad=tuple(bad),
        contents=contents,
        sizes=sizes,
    )


def _extent(kind: ItemKind, item: np.ndarray) -> tuple[int, int]:
    """Width and height of images and of clips; samples and channels of windows."""
    shape = item.shape if kind == "window" else item.shape[:-1]
    return shape[-1], shape[-2]


def content_of(item: bytes | np.ndarray) -> int:
    """A 64-bit digest of the bytes; the shape and type of an array count too."""
    digest = blake2b(digest_size=8)
    if isinstance(item, np.ndarray):
        digest.update(f"{item.dtype} {item.shape}".encode())
        item = item.tobytes()
    digest.update(item)
    return int.from_bytes(digest.digest(), "little")


def _encoded(encoder: Encoder, field: Field, read: _Read, device: torch.device) -> Batch:
    if not read.views:
        vectors = np.empty((0, *field_shape(encoder, field)), np.float32)
    else:
        network = showing(encoder, field)
        with torch.inference_mode():
            passes = [
                network(normalise(part.to(device), encoder.mean, encoder.std))
                for part in _parts(torch.cat(read.views), device)
            ]
            vectors = torch.cat(passes).float().cpu().numpy()
    return Batch(
        items=read.items,
        vectors=vectors,
        labels=np.array(read.labels, np.int64),
        keys=read.keys,
        bad=read.bad,
        contents=np.array(read.contents, np.uint64),
        sizes=np.array(read.sizes, np.int64).reshape(-1, 2),
    )


def _parts(batch: Tensor, device: torch.device) -> Sequence[Tensor]:
    """What goes through the network at once: all, or less where a processor gains nothing."""
    if device.type != "cpu":
        return [batch]
    extent = batch[0, 0].numel()  # pixels of an image, or samples of a window
    return batch.split(max(1, IN_ONE_PASS // extent))


def _key(source: Source, index: int) -> str:
    """The item's key as tables can hold it: file names may be bytes that no text is."""
    return stored(source.key(index))


@contextmanager
def moved(module: nn.Module, device: str) -> Generator[torch.device]:
    """The module on a device, for a while."""
    tensors = chain(module.parameters(), module.buffers())
    home = next((tensor.device for tensor in tensors), torch.device("cpu"))
    place = torch.device(device) if device != "auto" else _best(home)
    module.to(place)
    try:
        yield place
    finally:
        module.to(home)


def _best(home: torch.device) -> torch.device:
    if home.type != "cpu":
        return home
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
