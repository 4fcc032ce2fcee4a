"""The table of the SDMP paper, on the encoders of the learning check instead of ImageNet's.

    make paper                                                   after make mini
    .venv/bin/python -m benchmarks.paper --protocols robustness  one column
    .venv/bin/python -m benchmarks.paper --seed 1                encoders of another seed

Linear probe, fine-tuning on all labels (30 epochs where the paper has 100), on 10 % and 1 % of
them, and corruptions of the test images, for every encoder that `make mini` left and for the
network without training. It can be stopped at any time: finished protocols are kept. Several
processes each take the next encoder.
"""

import argparse
import json
from pathlib import Path

from rich.console import Console

from benchmarks.grid import RESULTS, RUNS, alone, facts, write
from benchmarks.mini import CELLS, DATA, SHARED, grid
from ilk.embedding import embed
from ilk.evaluate import Images, Ledger, evaluate, protocol
from ilk.networks import Encoder, load_encoder
from ilk.progress import TrainDisplay

PROTOCOLS = "knn,linear,finetune-1,finetune-10,robustness,finetune-mini"


def measure(cell: str, seed: int, names: list[str], data: Path, console: Console) -> None:
    """Every protocol that is not finished yet, for one encoder."""
    whole = grid(data)
    encoder = encoder_of(cell, seed)
    train, test = embed(encoder, whole.train), embed(encoder, whole.test)
    images = Images(encoder=encoder, train=whole.train, test=whole.test)
    ledger = Ledger(RUNS / "paper" / f"{cell}-seed{seed}.json")
    path = RESULTS / "paper" / f"{cell}-seed{seed}.json"
    kept = json.loads(path.read_text())["results"] if path.exists() else []
    for name in names:
        with TrainDisplay(console, f"{cell}: {name}") as display:
            found = evaluate(
                train, test, [name], seed, images=images, ledger=ledger,
                progress=lambda done, of, to=display: to.stepped(done, of, {}),
            )  # fmt: skip
        kept = [old for old in kept if old["protocol"] != name]
        kept += [result.to_dict() for result in found]
        console.print(f"{cell}: {name} {found[0].value:.4f}")
        write(path, facts("make paper") | {"cell": cell, "seed": seed, "results": kept})


def encoder_of(cell: str, seed: int) -> Encoder:
    """What a cell of the learning check left."""
    if cell == "untrained":
        size = SHARED["image_size"]
        return load_encoder(f"random:{SHARED['backbone']}", image_size=size, seed=seed)
    return load_encoder(RUNS / "mini" / f"{cell}-seed{seed}")


def there(cell: str, seed: int) -> bool:
    """Whether the cell has an encoder."""
    record = RUNS / "mini" / f"{cell}-seed{seed}" / "run.json"
    trained = record.exists() and json.loads(record.read_text())["status"] == "finished"
    return trained or cell == "untrained"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA, help="cifar10-20k.parquet")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--protocols", default=PROTOCOLS)
    parser.add_argument("--cell", choices=[cell.name for cell in CELLS])
    chosen = parser.parse_args()
    asked = [protocol(name).name for name in chosen.protocols.split(",")]
    for cell in CELLS:
        if chosen.cell in (None, cell.name) and there(cell.name, chosen.seed):
            lock = RUNS / "paper" / f"{cell.name}-seed{chosen.seed}.lock"
            with alone(lock) as mine:
                if mine:
                    measure(cell.name, chosen.seed, asked, chosen.data, Console())
