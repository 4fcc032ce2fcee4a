"""The most confident mistakes of k-NN. Axes: N test items, K classes."""

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from ilk.data import Reader, Source
from ilk.embedding import Embeddings, nearest
from ilk.viewer.neighbours import agree, label_name, read_captioned
from ilk.viewer.report import CaptionedImage, Lookup, Neighbour

TEMPERATURE = 0.07  # of the vote, as in the protocol


def mistakes(
    known: Embeddings,
    asked: Embeddings,
    train: Source,
    test: Source,
    *,
    k: int,
    title: str = "Nearest training images",
    most: int = 8,
    neighbours: int = 8,
) -> tuple[Lookup, ...]:
    """The test images that k-NN classifies wrongly with the largest share of the vote.

    Items without a label, and those of a class that train has not, are left out.

    Args:
        known: vectors of train.
        asked: vectors of test.
        train: the images behind ``known``.
        test: the images behind ``asked``.
        k: neighbours that vote.
        title: of the neighbours shown.
        most: images, at most.
        neighbours: shown of each.
    """
    rows = np.flatnonzero(known.labels >= 0)
    truth = _in_the_names_of(known, asked)
    places, called, shares = _called(known, asked, rows, k)
    wrong = np.flatnonzero((truth >= 0) & (called != truth))
    surest = wrong[np.argsort(-shares[wrong], kind="stable")][:most]
    books = (Reader(train), Reader(test))
    out: list[Lookup] = []
    for row in surest.tolist():
        near = [int(rows[place]) for place in places[row, :neighbours]]
        found = tuple(
            Neighbour(
                image=read_captioned(books[0], known, at), agrees=agree(known, at, asked, row)
            )
            for at in near
        )
        voted = np.flatnonzero(known.labels == called[row])[0]
        query = read_captioned(books[1], asked, row)
        names = (label_name(asked, row), label_name(known, int(voted)))
        captioned = _captioned(query, *names, float(shares[row]))
        out.append(Lookup(query=captioned, found=((title, found),)))
    return tuple(out)


def _captioned(
    query: CaptionedImage, truth: str | None, voted: str | None, share: float
) -> CaptionedImage:
    caption = f"{truth}, predicted {voted} with {share:.0%} of the vote".replace("%", " %")
    return replace(query, caption=caption)


def _called(
    known: Embeddings, asked: Embeddings, rows: Int64[np.ndarray, " T"], k: int
) -> tuple[Int64[np.ndarray, "N k"], Int64[np.ndarray, " N"], Float32[np.ndarray, " N"]]:
    """Nearest of the rows, the class they vote for, and its share of the vote."""
    places, cosines = nearest(_tensor(asked.vectors), _tensor(known.vectors[rows]), k)
    labels = torch.from_numpy(known.labels[rows])[places]
    votes = (cosines / TEMPERATURE).softmax(1)
    totals = votes.new_zeros(len(votes), int(labels.max()) + 1).scatter_add_(1, labels, votes)
    shares, called = totals.max(1)
    return places.numpy(), called.numpy(), shares.numpy()


def _in_the_names_of(known: Embeddings, asked: Embeddings) -> Int64[np.ndarray, " N"]:
    """Labels of ``asked`` by the numbers that ``known`` has for the same names; else -1."""
    if not (known.classes and asked.classes):
        return asked.labels
    place = {name: number for number, name in enumerate(known.classes)}
    table = np.array([place.get(name, -1) for name in asked.classes] + [-1], np.int64)
    return table[asked.labels]


def _tensor(rows: Float32[np.ndarray, "N D"]) -> Tensor:
    return torch.from_numpy(np.require(rows, requirements="W"))
