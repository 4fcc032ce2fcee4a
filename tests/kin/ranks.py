"""What two processes find together; one of them writes it down."""

import os
import sys
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from ilk.core import Output
from ilk.kin import Sinkhorn
from ilk.memory import Centre, Queue
from tests.kin.context import FakeLook, plain, stale

SEEN = Output("student", "a", "prototypes")


def result(scores: torch.Tensor, pool: str | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Codes of these rows and the centre after them."""
    torch.manual_seed(1)
    prototypes, queue = torch.randn(scores.shape[1], 2), Queue(5, 2)
    queue.remember(stale(torch.randn(5, 2)))
    centre = Centre(scores.shape[1]).double()
    context = FakeLook({SEEN: plain(scores)}, {"queue": queue}, prototypes)
    codes = Sinkhorn(by=SEEN, epsilon=0.2, pool=pool)(
        plain(scores), plain(scores), context
    ).weights
    centre.remember(plain(scores))
    return codes, centre.value


def batch() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(6, 4).double()


def main(target: Path, rank: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{target}/meet", rank=rank, world_size=2,
        timeout=timedelta(seconds=60),
    )  # fmt: skip
    # The ranks hold unequal parts, so that a mean of means would not do.
    own = batch()[:2] if rank == 0 else batch()[2:]
    found = {str(pool): result(own, pool) for pool in (None, "queue")}
    torch.save(found, target / f"rank{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(os.environ["RANK"]))
