"""What a machine without a network needs: images, wheels, and which commit this is.

    python -m benchmarks.gpu prepare --data cifar10-20k.parquet --python 3.12

Everything lies in build/gpu, beside a tree that is copied as it stands; both together must stay
below what can be carried.
"""

import argparse
import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from PIL import Image

from benchmarks.gpu.place import CARRIED, IMAGES
from benchmarks.grid import absent
from benchmarks.mini import DATA
from ilk.core import UserError
from ilk.train.records.record import surroundings as around

CARRIES = 64 * 2**20  # bytes, with the tree
FACTS, WHEELS = "prepared.json", "wheels"
# What usual surroundings of torch lack, with all that these need.
WANTED = ("simplejpeg", "cyclopts", "jaxtyping")
# By themselves; the last three are for the steps beside lightly's.
ALONE = ("lightning-fabric", "lightning-utilities", "lightly", "lightly-utils", "aenum")


def main(given: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="cifar10-20k.parquet")
    parser.add_argument("--out", type=Path, default=CARRIED)
    parser.add_argument("--python", default="", help="version there, as 3.12; the one here")
    parser.add_argument("--no-wheels", action="store_true", help="all packages are there")
    chosen = parser.parse_args(given)
    if not chosen.data.exists():
        raise absent(chosen.data)
    chosen.out.mkdir(parents=True, exist_ok=True)
    if not (chosen.out / IMAGES).exists():
        images(chosen.data, chosen.out / IMAGES)
    if not chosen.no_wheels:
        wheels(chosen.out / WHEELS, chosen.python)
    kept = {name: around()[name] for name in ("commit", "versions")}
    (chosen.out / FACTS).write_text(json.dumps(kept, indent=1) + "\n")
    check_size(chosen.out)


def images(source: Path, target: Path) -> None:
    """The same rows with every image as lossless WebP, which is smaller than PNG."""
    table = pq.read_table(source)
    with ThreadPoolExecutor() as pool:
        codes = list(pool.map(webp, table["image"].to_pylist()))
    place = table.schema.get_field_index("image")
    table = table.set_column(place, "image", pa.array(codes, pa.binary()))
    beside = target.with_suffix(".tmp")
    pq.write_table(table, beside, compression="none", row_group_size=2000)
    beside.replace(target)


def webp(code: bytes) -> bytes:
    """An encoded image encoded again, without loss."""
    out = io.BytesIO()
    Image.open(io.BytesIO(code)).convert("RGB").save(
        out, "WEBP", lossless=True, quality=100, method=4, exact=True
    )
    return out.getvalue()


def wheels(target: Path, python: str) -> None:
    """Fetch wheels for the machine there."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:",
           "--dest", str(target)]  # fmt: skip
    there = ["--python-version", python, "--platform", "manylinux2014_x86_64",
             "--platform", "manylinux_2_28_x86_64"] if python else []  # fmt: skip
    subprocess.run([*pip, *there, *WANTED], check=True)
    subprocess.run([*pip, *there, "--no-deps", *ALONE], check=True)
    for wheel in target.glob("numpy-*.whl"):  # large, and there
        wheel.unlink()


def check_size(out: Path) -> None:
    """Refuse what is too much to be carried.

    Raises:
        UserError: tree and carried folder together are larger than what can be carried.
    """
    root = Path(__file__).parents[2]
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=root, check=True, capture_output=True,
    ).stdout.split(b"\0")  # fmt: skip
    tree = [root / os.fsdecode(name) for name in listed if name]
    total = sum(file.stat().st_size for file in (*tree, *out.rglob("*")) if file.is_file())
    print(f"{out} and the tree: {total / 2**20:.1f} MiB")
    if total > CARRIES:
        raise UserError(
            f"prepare: tree and {out} must be at most {CARRIES / 2**20:.0f} MiB, got "
            f"{total / 2**20:.1f}; take files away"
        )


def surroundings(data: Path) -> dict[str, Any]:
    """Commit, versions and device, for the record; a copied tree knows its commit from here."""
    found = around()
    commit = found["commit"]
    path = data / FACTS
    if path.exists():
        commit = commit or json.loads(path.read_text())["commit"]
    device = None
    if torch.cuda.is_available():
        one = torch.cuda.get_device_properties(0)
        device = {"name": one.name, "bytes": one.total_memory, "cuda": torch.version.cuda}
    return {"commit": commit, "versions": found["versions"], "accelerator": device}


def counted(data: Path) -> int:
    """Images that are learned from."""
    path = data / IMAGES
    if not path.exists():
        raise absent(path)
    splits = pq.read_table(path, columns=["split"])["split"]
    return pc.sum(pc.equal(pc.cast(splits, pa.string()), "train")).as_py()
