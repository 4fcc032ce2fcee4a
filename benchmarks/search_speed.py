"""Search beside FAISS and scikit-learn, lists beside exact search, and memory by count.

    make bench-search      or python -m benchmarks.search_speed [exact] [lists] [memory]

Each row is kept as a JSON file under ``results/search/`` and is not measured again while that
is there. One thread, and processor seconds where two are compared, for other work may run.
Vectors at random: points of 12 dimensions around 2,000 centres, lifted to D dimensions, with
noise, so that they lie as those of images do, near a surface of fewer dimensions. Each side
runs in a process of its own.

* exact: 1,000,000 x 384, 1,000 queries at once and one by one, the ten nearest.
* lists: the same vectors, engine ivf at recall@10 of 0.95.
* memory: 10,000,000 x 128, built and searched: the most memory that the process held.
"""

import argparse
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.grid import RESULTS, write
from benchmarks.probe_speed import forget_peak, peak
from benchmarks.speed import facts

PLACE = RESULTS / "search"
BLOCK, SHARD = 50_000, 100_000
SEEDS = {"centres": 0, "vectors": 1, "queries": 2}
QUERIES, SINGLE, K = 1000, 20, 10
CENTRES, INNER, NOISE, SPREAD = 2000, 12, 0.02, 0.35
GIB = 2**30
SIZES = {"exact": (1_000_000, 384), "lists": (1_000_000, 384), "memory": (10_000_000, 128)}


def named(part: str) -> str:
    """How many vectors of how many numbers."""
    return f"{SIZES[part][0]:,} x {SIZES[part][1]}"


def vectors(count: int, dim: int, seed: int) -> Iterator[np.ndarray]:
    """Rows of unit length in blocks; the same centres for all."""
    fixed = np.random.default_rng(SEEDS["centres"])
    centres = fixed.normal(size=(CENTRES, INNER)).astype(np.float32)
    lift = fixed.normal(size=(INNER, dim)).astype(np.float32)
    rng = np.random.default_rng(seed)
    for start in range(0, count, BLOCK):
        rows = min(BLOCK, count - start)
        inner = centres[rng.integers(CENTRES, size=rows)]
        inner = inner + SPREAD * rng.standard_normal((rows, INNER), np.float32)
        block = np.tanh(inner @ lift / INNER**0.5)
        block += NOISE * rng.standard_normal((rows, dim), np.float32)
        yield block / np.linalg.norm(block, axis=1, keepdims=True)


def queries(dim: int) -> np.ndarray:
    """Other rows of the same kind."""
    return next(iter(vectors(QUERIES, dim, SEEDS["queries"])))


def save_table(folder: Path, count: int, dim: int) -> None:
    """A table as ``ilk embed`` writes it, in shards."""
    made = {
        "encoder": "none", "encoder_name": "none", "image_size": 32, "dim": dim,
        "data": f"{SEEDS} {count}", "items": count, "classes": [], "shard_rows": SHARD,
    }  # fmt: skip
    beside = {"ilk": json.dumps({"made": made, "bad": []})}
    folder.mkdir()
    writer, first = None, 0
    for block in vectors(count, dim, SEEDS["vectors"]):
        rows = np.arange(first, first + len(block))
        flat = pa.array(block.astype(np.float16).ravel())
        table = pa.table(
            {
                "key": pa.array([f"{row}.jpg" for row in rows], pa.string()),
                "content": pa.array(rows, pa.uint64()),
                "vector": pa.FixedSizeListArray.from_arrays(flat, dim),
            }
        ).replace_schema_metadata(beside)
        if first % SHARD == 0:
            if writer is not None:
                writer.close()
            file = folder / f"part-{first // SHARD:05d}.parquet"
            writer = pq.ParquetWriter(file, table.schema)
        assert writer is not None
        writer.write_table(table, row_group_size=4096)
        first += len(block)
    if writer is not None:
        writer.close()


def timed(search: Callable[[np.ndarray], Any], asked: np.ndarray) -> dict[str, float]:
    """Processor seconds for a query, of many at once and of one; the least of three of each."""
    search(asked[:1])

    def shortest(work: Callable[[], Any], of: int) -> float:
        times: list[float] = []
        for _ in range(3):
            began = time.process_time()
            work()
            times.append(time.process_time() - began)
        return min(times) / of

    many = shortest(lambda: search(asked), len(asked))
    one = shortest(lambda: [search(asked[n : n + 1]) for n in range(SINGLE)], SINGLE)
    return {"batch": many, "single": one}


def ours(folder: Path, exact: bool) -> dict[str, float]:
    import torch

    from ilk.search import Index

    torch.set_num_threads(1)
    index = Index.open(folder / "index")
    asked = queries(index.header.dim)
    return timed(lambda rows: index.search(rows, K, exact=exact), asked)


def by_faiss(count: int, dim: int) -> dict[str, float]:
    import faiss

    faiss.omp_set_num_threads(1)
    flat = faiss.IndexFlatIP(dim)
    for block in vectors(count, dim, SEEDS["vectors"]):
        flat.add(block.astype(np.float16).astype(np.float32))
    return timed(lambda rows: flat.search(rows, K), queries(dim))


def by_scikit_learn(count: int, dim: int) -> dict[str, float]:
    from sklearn.neighbors import NearestNeighbors

    rows = np.empty((count, dim), np.float32)
    for number, block in enumerate(vectors(count, dim, SEEDS["vectors"])):
        rows[number * BLOCK : (number + 1) * BLOCK] = block
    # of unit length: Euclidean distances have the same order, and need no second copy
    fitted = NearestNeighbors(n_neighbors=K, algorithm="brute").fit(rows)
    return timed(fitted.kneighbors, queries(dim))


def build(folder: Path, engine: str) -> dict[str, Any]:
    """Seconds, memory above what importing takes, and what the header says."""
    from ilk.search import Plan, build_index

    forget_peak()
    began = time.perf_counter()
    index = build_index(folder / "table", folder / "index", Plan(engine=engine))  # type: ignore[arg-type]
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds, "peak_gib": peak() / GIB, "recall": index.header.recall,
        "ivf": index.header.ivf,
        "bytes": sum(file.stat().st_size for file in index.folder.rglob("*") if file.is_file()),
    }  # fmt: skip


def searched(folder: Path, exact: bool) -> dict[str, Any]:
    """The most memory that searching takes, the library included."""
    from ilk.search import Index

    forget_peak()
    index = Index.open(folder / "index")
    began = time.perf_counter()
    index.search(queries(index.header.dim), K, exact=exact)
    return {"seconds": time.perf_counter() - began, "peak_gib": peak() / GIB}


def apart(work: Callable[..., Any], *given: Any) -> Any:
    """In a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, given)


def exact(folder: Path) -> list[dict[str, Any]]:
    """Beside FAISS's flat index and scikit-learn's brute force."""
    save_table(folder / "table", *SIZES["exact"])
    apart(build, folder, "exact")
    mine = apart(ours, folder, True)
    others = {"FAISS flat": apart(by_faiss, *SIZES["exact"]),
              "scikit-learn": apart(by_scikit_learn, *SIZES["exact"])}  # fmt: skip
    return [
        {
            "work": f"exact search of {named('exact')}, {how}", "against": name,
            "ratio": found[how] / mine[how], "seconds": mine[how],
            "seconds_against": found[how], **({"at_least": 1 / 1.2} if how == "batch" else {}),
        }
        for name, found in others.items()
        for how in ("batch", "single")
    ]  # fmt: skip


def lists(folder: Path) -> list[dict[str, Any]]:
    """Beside exact search of the same vectors."""
    save_table(folder / "table", *SIZES["lists"])
    made = apart(build, folder, "ivf")
    mine, all_of_them = apart(ours, folder, False), apart(ours, folder, True)
    return [
        {
            "work": f"lists of {named('lists')} at recall 0.95, {how}", "against": "exact",
            "ratio": all_of_them[how] / mine[how], "seconds": mine[how],
            "seconds_against": all_of_them[how], "at_least": 10.0, "built": made,
        }
        for how in ("batch", "single")
    ]  # fmt: skip


def memory(folder: Path) -> list[dict[str, Any]]:
    """Of building and searching ten million vectors, by lists and exactly."""
    save_table(folder / "table", *SIZES["memory"])
    made = apart(build, folder, "ivf")
    found = {"lists": apart(searched, folder, False), "exact": apart(searched, folder, True)}
    rows = [{"work": f"building {named('memory')}", "unit": "GiB", "ratio": made["peak_gib"],
             "at_most": 3.0, "built": made}]  # fmt: skip
    return rows + [
        {"work": f"searching {named('memory')}, {how}", "unit": "GiB", "at_most": 3.0,
         "ratio": one["peak_gib"], "seconds_for_1000_queries": one["seconds"]}
        for how, one in found.items()
    ]  # fmt: skip


PARTS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    "exact": exact, "lists": lists, "memory": memory,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all when none")
    parser.add_argument("--rows", type=int, help="fewer rows than the table has, to try it out")
    parser.add_argument("--again", action="store_true", help="measure what is there as well")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(PARTS):
        sys.exit(f"parts: must be of {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    for name in chosen.parts or PARTS:
        place = PLACE / f"{name}.json"
        if chosen.rows:
            SIZES[name] = (chosen.rows, SIZES[name][1])
        elif place.exists() and not chosen.again:
            continue
        began = time.perf_counter()
        folder = Path(tempfile.mkdtemp(prefix="ilk-search-"))
        try:
            found = PARTS[name](folder)
        finally:
            shutil.rmtree(folder)
        content = {
            "command": f"python -m benchmarks.search_speed {name}", "seeds": SEEDS,
            "rows_of_table": SIZES[name][0], "seconds": round(time.perf_counter() - began, 1),
            **facts(), "rows": found,
        }  # fmt: skip
        if not chosen.rows:
            write(place, content)
        for row in found:
            print(f"{row['work']} against {row.get('against', 'nothing')}: {row['ratio']:.3g}")


if __name__ == "__main__":
    main()
