"""k-NN and the linear sweep against scikit-learn: same features, same question, one run each.

50,000 known and 10,000 asked vectors of 384 dimensions, of real images: each is its pixels by a
random matrix and a rectifier. CIFAR-10's file has 20,000 training images, so the known ones are
these, their mirror images, and half of them moved by two pixels. scikit-learn gets what one
would write by its documentation, and the same candidates, held-out part and tolerance as ours.

Each side runs in a process of its own, which also tells the memory it took above the features;
the modules that it loads count as well.
"""

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.mini import DATA
from ilk.data import open_source
from ilk.evaluate import protocol
from ilk.evaluate.comparisons.baselines import pixels
from ilk.evaluate.protocols.heldout import held_out
from ilk.evaluate.protocols.knn import NearestNeighbours
from ilk.evaluate.protocols.linear import LogisticRegression
from ilk.evaluate.protocols.protocol import Labelled, Task

DIM, KNOWN, CLASSES = 384, 50_000, 10
GIB = 2**30
Features = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # known, labels, asked, labels
Found = tuple[float, float, float]  # accuracy, seconds, bytes above the features


def rows(runs: int) -> list[dict[str, Any]]:
    """Speed, difference in accuracy and memory; ``runs`` is not used, each takes minutes."""
    del runs
    if not DATA.exists() or not sys.platform.startswith("linux"):
        why = f"needs Linux and {DATA.name}, see benchmarks/README.md"
        return [
            {"work": work, "against": "scikit-learn", "at_least": floor, "skipped": why}
            for work, (floor, _, _) in SIDES.items()
        ]
    out: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.npz"
        np.savez(path, *features())
        for work, (floor, ours, theirs) in SIDES.items():
            (right, seconds, memory), (expected, slow, _) = (
                apart(path, ours), apart(path, theirs),
            )  # fmt: skip
            out += [
                {
                    "work": work, "against": "scikit-learn", "at_least": floor,
                    "ratio": slow / seconds, "seconds": seconds, "seconds_against": slow,
                },
                {
                    "work": f"{work}: accuracy apart", "against": "scikit-learn",
                    "at_most": 0.2, "unit": "points", "ratio": 100 * abs(right - expected),
                    "accuracy": right, "accuracy_against": expected,
                },
                {
                    "work": f"{work}: memory above the features", "at_most": 1.0,
                    "unit": "GiB", "ratio": memory / GIB,
                },
            ]  # fmt: skip
    return out


def features() -> Features:
    """Known vectors and labels, then asked ones."""
    known, asked = (pixels(open_source(f"{DATA}:{part}")) for part in ("train", "test"))
    images = torch.from_numpy(known.vectors).view(-1, 3, 32, 32)
    moved = torch.roll(images[: KNOWN - 2 * len(images)], (2, 2), (2, 3))
    more = torch.cat([images, images.flip(3), moved]).flatten(1)
    names = np.concatenate([known.labels, known.labels, known.labels[: len(moved)]])
    classes = np.unique(names)
    matrix = torch.randn(more.shape[1], DIM, generator=torch.Generator().manual_seed(0))

    def lifted(vectors: torch.Tensor) -> np.ndarray:
        return ((vectors - more.mean(0)) @ matrix / more.shape[1] ** 0.5).relu().numpy()

    return (
        lifted(more), np.searchsorted(classes, names),
        lifted(torch.from_numpy(asked.vectors)), np.searchsorted(classes, asked.labels),
    )  # fmt: skip


def apart(path: Path, side: Callable[[Features], float]) -> Found:
    """Accuracy, seconds and memory of one side in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measured, (path, side))


def measured(path: Path, side: Callable[[Features], float]) -> Found:
    """The same in this process."""
    with np.load(path) as file:
        loaded: Features = tuple(file[name] for name in file.files)  # type: ignore[assignment]
    forget_peak()
    before = peak()
    began = time.perf_counter()
    right = side(loaded)
    seconds = time.perf_counter() - began
    return right, seconds, peak() - before


def forget_peak() -> None:
    """Let the peak of this process begin at what it holds now (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def peak() -> float:
    """The most bytes that this process has held (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(float(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def ours(name: str, found: Features) -> float:
    known, names, asked, wanted = map(torch.from_numpy, found)
    task = Task(
        train=Labelled(vectors=known, labels=names),
        test=Labelled(vectors=asked, labels=wanted),
        classes=tuple(map(str, range(CLASSES))),
        seed=0,
    )
    return protocol(name).procedure.measure(task).value


def our_neighbours(found: Features) -> float:
    """``knn@1``."""
    return ours("knn@1", found)


def our_sweep(found: Features) -> float:
    """``linear@1``."""
    return ours("linear@1", found)


def their_neighbours(found: Features) -> float:
    """KNeighborsClassifier with the same candidates for k, on the same held-out part."""
    from sklearn.neighbors import KNeighborsClassifier

    known, names, asked, wanted = found
    settings = protocol("knn@1").procedure
    assert isinstance(settings, NearestNeighbours)

    def weights(distance: np.ndarray) -> np.ndarray:
        return np.exp(-distance / settings.temperature)

    def classifier(k: int) -> Any:
        return KNeighborsClassifier(k, metric="cosine", algorithm="brute", weights=weights)  # type: ignore[arg-type]

    aside = put_aside(names, settings.held_out)
    scores = [
        classifier(k).fit(known[~aside], names[~aside]).score(known[aside], names[aside])
        for k in settings.neighbours
    ]
    best = settings.neighbours[int(np.argmax(scores))]
    return float(classifier(best).fit(known, names).score(asked, wanted))


def their_sweep(found: Features) -> float:
    """LogisticRegression over the same strengths, on the same held-out part."""
    from sklearn import linear_model
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known, names, asked, wanted = found
    settings = protocol("linear@1").procedure
    assert isinstance(settings, LogisticRegression)
    aside = put_aside(names, settings.held_out)

    def fitted(strength: float, vectors: np.ndarray, labels: np.ndarray) -> Any:
        fit = linear_model.LogisticRegression(
            C=1 / (strength * len(vectors)),
            tol=settings.tolerance,
            max_iter=settings.most_steps,
        )
        return make_pipeline(StandardScaler(), fit).fit(vectors, labels)

    scores = [
        fitted(strength, known[~aside], names[~aside]).score(known[aside], names[aside])
        for strength in settings.strengths
    ]
    best = settings.strengths[int(np.argmax(scores))]
    return float(fitted(best, known, names).score(asked, wanted))


def put_aside(names: np.ndarray, share: float) -> np.ndarray:
    """The held-out part that ``ilk evaluate`` draws."""
    return held_out(torch.from_numpy(names), share, 0).numpy()


SIDES: dict[str, tuple[float, Callable[[Features], float], Callable[[Features], float]]] = {
    "k-NN of 50,000 x 10,000 x 384": (1.0, our_neighbours, their_neighbours),
    "linear sweep of 50,000 x 384": (5.0, our_sweep, their_sweep),
}
