"""One rank of two that decide together; writes what it was told."""

import json
import os
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist

from ilk.core import UserError
from ilk.train.processes.ranks import (
    check_same,
    from_first,
    largest,
    leave,
    processes,
    tensors_from_first,
    together,
)


def error_of(work) -> str:
    try:
        work()
    except UserError as error:
        return str(error)
    return "none"


def fails(*at: int):
    def work() -> int:
        if dist.get_rank() in at:
            raise UserError("no such folder")
        return dist.get_rank()

    return work


def bug() -> None:
    if dist.get_rank() == 0:
        raise KeyError("odd")


def read():
    assert dist.get_rank() == 0, "only the first reads"
    return {
        "a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(True), "c": torch.zeros(0, 2),
        "d": torch.tensor([1.5], dtype=torch.bfloat16),
    }, {"step": 3}  # fmt: skip


def main(target: Path) -> None:
    told: dict[str, object] = {}
    try:
        with processes():
            rank = dist.get_rank()
            told["first"] = from_first(lambda: f"seen by {rank}")
            told["first fails"] = error_of(lambda: from_first(fails(0)))
            try:
                told["bug"] = error_of(lambda: from_first(bug))
            except KeyError:
                told["bug"] = "raised"
            told["together"] = together(fails())
            told["one fails"] = error_of(lambda: together(fails(1)))
            told["same"] = error_of(lambda: check_same("x", "data", "files"))
            told["other"] = error_of(lambda: check_same(f"x{rank}", "data", "files"))
            told["largest"] = largest(15 * rank)
            tensors, facts = tensors_from_first(read)
            told["tensors"] = {name: [str(t.dtype), t.tolist()] for name, t in tensors.items()}
            told["facts"] = facts
            (target / f"{rank}.json").write_text(json.dumps(told))
            if rank == 1 and os.environ.get("LATE"):
                time.sleep(120)
            largest(0)
        leave()
    except UserError as error:
        sys.stdout.write(f"{error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
