"""How many planted copies are found, at which precision, and by which tools?

    make bench-duplicates                                  all stages, each kept once done
    python -m benchmarks.duplicates --peers PYTHON         beside imagededup and cleanvision
    python -m benchmarks.duplicates --self-join            200,000 synthetic vectors alone
    make bench-duplicates DUPLICATES=--few                 1,000 images: does all of it run?

20,000 real images: the 4,000 of Imagenette's training part at 96 px, and 16,000 of CIFAR-10's
at 32 px. 2,000 of them, half of each, get one copy of twelve kinds; see `benchmarks.planted`.
What ilk does was chosen on other images: Imagenette's validation part and 2,000 of CIFAR-10's
test set, with copies drawn from another seed.

Pairs are counted. A pair is right if both are the same image or copies of it. The data have
copies by themselves: of the pairs that were not planted a random sample of each tool's is drawn
on sheets (``--sheets``) and judged by eye, without the name of who found them, in
``judged.json``; see `benchmarks.judged`.
Processor seconds are reported, those of started processes too: other work ran on the machine.
"""

import argparse
import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.continued import lite0
from benchmarks.duplicates_peers import spent
from benchmarks.grid import RESULTS, RUNS, facts, opened, write
from benchmarks.judged import Pair, draw, in_order, pairs_of, scores, to_judge
from benchmarks.mini import DATA as CIFAR
from benchmarks.planted import KINDS, write_folder
from ilk.core import seeding
from ilk.curate import (
    agreement_threshold,
    duplicate_groups,
    look_at,
    nearest_in_cells,
)
from ilk.curate.groups import groups
from ilk.data import open_source
from ilk.embedding import embed_to_table, nearest
from ilk.networks import save_encoder
from ilk.search import Index, build_index

SEED = 0
PLACE, FEW = RUNS / "duplicates", RUNS / "duplicates-few"
SIZES = {PLACE: (4000, 16_000, 1000), FEW: (200, 800, 48)}  # images of each, and copies of each
COSINES = (0.8, 0.85, 0.9, 0.92, 0.95)  # imagededup's default is 0.9
BITS = range(0, 13)  # imagededup's default is 10
JUDGED = Path(__file__).parent / "results" / "duplicates" / "judged.json"


def images(place: Path) -> dict[str, tuple[str, str]]:
    """The files, and of each copy its original and kind."""
    nette = opened(CIFAR.parent / "imagenette96-5k.parquet", "train")
    cifar = opened(CIFAR, "train")
    large, small, copies = SIZES[place]
    parts = [
        ("nette", nette, np.arange(large), copies),
        ("cifar", cifar, np.sort(seeding.permutation(SEED, 0, 20_000)[:small]), copies),
    ]
    return write_folder(place / "images", parts, SEED)


def timed(path: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a stage found, with its seconds; done once."""
    if not path.exists():
        wall, own = time.perf_counter(), spent()
        found = work()
        seconds = {
            "processor_seconds": round(spent() - own, 1),
            "seconds": round(time.perf_counter() - wall, 1),
        }
        write(path, seconds | found)
    return json.loads(path.read_text())


def index(place: Path) -> Index:
    """Vectors of all files by the package's weights, at 96 px."""
    folder = place / "photos.index"
    if (folder / "index.json").exists():
        return Index.open(folder)
    weights = place / "lite0-96"
    if not weights.exists():
        save_encoder(lite0(96), weights)

    def embedded() -> dict[str, Any]:
        embed_to_table(
            lite0(96), open_source(str(place / "images")), place / "photos.parquet",
            device="cpu", workers=1, batch_size=128,
        )  # fmt: skip
        return {}

    timed(place / "embed.json", embedded)
    return build_index(place / "photos.parquet", folder)


def name_of(key: str) -> str:
    return key.rsplit("/", maxsplit=1)[-1]


def by_ilk(place: Path, vectors: Index | None) -> dict[str, Any]:
    """All of ``ilk duplicates``, but for the page."""
    source = open_source(str(place / "images"))
    began = spent()
    looks = look_at(source)
    looked = spent() - began
    limit = agreement_threshold(looks, source=source)
    rows = None
    if vectors is not None:  # by key: an index has its own order
        order = {
            name_of(k): n for n, k in enumerate(vectors.columns(["key"])["key"].to_pylist())
        }
        rows = vectors.vectors[
            np.array([order[name_of(source.key(n))] for n in range(len(source))])
        ]
    found = duplicate_groups(looks, rows, threshold=limit.value)
    names = [name_of(source.key(int(item))) for item in looks.items]
    return {
        "threshold": round(limit.value, 4),
        "false_alarms": limit.rate,
        "found_of_altered": limit.found,
        "look_processor_seconds": round(looked, 1),
        "groups": [[names[row] for row in group.rows] for group in found],
        "agreements": {
            f"{names[c.row]} {names[g.medoid]}": [c.level, round(c.agreement, 3)]
            for g in found
            for c in g.copies
        },
    }


def by_cosine(vectors: Index) -> dict[str, Any]:
    """What imagededup's CNN gives for the same vectors: all pairs from a cosine on."""
    import torch

    names = [name_of(key) for key in vectors.columns(["key"])["key"].to_pylist()]
    rows = torch.from_numpy(vectors.vectors[:].astype(np.float32))
    places, cosines = (part.numpy() for part in nearest(rows, rows, 50))
    at, column = np.nonzero(cosines >= min(COSINES))
    pairs = [
        (names[a], names[b], round(float(cosines[a, c]), 4))
        for a, c in zip(at, column, strict=True) if a < (b := places[a, c])
    ]  # fmt: skip
    return {"pairs": pairs}


def by_peer(place: Path, python: str, tool: str) -> dict[str, Any]:
    out = place / f"{tool}-found.json"
    script = Path(__file__).parent / "duplicates_peers.py"
    subprocess.run([python, str(script), tool, str(place / "images"), str(out)], check=True)
    return json.loads(out.read_text())


def self_join() -> dict[str, Any]:
    """200,000 vectors of 128 features, a tenth of which have a near twin."""
    rng = np.random.default_rng(SEED)
    base = rng.normal(size=(180_000, 128)).astype(np.float32)
    twins = base[:20_000] + 0.2 * rng.normal(size=(20_000, 128)).astype(np.float32)
    seconds = {}
    for count in (50_000, 100_000, 200_000):
        share = count // 10
        rows = np.concatenate([base[: count - share], twins[:share]]).astype(np.float16)
        began = spent()
        places, cosines = nearest_in_cells(rows, rows, 5)
        pairs = np.stack([np.repeat(np.arange(count), 5), places.ravel()], 1)
        pairs = pairs[(cosines.ravel() >= 0.9) & (pairs[:, 0] < pairs[:, 1])]
        found = groups(pairs, lambda medoid, others: np.zeros(len(others), bool))
        seconds[str(count)] = round(spent() - began, 1)
        planted = {(row, count - share + row) for row in range(share)}
        recall = len(planted & set(map(tuple, pairs.tolist()))) / share
    return {
        "dim": 128,
        "processor_seconds_by_count": seconds,
        "groups": len(found),
        "recall": round(recall, 4),
    }


def tools(
    place: Path, peers: str | None, alone: bool
) -> dict[str, tuple[dict[str, Any], set[Pair]]]:
    """All settings of all tools: what is known of each, and its pairs."""
    out: dict[str, tuple[dict[str, Any], set[Pair]]] = {}
    found = timed(place / "ilk-images.json", lambda: by_ilk(place, None))
    out["ilk, images alone"] = found, pairs_of(found["groups"])
    if not alone:
        vectors = index(place)
        found = timed(place / "ilk-index.json", lambda: by_ilk(place, vectors))
        out["ilk, with an index"] = found, pairs_of(found["groups"])
        found = timed(place / "cosine.json", lambda: by_cosine(vectors))
        for least in COSINES:
            pairs = {in_order(*p[:2]) for p in found["pairs"] if p[2] >= least}
            out[f"imagededup CNN's rule, cosine {least:g}"] = found, pairs
    if peers is None:
        return out
    found = timed(place / "imagededup.json", lambda: by_peer(place, peers, "imagededup"))
    for bits in BITS:
        pairs = {in_order(*p[:2]) for p in found["pairs"] if p[2] <= bits}
        out[f"imagededup PHash, {bits} bits"] = found, pairs
    found = timed(place / "cleanvision.json", lambda: by_peer(place, peers, "cleanvision"))
    out["cleanvision"] = found, pairs_of(found["groups"])
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", help="interpreter of an environment with the peers")
    parser.add_argument("--images-alone", action="store_true", help="leave vectors out")
    parser.add_argument("--sheets", action="store_true", help="draw the pairs to be judged")
    parser.add_argument("--few", action="store_true", help="1,000 images; writes no result")
    parser.add_argument("--self-join", action="store_true", help="synthetic vectors alone")
    asked = parser.parse_args()
    command = "python -m benchmarks.duplicates"
    command += " --peers PYTHON" if asked.peers else ""
    command += " --images-alone" if asked.images_alone else ""
    if asked.self_join:
        command = "python -m benchmarks.duplicates --self-join"
        write(RESULTS / "duplicates" / "self-join.json", facts(command) | self_join())
        return
    place = FEW if asked.few else PLACE
    planted = images(place)
    found = tools(place, asked.peers, asked.images_alone)
    if asked.sheets:
        asked_of = to_judge((pairs for _, pairs in found.values()), planted)
        draw(asked_of, place / "images", place)
        (place / "asked.json").write_text(json.dumps(asked_of))
        return
    judged = json.loads(JUDGED.read_text()) if JUDGED.exists() else {}
    keep = (
        "processor_seconds",
        "threshold",
        "false_alarms",
        "found_of_altered",
        "look_processor_seconds",
        "versions",
    )
    seconds = {} if asked.images_alone else timed(place / "embed.json", dict)
    content = {
        "images": 20_000, "copies": len(planted), "seed": SEED, "kinds": KINDS,
        "embed_processor_seconds": seconds.get("processor_seconds"),
        "tools": {
            name: {k: kept[k] for k in keep if k in kept} | scores(pairs, planted, judged)
            for name, (kept, pairs) in found.items()
        },
    }  # fmt: skip
    if asked.few:
        for name, said in content["tools"].items():
            print(
                f"{name}: recall {said['recall']['all']:.2f}, precision {said['precision']:.2f}"
            )
        return
    write(RESULTS / "duplicates" / "planted.json", facts(command) | content)


if __name__ == "__main__":
    main()
