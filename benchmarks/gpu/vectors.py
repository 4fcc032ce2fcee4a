"""Embedding of photos, and exact neighbours among a million vectors."""

import time
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.gpu.place import Place, Scale, Unit
from benchmarks.gpu.speed import built
from ilk.embedding import embed
from ilk.embedding.neighbours import GALLERY_BLOCK, QUERY_BLOCK, nearest

K = 20
# The one that is used, and larger ones that may suit a device with many gigabytes.
BLOCKS = ((QUERY_BLOCK, GALLERY_BLOCK), (1024, 65_536), (4096, 131_072))
CHECKED = 16  # queries whose neighbours are found on the processor as well


def units(scale: Scale) -> dict[str, Unit]:
    return {"embed": embedded, "knn": neighbours}


def embedded(place: Place) -> dict[str, Any]:
    """Photos through the network, decoding included; the first pass builds kernels."""
    encoder, photos = built("moco-v3", place.scale.batches[0], place).encoder(), place.photos()
    rates = []
    for _ in range(2):
        began = time.perf_counter()
        embed(encoder, photos, device=place.device, workers=16)
        rates.append(len(photos) / (time.perf_counter() - began))
    return {"images": len(photos), "images_per_second": rates[-1], "first": rates[0]}


def neighbours(place: Place) -> dict[str, Any]:
    """Seconds of the search by size of the blocks; all must find the same."""
    asked, held, dim = place.scale.vectors
    chance = torch.Generator().manual_seed(place.seed)
    centres = torch.randn(1000, dim, generator=chance)
    sides = []
    for count in (asked, held):
        own = centres[torch.randint(len(centres), (count,), generator=chance)]
        sides.append(own + torch.randn(count, dim, generator=chance))
    queries, gallery = (F.normalize(side, dim=1) for side in sides)
    there = queries.to(place.device), gallery.to(place.device)
    exact = nearest(queries[:CHECKED], gallery, K)[0]
    row: dict[str, Any] = {"queries": asked, "gallery": held, "dimensions": dim, "k": K}
    row["blocks"] = [searched(there, block, exact, place) for block in BLOCKS]
    return row | {"holds": all(each["as_on_processor"] for each in row["blocks"])}


def searched(
    sides: tuple[torch.Tensor, torch.Tensor],
    block: tuple[int, int],
    exact: torch.Tensor,
    place: Place,
) -> dict[str, Any]:
    """One search; the neighbours are those of the processor but for ties within rounding."""
    nearest(sides[0][: block[0]], sides[1][: block[1]], K, block)  # builds kernels
    if place.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    place.wait()
    began = time.perf_counter()
    found = nearest(*sides, K, block)[0]
    place.wait()
    seconds = time.perf_counter() - began
    same = (found[: len(exact)].cpu() == exact).float().mean().item()
    cuda = place.device == "cuda"
    return {
        "block": block,
        "seconds": seconds,
        "peak_bytes": torch.cuda.max_memory_allocated() if cuda else None,
        "same": same,
        "as_on_processor": same > 0.98,
    }
